"""A copy of a script that was tweaked does what it says, or says why not."""

import re
import shutil
import sys

from common import cifar10, experiment, record
from importing import imported

import keras
import numpy as np
import pytest
from conftest import ROOT, edited, one_sentence
from written_once import weights

SCRIPT = ROOT / "MLP1" / "cifar10_keras_mlp_rand.py"
SMALL = ("UNITS = 512", "UNITS = 16")
RATE = ("    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, "
        "staircase=True)\n")
OPTIMIZER = "keras.optimizers.SGD(rate, momentum=0.9)"
CALLBACKS = "callbacks=[experiment.StopOnceFitted()]"
CONSTANTS = ("LEARNING_RATE = 0.01        # of the first epoch\n"
             "LEARNING_RATE_DECAY = 0.95  # factor after every epoch\n")
LOSS = 'loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)'
METRICS = 'metrics=["accuracy", *label_noise.metrics(train)]'
QUICK = ["--dataset", "synthetic", "--limit", "100"]


def copy(folder, *changes, script=SCRIPT):
    """A copy of a script with a small network, with these changes, in a folder of its own; returns its path."""
    folder.mkdir(exist_ok=True)
    path = folder / "my_mlp.py"
    small = [SMALL] * (script == SCRIPT)
    path.write_text(edited(script.read_text(), *small, *changes))
    return path


def saved(path):
    """The .h5 that the copy has saved."""
    file, = path.parent.glob("*.h5")
    return file


# What it trains, and that a kill changes nothing

KILLED = """
import shutil
from common import training
training.CHECKPOINT, write, written = 0, training.write_checkpoint, []

def keep(run, *args):
    write(run, *args)
    written.append(run)
    if len(written) == 2:  # what a kill at this moment leaves
        shutil.copytree(run.checkpoint.parent, run.checkpoint.parent.parent / "killed")

training.write_checkpoint = keep
"""
OWN = '''
class Halved(keras.callbacks.Callback):
    """Halves the learning rate after the third epoch that it has seen, if it was called for every step."""

    def __init__(self):
        super().__init__()
        self.seen, self.steps, self.losses = 0, 0, []
        self.unkept = __import__("collections").defaultdict(list)  # what a checkpoint cannot hold

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.unkept["loss"].append(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1
        self.losses.append(logs["loss"])
        if self.seen == 3 and len(self.losses) == 3 and self.steps == 3 * self.params["steps"]:
            self.model.optimizer.learning_rate = 0.5 * float(self.model.optimizer.learning_rate)


def build_model'''
OWN_SCHEDULE = '''
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, first, steps):
        self.first, self.steps = first, steps

    def __call__(self, step):
        return self.first * 0.5 ** keras.ops.floor(keras.ops.cast(step, "float32") / self.steps)


def build_model'''
CONSTANT_RATE = [(CONSTANTS, ""), (RATE, ""), (OPTIMIZER, "keras.optimizers.SGD(0.1)")]
CASES = {
    "constant rate, renamed label noise": (
        [*CONSTANT_RATE, ("LABEL_NOISE = 1.0", "NOISE = 0.5"), ("=LABEL_NOISE", "=NOISE")], [],
        [0.1] * 5, "SGD"),
    "cosine schedule, a factor of 2": (
        [("ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)",
          "CosineDecay(LEARNING_RATE, 5 * len(train))"), ("LEARNING_RATE_DECAY = 0.95", "SCALE = 1.0"),
         ("layers.Flatten(),", "layers.Flatten(),\n        layers.Rescaling(SCALE),")], ["--scale", "2"],
        0.005 * (1 + np.cos(np.pi * np.arange(5) / 5)), "SGD"),
    "a schedule of its own": (
        [("\ndef build_model", OWN_SCHEDULE),
         ("keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)",
          "Halving(LEARNING_RATE, len(train))")], [], 0.01 * 0.5 ** np.arange(5), "SGD"),
    "dropout and crops": (
        [("layers.Flatten(),", "layers.Flatten(),\n        layers.Dropout(0.3),"),
         ("=LABEL_NOISE)", "=LABEL_NOISE, random_crop=True)")], [], 0.01 * 0.95 ** np.arange(5), "SGD"),
    "AdamW": ([(CONSTANTS, ""), (RATE, ""), (OPTIMIZER, "keras.optimizers.AdamW(1e-3)")], [], [1e-3] * 5, "AdamW"),
    "a callback of its own": (
        [*CONSTANT_RATE, ("\ndef build_model", OWN), (CALLBACKS, "callbacks=[Halved()]")], [],
        [0.1, 0.1, 0.1, 0.05, 0.05], "SGD"),
    "a callback of Keras": (
        [*CONSTANT_RATE, (CALLBACKS, 'callbacks=[keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=2, '
                                     'min_delta=9)]')], [],
        [0.1, 0.1, 0.1, 0.05, 0.05], "SGD"),
}


@pytest.mark.parametrize("case", CASES)
def test_trains_what_it_says_and_goes_on_after_a_kill_as_if_nothing_had_been(forks, tmp_path, case):
    changes, options, rates, optimizer = CASES[case]
    script = copy(tmp_path / "whole", *changes)
    process = forks.run(script, *QUICK, "--epochs", "5", *options, before=KILLED, graphs=True)
    assert process.returncode == 0, process.stderr
    told = record.read(saved(script))
    np.testing.assert_allclose(told["history"]["learning_rate"], rates, rtol=1e-6)
    assert told["training"]["optimizer"] == optimizer
    if "renamed" in case:
        assert (told["settings"]["noise"], told["settings"]["label_noise"]) == (0.5, 0.5)
        assert "learning_rate" not in told["settings"] and "accuracy_mislabeled" in told["history"]
        assert "probability 0.5" in process.stdout
    if "cosine" in case:
        assert told["training"]["optimizer's settings"]["learning_rate"]["class_name"] == "CosineDecay"
        model = keras.models.load_model(saved(script), compile=False)
        assert model.layers[1].scale == 2 and "scale-2.0" in saved(script).name
    if "schedule of its own" in case:
        rate = told["training"]["optimizer's settings"]["learning_rate"]
        assert rate == ["Halving", {"first": 0.01, "steps": 2}]
    if "callback" in case:
        assert told["training"]["callbacks"] == ["Halved" if "own" in case else "ReduceLROnPlateau"]

    killed = tmp_path / "killed" / script.name
    assert not list(killed.parent.glob("*.h5")) and list(killed.parent.glob(".*.checkpoint.npz"))
    process = forks.run(killed, *QUICK, "--epochs", "5", *options, graphs=True)
    assert process.returncode == 0, process.stderr
    assert "Resuming: 2 of 5 epochs are done" in process.stdout
    resumed = record.read(saved(killed))
    assert resumed["training"] == told["training"] and resumed["history"].keys() == told["history"].keys()
    for name in told["history"].keys() - {"seconds"}:
        np.testing.assert_array_equal(resumed["history"][name], told["history"][name], err_msg=name)
    ours, expected = (weights(saved(path).read_bytes()) for path in (killed, script))
    assert ours.keys() == expected.keys() and len(ours) == 4
    for name in expected:
        np.testing.assert_array_equal(ours[name], expected[name])
    assert not list(killed.parent.glob(".*")), "the checkpoint has served"


def test_examples_that_a_script_replaces_are_what_is_trained_on(forks, tmp_path):
    script = copy(tmp_path / "my", ("    model = build_model()", "    train.inputs = 0 * train.inputs\n"
                                    "    model = build_model()"))
    process = forks.run(script, *QUICK, "--epochs", "8", "--learning-rate", "0.1", graphs=True)
    assert process.returncode == 0, process.stderr
    told = record.read(saved(script))
    assert told["history"]["accuracy"].max() < 0.3, "black images, all alike"


def test_data_of_the_users_own_are_trained_on_and_named(forks, tmp_path):
    script = copy(tmp_path / "my", ("PAPER = ", "HERS = "),
                  ("experiment.start(globals())", 'experiment.start(globals(), dataset="mine", others=())'),
                  ("    train, test = cifar10.load(run, BATCH_SIZE, label_noise=LABEL_NOISE)", '''
    from common import data
    images = np.random.RandomState(0).standard_normal((60, 28, 28, 3)).astype("float32")
    labels = np.arange(60, dtype="int32") % 10
    train = data.Batches(images[:40], labels[:40], BATCH_SIZE, run.seed)
    test = data.Batches(images[40:], labels[40:], BATCH_SIZE)'''),
                  ("import keras\n", "import keras\nimport numpy as np\n"))
    process = forks.run(script, "--epochs", "3", "--batch-size", "20")
    assert process.returncode == 0, process.stderr
    told = record.read(saved(script))
    assert told["settings"]["dataset"] == "mine" and "paper_train" not in told and len(told["history"]["loss"]) == 3


# A checkpoint of a script that has changed since

@pytest.fixture(scope="module")
def interrupted(forks, tmp_path_factory):
    """A copy of a script, and beside it its checkpoint of two epochs."""
    script = copy(tmp_path_factory.mktemp("interrupted") / "first")
    ended = KILLED.replace("shutil.copytree(", "raise SystemExit('ended') if True else (")
    process = forks.run(script, *QUICK, "--epochs", "4", before=ended)
    assert process.stderr.strip() == "ended" and list(script.parent.glob(".*.checkpoint.npz"))
    return script


def changed(interrupted, tmp_path, *changes):
    shutil.copytree(interrupted.parent, tmp_path / "changed")
    script = tmp_path / "changed" / interrupted.name
    script.write_text(edited(script.read_text(), *changes))
    return script


def test_a_checkpoint_of_before_a_constant_was_renamed_is_the_users_to_resume(forks, interrupted, tmp_path):
    script = changed(interrupted, tmp_path, ("LEARNING_RATE_DECAY", "DECAY"))
    refusal = one_sentence(forks.run(script, *QUICK, "--epochs", "4"))
    assert "setting learning_rate_decay was 0.95, is None" in refusal and "--resume" in refusal
    assert "setting decay was None, is 0.95" in refusal
    process = forks.run(script, *QUICK, "--epochs", "4", "--resume")
    assert process.returncode == 0 and "Resuming: 2 of 4 epochs are done" in process.stdout, process.stderr
    assert len(record.read(saved(script))["history"]["loss"]) == 4


def test_a_change_that_no_setting_tells_is_said(forks, interrupted, tmp_path):
    script = changed(interrupted, tmp_path, ("layers.Flatten(),", "layers.Flatten(),  # what else?"))
    process = forks.run(script, *QUICK, "--epochs", "4")
    assert "2 of 4 epochs are done, by the script before it was changed" in process.stdout, process.stderr


USED = ["HALF = UNITS // 2", "SIZES = [[UNITS for _ in '12'] for _ in '12']", "HALF = sum(UNITS for _ in '12')",
        "SIZES = [\n    UNITS,\n    10]", "A, B = UNITS, 2", "TABLE: dict = {2: UNITS}",
        "SIZES = [UNITS // k for k in (1, 2)]", "if UNITS > 64:\n    pass", "make = lambda units=UNITS: units",
        "class Block:\n    units = UNITS", "class Block:\n    def __init__(self, units=UNITS):\n        pass",
        "def make(x,\n         units=UNITS):\n    pass", "@print(UNITS)\ndef make():\n    pass"]
NOT_YET = ["def make():\n    return [UNITS // k for k in (1, 2)]", "make = lambda: UNITS",
           "class Block:\n    def __init__(self):\n        self.units = UNITS", "def make():\n    print(globals())"]


@pytest.mark.parametrize("text", USED + NOT_YET)
def test_a_constant_that_is_used_before_an_option_changes_it_is_none(monkeypatch, capsys, tmp_path, text):
    script = copy(tmp_path / "my", ("LABEL_NOISE = 1.0", f"{text}\nLABEL_NOISE = 1.0"))
    monkeypatch.setattr(sys, "argv", ["my_mlp.py", *QUICK, "--units", "8"])
    given = {"UNITS": 16, "__doc__": None, "__file__": str(script)}
    if text in NOT_YET:
        assert experiment.start(given).settings["units"] == 8 == given["UNITS"]
    else:
        with pytest.raises(SystemExit, match="2"):
            experiment.start(given)
        assert "UNITS is used in another constant, a class or a function's head" in capsys.readouterr().err


@pytest.mark.parametrize("change, says", [
    (("UNITS = 16", "UNITS = 17"), "weights was"),
    ((OPTIMIZER, "keras.optimizers.AdamW(rate)"), "optimizer was SGD, is AdamW"),
    (("=LABEL_NOISE)", "=LABEL_NOISE, transform=lambda images, seed: 255 - images)"), "data was"),
], ids=["shapes", "optimizer", "data"])
def test_a_checkpoint_of_another_model_optimizer_or_data_is_refused_whatever_the_user_says(
        forks, interrupted, tmp_path, change, says):
    script = changed(interrupted, tmp_path, change)
    before = {path: path.read_bytes() for path in script.parent.iterdir()}
    refusal = one_sentence(forks.run(script, *QUICK, "--epochs", "4", "--resume"))
    assert "is of another model, optimizer or data" in refusal and says in refusal and "--fresh" in refusal
    assert {path: path.read_bytes() for path in script.parent.iterdir()} == before


# What cannot be saved as a model, and what is recorded of it

UNUSUAL = {
    "Lambda layer": [("layers.Flatten(),", "layers.Flatten(),\n        layers.Lambda(lambda x: x * 2),")],
    "activation": [('activation="relu"', "activation=lambda x: keras.ops.maximum(x, 0)")],
    "layer without get_config": [
        ("\ndef build_model", '''
class Scaled(layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


def build_model'''), ("layers.Flatten(),", "layers.Flatten(),\n        Scaled(2),")],
    "subclassed model": [("\ndef build_model", '''
class Network(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.dense, self.logits = layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(10)

    def call(self, x):
        return self.logits(self.dense(self.flatten(x)))


def build_model'''), ("model = build_model()", "model = Network()\n    model.build((None, 28, 28, 3))")],
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_nothing_that_was_trained_is_lost(forks, tmp_path, case):
    script = copy(tmp_path / "my", *UNUSUAL[case])
    process = forks.run(script, *QUICK, "--epochs", "1")
    assert process.returncode == 0 and "Traceback" not in process.stdout + process.stderr, process.stderr
    kept = sorted(path.name.removeprefix("my_mlp--synthetic--limit-100--epochs-1")
                  for path in script.parent.iterdir() if path != script)
    names = {path.suffixes[-2] if ".weights" in path.name or ".run" in path.name else "" for path in
             script.parent.glob("*.h5")}
    epoch = process.stdout.index("epoch 1 of 1")
    if ".h5" in kept:  # whole
        assert (kept == [".h5"]) is ("cannot be written and loaded whole" not in process.stdout)
        file, = (path for path in script.parent.glob("*.h5") if ".weights" not in path.suffixes)
        told, again = record.read(file), imported(script)
        models = [again.build_model()]
        models[0].load_weights(file)
        if kept == [".h5"]:  # the others Keras writes, and does not read without the script
            models.append(keras.models.load_model(file, compile=False, safe_mode=False))
        for model in models:
            np.testing.assert_allclose(model.predict(told["probe"]["inputs"], verbose=0), told["probe"]["outputs"],
                                       rtol=1e-4, atol=1e-5)
        assert case != "subclassed model"
    else:
        assert kept == [".run.h5", ".weights.h5"] and names == {".weights", ".run"}
        assert process.stdout.count("Of this model only the weights can be saved, as NAME.weights.h5") == 1
        assert process.stdout.index("Of this model only the weights") < epoch, "before it is trained"
        again = imported(script)
        model = again.Network() if case == "subclassed model" else again.build_model()
        _, (images, labels) = cifar10.synthetic()
        inputs = cifar10.standardize(cifar10.central(images))
        model(inputs[:1])  # which builds it
        model.load_weights(next(script.parent.glob("*.weights.h5")))
        right = model.predict(inputs, verbose=0).argmax(axis=1) == labels
        told = record.read(next(script.parent.glob("*.run.h5")))
        assert told["test_accuracy"] == pytest.approx(right.mean(), abs=2e-3)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_what_is_recorded_of_a_model_with_statistics_is_what_the_loaded_model_does(forks, tmp_path, precision):
    script = copy(tmp_path / "my", ("LABEL_NOISE = 1.0", 'PRECISION = "float32"\nLABEL_NOISE = 0.0'),
                  ("    train, test", "    keras.config.set_dtype_policy(PRECISION)\n    train, test"),
                  ("    model = build_model()", "    norm = layers.Normalization()\n"
                   "    norm.adapt(train.inputs / 2 - 0.5)\n    model = keras.Sequential([norm, build_model()])"))
    process = forks.run(script, *QUICK, "--epochs", "4", "--batch-size", "10", "--precision", precision)
    assert process.returncode == 0, process.stderr
    told, model = record.read(saved(script)), keras.models.load_model(saved(script), compile=False)
    np.testing.assert_allclose(model.predict(told["probe"]["inputs"], verbose=0), told["probe"]["outputs"],
                               rtol=1e-3, atol=1e-4)
    train, test = cifar10.synthetic()
    for split, images, labels in ("train", train[0][:100], train[1][:100]), ("test", *test):
        outputs = model.predict(cifar10.standardize(cifar10.central(images)), verbose=0)
        assert told[f"{split}_accuracy"] == pytest.approx((outputs.argmax(axis=1) == labels).mean(), abs=2e-3)
    assert told["train_accuracy"] > 0.5, "it has learned something, so that other statistics would show"
    assert told["settings"]["precision"] == precision
    assert (f"precision-{precision}" in saved(script).name) == (precision != "float32")


# What is measured

ONE_HOT = "loss=lambda labels, outputs: keras.losses.mean_squared_error(keras.ops.one_hot(labels, 10), outputs)"


@pytest.mark.parametrize("changes, names, shown", [
    ([(METRICS, "metrics=[keras.metrics.SparseCategoricalAccuracy()]")],
     {"loss", "sparse_categorical_accuracy"}, "epoch 2 of 2: train "),
    ([(f"        {METRICS},\n", "")], {"loss"}, "epoch 2 of 2: loss "),
    ([(LOSS, ONE_HOT)], {"loss", "accuracy"}, "epoch 2 of 2: train "),
], ids=["another accuracy", "none", "another loss"])
def test_what_the_script_compiles_is_what_is_measured(forks, tmp_path, changes, names, shown):
    script = copy(tmp_path / "my", *changes)
    process = forks.run(script, *QUICK, "--epochs", "2", picture=True)
    assert process.returncode == 0, process.stderr
    assert shown in process.stdout and "could not be drawn" not in process.stdout
    told = record.read(saved(script))
    assert set(told["history"]) == {*names, *(f"val_{name}" for name in names), "learning_rate", "seconds"}
    assert {name for name in told if name.startswith("test_")} == {f"test_{name}" for name in names}
    if ("loss", "accuracy") == tuple(sorted(names, reverse=True)):
        assert told["history"]["loss"][-1] < 2, "a mean of squares of numbers around 0.1, not a cross-entropy"
    assert list(script.parent.glob("*.png"))


# The constants are the options

def start(monkeypatch, *options, **constants):
    """Starts the published script with more constants; returns (run, its constants)."""
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, options)])
    script = dict(vars(imported(SCRIPT)), **constants)
    return experiment.start(script), script


@pytest.mark.parametrize("name, default, given, value", [
    ("DROPOUT", 0, "0.3", 0.3), ("LABEL_NOISE", 1, "0.5", 0.5), ("LAYERS", 1, "0", 0), ("LAYERS", 1, "3", 3),
    ("SHIFT", -1.0, "-2", -2.0), ("AUGMENT", False, "true", True), ("AUGMENT", True, "false", False),
    ("TEMPERATURE", 1.0, "2", 2.0), ("UNITS", 512, "64", 64), ("HIDDEN", "relu", "tanh", "tanh"),
])
def test_a_constant_takes_what_a_user_may_mean(monkeypatch, tmp_path, name, default, given, value):
    option = "--" + name.lower().replace("_", "-")
    run, script = start(monkeypatch, "--out", tmp_path, option, given, **{name: default})
    assert script[name] == value and type(script[name]) is type(value)
    assert run.settings[name.lower()] == value
    assert run.stem.name == f"cifar10_keras_mlp_rand--{option[2:]}-{value}"


@pytest.mark.parametrize("name", ["SAVE", "STEM", "CHECKPOINT", "TITLE", "HISTORY", "SETTINGS", "FIT", "RUN", "DOC",
                                  "DIFFERING", "OUT", "FRESH", "HELP", "RESUME", "_SIZE", "__NAME"])
@pytest.mark.parametrize("value", [3, "text"])
def test_no_name_of_a_constant_breaks_a_run(monkeypatch, tmp_path, name, value):
    run, script = start(monkeypatch, "--out", tmp_path, **{name: value})
    assert script[name] == value
    assert run.stem == tmp_path / "cifar10_keras_mlp_rand" and run.title == "MLP 1x512 on CIFAR-10, random labels"
    assert run.history == {} and callable(run.save) and callable(run.fit)


def test_constants_of_unfortunate_names_do_not_end_a_training_or_what_comes_after(forks, tmp_path):
    script = copy(tmp_path / "my", ("LABEL_NOISE = 1.0", 'SAVE = 10\nSTEM = 64\nCHECKPOINT = "x/y"\nTITLE = "T"\n'
                                                         "LABEL_NOISE = 1.0"))
    process = forks.run(script, *QUICK, "--epochs", "1", "--stem", "7", "--checkpoint", "a/b:c", picture=True)
    assert process.returncode == 0, process.stderr
    told = record.read(saved(script))
    assert told["title"].startswith("MLP 1x512 on CIFAR-10, random labels (")
    assert (told["settings"]["save"], told["settings"]["stem"], told["settings"]["checkpoint"]) == (10, 7, "a/b:c")
    assert {path.suffix for path in script.parent.iterdir()} == {".py", ".h5", ".png"}


# Names

def test_names_tell_apart_what_text_options_tell_apart_and_are_names_on_every_system(monkeypatch, tmp_path):
    constants = {"HIDDEN": "relu", "GATE": "relu", "HIDDEN_GATE": "relu"}
    options = [["--hidden", "tanh"], ["--gate", "tanh"], ["--hidden", "tanh", "--gate", "tanh"],
               ["--hidden-gate", "tanh"], ["--hidden", "tanh--gate-tanh"], ["--hidden", "a/b"], ["--hidden", "a\\b"],
               ["--hidden", "a:b"], ["--hidden", "a*b?"], ["--hidden", "a%2Fb"], ["--hidden", 'a"b<c>|d'],
               ["--hidden", "a\nb"]]
    names = [start(monkeypatch, "--out", tmp_path, *given, **constants)[0].stem.name for given in options]
    assert len(set(names)) == len(options)
    for name in names:
        assert not re.search(r'[\\/:*?"<>|\x00-\x1f]', name)
        (tmp_path / name).write_text("")


# The paper's figures

@pytest.mark.parametrize("options, there", [([], True), (["--seed", "3"], True), (["--precision", "float32"], True),
                                            (["--label-noise", "0.4"], False),
                                            (["--label-noise", "0"], False), (["--epochs", "3"], False),
                                            (["--dataset", "synthetic"], False), (["--limit", "10"], False)])
def test_the_papers_figures_go_with_the_settings_they_are_for(monkeypatch, tmp_path, options, there):
    constants = {"PRECISION": "auto"} if "--precision" in options else {}
    run, _ = start(monkeypatch, "--out", tmp_path, *options, **constants)
    assert run.paper == ({"paper_train": 99.34, "paper_test": 10.61} if there else {})


def test_a_run_at_another_label_noise_has_none_of_the_papers_figures(forks, tmp_path):
    script = copy(tmp_path / "my", ('if __name__ == "__main__":\n',
                                    'if __name__ == "__main__":\n    read = cifar10.read\n'
                                    "    cifar10.read = lambda folder: cifar10.synthetic()\n"),
                  ("callbacks=[", 'callbacks=[keras.callbacks.CSVLogger("log.csv"), '))
    process = forks.run(script, "--epochs", "1", "--label-noise", "0.4", "--no-weights")
    assert process.returncode == 0, process.stderr
    told = record.read(saved(script))
    assert told["settings"]["label_noise"] == 0.4 and "paper_train" not in told and "paper_test" not in told
    assert told["history"]["accuracy_mislabeled"].shape == (1,)
    names = *told, *told["history"], *(script.parent / "log.csv").read_text().splitlines()[0].split(",")
    assert {name for name in names if name.endswith(("_clean", "_mislabeled"))} == {
        "accuracy_clean", "accuracy_mislabeled"}, "of a test pass they mean nothing"
