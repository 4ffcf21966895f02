"""Every script: as a user runs it, what its model is, and what sets it apart from its neighbours."""

import re
import runpy
import sys

import common.layers  # noqa: F401  the one import that loading a small Alexnet takes
from common import record

import keras
import numpy as np
import pytest
from benchmark import imported
from conftest import ROOT, every_script, run

# Paper, Table 1; LSTM: 10,000 word vectors of 128, four gates of (128 + 128 + 1) x 128, 129 x 2
PARAMETERS = {"MLP1": 1_209_866, "MLP3": 1_735_178, "Mini Alexnet": 1_387_786, "Mini Inception": 1_649_402,
              "LSTM": 10_000 * 128 + 4 * 257 * 128 + 129 * 2}
SCRIPTS = pytest.mark.parametrize("script", every_script(), ids=lambda path: path.stem)


@SCRIPTS
def test_parameter_count(script):
    model = imported(script).build_model()
    expected, classes = PARAMETERS[script.parent.name], 10
    if "rademacher" in script.stem:
        expected, classes = expected - 8 * (1 + model.layers[-1].input.shape[-1]), 2
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == expected
    text = script.parent.name == "LSTM"
    assert (model.input_shape, model.output_shape) == (((None, 200), (None, 2)) if text else
                                                       ((None, 28, 28, 3), (None, classes)))


def plain(script):
    """The script of the same folder that the others are variants of."""
    return min((path for path in every_script() if path.parent == script.parent), key=lambda path: len(path.name))


@SCRIPTS
def test_runs_from_another_folder_and_saves_a_model_that_loads(script, tmp_path, monkeypatch):
    folder = tmp_path / "with a space"
    folder.mkdir()
    def published():
        return {path: path.stat().st_mtime_ns for path in script.parent.glob("[!.]*.*")}

    before = published()
    options = ["--dataset", "synthetic", "--limit", "96", "--epochs", "1", "--out", folder]
    if script == plain(script):
        process = run(script, *options, cwd=tmp_path)
        assert process.returncode == 0, process.stderr
    else:  # as Python runs it, but without the seconds that loading TensorFlow takes
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            keras.config.set_dtype_policy("float32")
    stem = script.stem + "--synthetic--limit-96--epochs-1"
    assert {path.name for path in folder.glob("[!.]*")} == {stem + ".h5", stem + ".png"}
    assert published() == before, "a trial touches nothing"

    model, told = keras.models.load_model(folder / (stem + ".h5"), compile=False), record.read(folder / (stem + ".h5"))
    np.testing.assert_allclose(model.predict(told["probe"]["inputs"], verbose=0), told["probe"]["outputs"],
                               rtol=1e-3, atol=1e-4)
    transforms = "shuffled_words", "random_words", "shuffled_pixels", "random_pixels", "gaussian"
    assert told["settings"].get("transform") == next((name for name in transforms if script.stem.endswith(name)), None)
    assert "synthetic" in told["title"] and told["settings"]["random_crop"] == ("rand_crop" in script.stem)
    assert told["settings"].get("label_noise") == (
        1 if re.search("_rand(_labels.*|_wd)?$", script.stem) else None)
    assert ("weight_decay" in told["settings"]) == ("_wd" in script.stem)


def test_help_shows_what_the_script_is_and_its_own_defaults():
    script = ROOT / "MLP3" / "cifar10_keras_mlp3_wd.py"
    process, constants = run(script, "--help"), imported(script)
    assert process.returncode == 0 and constants.__doc__.strip() in process.stdout
    shown = " ".join(process.stdout.split())
    for text in (f"passes over the training set (default: {constants.EPOCHS})",
                 f"examples in a step (default: {constants.BATCH_SIZE})",
                 f"of the first epoch (default: {constants.LEARNING_RATE})",
                 f"factor after every epoch (default: {constants.LEARNING_RATE_DECAY})",
                 f"L2 penalty on every kernel (default: {constants.WEIGHT_DECAY})"):
        assert text in shown
    assert "--label-noise" not in shown


@SCRIPTS
def test_is_in_its_folders_readme(script):
    assert script.name in (script.parent / "README.md").read_text()


# What makes a variant, as regular expressions: taken away, it leaves the folder's plain script.
VARIANT = [r'(?s)\A""".*?"""', r"(?m)^(WEIGHT_DECAY|LABEL_NOISE|DROPOUT) = .*\n",
           r"(?m)^(PAPER|MEAN|DEVIATION) = .*\n\n?",
           r"(?m)^    l2 = .*\n\n?(?=    def)?",
           r", (kernel|recurrent|embeddings)_regularizer=l2", r", random_crop=True",
           r"(?s)def (?!build_model).*?(?=def build_model)", r", transform=\w+", r" +(?=#)",
           r"import numpy as np\n", r"(?<=cifar10), data(?=, experiment)", r".*layers\.Random(Flip|Rotation).*\n",
           r"(?<=conv\()(x|inputs)(?=, 96, 3\))",
           r"(?m)^    for part in train, test:.*\n.*\n|^    accuracy = .*\n    print.*\n",  # coins, two classes
           r"(?<=logits, \(batch, )\d+\); [\d,]+(?= parameters)", r"(?<=layers\.Dense\()(2|10)(?=, dtype)",
           r".*BatchNormalization.*\n", r", use_bias=False", r".*layers\.Dropout\(DROPOUT\),\n"]
SCHEDULE = r"(?m)^(EPOCHS|LEARNING_RATE|LEARNING_RATE_DECAY) = .*\n"
# Random labels without batch norm begin from weights of their own: pattern and what the other scripts have there.
INITIALIZATION = [(r"(?s)        # Filters of mean zero.*?(?=        return)",
                   '        x = layers.Conv2D(filters, size, strides, padding="same")(x)\n'),
                  (r', kernel_initializer="zeros"', ""), (r"import math\n\n", "")]


@SCRIPTS
def test_variants_differ_in_what_makes_the_variant_and_nothing_else(script):
    def rest(path):
        code = path.read_text()
        if path.parent.name == "Mini Inception":  # what is harder to fit has another schedule: see the next test
            code = re.sub(SCHEDULE, "", code)
        if path.stem.endswith("no_bn_rand_labels"):
            for pattern, plain_code in INITIALIZATION:
                code = re.sub(pattern, plain_code, code)
        for pattern in VARIANT:
            code = re.sub(pattern, "", code)
        return code

    assert rest(script) == rest(plain(script))
    assert ("BatchNormalization" in script.read_text()) == (
        script.parent.name == "Mini Inception" and "no_bn" not in script.stem)


@pytest.mark.parametrize("kind, count, values", [("", 3, ["20", "0.1", "0.85"]),
                                                 ("rand_crop", 1, ["30", "0.1", "0.91"]),
                                                 ("wd_rand_crop", 1, ["40", "0.1", "0.91"]),
                                                 ("no_bn_wd", 1, ["40", "0.1", "0.92"]),
                                                 ("rand_labels", 2, ["30", "0.01", "0.95"]),
                                                 ("rand_labels_rand_crop", 1, ["100", "0.01", "0.98"]),
                                                 ("rand_labels_augmentation", 1, ["100", "0.01", "0.98"]),
                                                 ("pixels", 3, ["20", "0.01", "0.95"]),
                                                 ("no_bn_rand_labels", 1, ["72", "0.01", "0.97"])])
def test_small_inceptions_of_one_kind_have_one_schedule(kind, count, values):
    def schedule(path):
        return tuple(line.group() for line in re.finditer(SCHEDULE, path.read_text()))

    def kind_of(path):
        found = re.search("rand_labels_(rand_crop|augmentation)|(wd_)?rand_crop|(no_bn_)?rand_labels|no_bn_wd|pixels"
                          "|gaussian", path.stem)
        return found[0].replace("gaussian", "pixels") if found else ""

    scripts = [path for path in every_script() if path.parent.name == "Mini Inception"
               and kind_of(path) == kind]
    assert len(scripts) == count and len({schedule(path) for path in scripts}) == 1
    assert [line.split()[2] for line in schedule(scripts[0])] == values


@pytest.mark.parametrize("script, epochs, accuracy", [("MLP1/cifar10_keras_mlp", 3, 0.5), ("LSTM/imdb_lstm", 1, 0.9)])
def test_synthetic_data_can_be_learned(script, epochs, accuracy, tmp_path):
    script = ROOT / (script + ".py")
    process = run(script, "--dataset", "synthetic", "--epochs", epochs, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    assert record.read(tmp_path / f"{script.stem}--synthetic--epochs-{epochs}.h5")["test_accuracy"] > accuracy


def test_the_first_look_of_the_readme(tmp_path):
    """Random labels on generated pictures: fitted, and nothing learned."""
    process = run(ROOT / "MLP1" / "cifar10_keras_mlp_rand.py", "--dataset", "synthetic", "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_keras_mlp_rand--synthetic.h5")
    assert told["train_accuracy"] > 0.99 and abs(told["test_accuracy"] - 0.1) < 0.03
