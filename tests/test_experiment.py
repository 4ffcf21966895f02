"""Running a script: what a copy does, interruptions, and one clear sentence for every mistake."""

import importlib.util
import inspect
import math
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

from common import cifar10, data, experiment, record, speed
from importing import imported

import keras
import numpy as np
import pytest
from conftest import INTERRUPTED, ROOT, edited, one_sentence, run
from written_once import weights

SCRIPT = ROOT / "MLP1" / "cifar10_keras_mlp_rand.py"
QUICK = ["--dataset", "synthetic", "--limit", "200"]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of a script, outside the repository, in a folder with a space, run from yet another folder.

    It has one more callback, which writes logs for TensorBoard.
    """
    folder = tmp_path_factory.mktemp("my experiments") / "second try"
    folder.mkdir()
    (folder / "my_mlp.py").write_text(edited(SCRIPT.read_text(), (
        "callbacks=[", 'callbacks=[keras.callbacks.TensorBoard(run.stem.with_name("logs")), ')))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    process = run(folder / "my_mlp.py", *QUICK, "--epochs", "3", cwd=elsewhere)
    assert process.returncode == 0, process.stderr
    return folder, process


def test_a_copy_saves_beside_itself(copied):
    folder, process = copied
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {"my_mlp.py", "logs", "my_mlp--synthetic--limit-200--epochs-3.h5",
                     "my_mlp--synthetic--limit-200--epochs-3.png"}
    assert "Synthetic" in process.stdout


def test_nothing_of_the_training_is_left_behind(copied):
    assert not list(copied[0].glob(".*"))


def test_the_file_tells_the_run(copied):
    told = record.read(copied[0] / "my_mlp--synthetic--limit-200--epochs-3.h5")
    assert told["title"] == "MLP 1x512 on CIFAR-10, random labels (synthetic, limit-200, epochs-3)"
    assert told["settings"] == {"dataset": "synthetic", "limit": 200, "epochs": 3, "batch_size": 64, "seed": 0,
                                "units": 512, "learning_rate": 0.01, "learning_rate_decay": 0.95,
                                "precision": "float32", "label_noise": 1, "random_crop": False}
    assert told["training"]["optimizer"] == "SGD" and told["training"]["optimizer's settings"]["momentum"] == 0.9
    schedule = told["training"]["optimizer's settings"]["learning_rate"]
    assert (schedule["class_name"], schedule["config"]["decay_steps"]) == ("ExponentialDecay", 4)
    assert told["training"]["loss"]["class_name"] == "SparseCategoricalCrossentropy"
    assert told["training"]["callbacks"] == ["TensorBoard", "StopOnceFitted"]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} == set(told["history"])
    np.testing.assert_allclose(told["history"]["learning_rate"], [0.01, 0.0095, 0.009025], rtol=1e-6)
    model = keras.models.load_model(copied[0] / "my_mlp--synthetic--limit-200--epochs-3.h5", compile=False)
    _, (images, labels) = cifar10.synthetic()
    right = model.predict(cifar10.standardize(cifar10.central(images)), verbose=0).argmax(axis=1) == labels
    assert told["test_accuracy"] == pytest.approx(right.mean(), abs=2e-3)
    assert told["history"]["val_accuracy"][-1] == pytest.approx(right[:200].mean(), abs=2e-3), "as many as trained on"
    assert "paper_train" not in told, "the paper's figures are of CIFAR-10"
    assert {"python", "keras", "numpy", "h5py", keras.backend.backend()} <= set(told["versions"])
    assert told["machine"]["processor"]
    provenance = told["provenance"]
    assert provenance.keys() == {"script", "common", "commit"}, "synthetic data need no digest"
    again = record.provenance(copied[0] / "my_mlp.py")
    assert provenance == again and again["common"] == record.provenance(SCRIPT)["common"] and again["commit"] == ""
    assert again["script"] != record.provenance(SCRIPT)["script"]


def test_a_script_has_one_digest_on_every_system(tmp_path):
    for name, end in ("unix.py", b"\n"), ("windows.py", b"\r\n"):
        (tmp_path / name).write_bytes(b"EPOCHS = 1" + end)
    one, other = (record.provenance(path)["script"] for path in tmp_path.iterdir())
    assert one == other


def test_the_digest_of_a_script_is_also_of_what_it_imports_from_its_folder(tmp_path, monkeypatch):
    for folder in "here", "elsewhere":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"from_{folder}.py").write_text("A = 1\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / folder)
        monkeypatch.setitem(sys.modules, f"from_{folder}", __import__(f"from_{folder}"))
    (script := tmp_path / "here" / "script.py").write_text("import from_here, from_elsewhere\n", encoding="utf-8")
    before = record.provenance(script)
    (tmp_path / "elsewhere" / "from_elsewhere.py").write_text("A = 2\n", encoding="utf-8")
    assert record.provenance(script) == before
    (tmp_path / "here" / "from_here.py").write_text("A = 2\n", encoding="utf-8")
    assert record.provenance(script)["script"] != before["script"]


@pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="no git, or no repository")
def test_the_commit_is_gits():
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert record.provenance(SCRIPT)["commit"] == head


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for git is a shell script")
def test_what_git_says_is_no_matter(tmp_path, monkeypatch):
    """As of a folder of another user, whose name is in no encoding."""
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nprintf '\\377' >&2\nexit 128\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert record.provenance(SCRIPT)["commit"] == ""


def test_a_callback_that_writes_logs(copied):
    assert list((copied[0] / "logs").rglob("events.out.tfevents.*"))


# The constants are the options

def test_a_constant_added_to_a_copy_is_an_option_in_the_file_and_its_name(forks, tmp_path):
    script = tmp_path / "my_mlp.py"
    script.write_text(edited(SCRIPT.read_text(), (
        "LABEL_NOISE = 1.0",
        "DROPOUT = 0.3  # fraction of units dropped, in %\nWIDTH = 512 # of the hidden layer\n"
        "DEPTH = 3\n# no help\nLABEL_NOISE = 1.0"),
        ("layers.Flatten(),", "layers.Flatten(), layers.Dropout(DROPOUT),"), ("Dense(UNITS", "Dense(WIDTH")))
    shown = " ".join(forks.run(script, "--help").stdout.split())
    assert "--dropout FLOAT fraction of units dropped, in % (default: 0.3)" in shown
    assert "--width INT of the hidden layer (default: 512)" in shown
    assert "--depth INT (default: 3)" in shown
    process = forks.run(script, *QUICK, "--epochs", "1", "--dropout", "0.5", "--width", "64")
    assert process.returncode == 0, process.stderr
    file = tmp_path / "my_mlp--synthetic--limit-200--epochs-1--dropout-0.5--width-64.h5"
    settings = record.read(file)["settings"]
    assert (settings["dropout"], settings["width"]) == (0.5, 64)
    layers = keras.models.load_model(file, compile=False).layers
    assert (layers[1].rate, layers[2].units) == (0.5, 64)


@pytest.mark.parametrize("constants, options, says", [
    ({"UNITS": 512}, ["--units", "1.5"], "--units: invalid int value: '1.5'"),
    ({"DROPOUT": 0.3}, ["--dropout", "x"], "--dropout: invalid float value: 'x'"),
    ({"DROPOUT": 0}, ["--dropout", "x"], "--dropout: invalid number value: 'x'"),
    ({"AUGMENT": False}, ["--augment", "1"], "--augment: invalid boolean value: '1'"),
])
def test_an_option_takes_its_constants_type(monkeypatch, capsys, constants, options, says):
    with pytest.raises(SystemExit):
        start(monkeypatch, *options, **constants)
    assert says in capsys.readouterr().err


def test_a_copy_without_a_docstring(monkeypatch, capsys, tmp_path):
    """As all scripts are under python -OO."""
    assert start(monkeypatch, "--out", tmp_path, __doc__=None).title == SCRIPT.stem
    with pytest.raises(SystemExit):
        start(monkeypatch, "--help", __doc__=None)
    assert "--label-noise FLOAT" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="a link needs a privilege there")
def test_a_script_run_through_a_link_saves_beside_the_link(monkeypatch, tmp_path):
    (tmp_path / "my_link.py").symlink_to(SCRIPT)
    assert start(monkeypatch, __file__=str(tmp_path / "my_link.py")).stem == tmp_path / "my_link"


def test_a_run_without_its_weights(forks, tmp_path):
    process = forks.run(SCRIPT, *QUICK, "--epochs", "2", "--no-weights", "--out", tmp_path, picture=True)
    assert process.returncode == 0, process.stderr
    stem = "cifar10_keras_mlp_rand--synthetic--limit-200--epochs-2"
    assert {path.name for path in tmp_path.iterdir()} == {stem + ".run.h5", stem + ".png"}
    told = record.read(tmp_path / (stem + ".run.h5"))
    assert len(told["history"]["loss"]) == 2 and 0 <= told["test_accuracy"] <= 1 and "probe" not in told
    assert (tmp_path / (stem + ".run.h5")).stat().st_size < 100_000


def test_what_is_said_of_files_of_an_earlier_run(tmp_path, capsys):
    stem = tmp_path / "mine"
    made = SimpleNamespace(title="Mine", settings={}, provenance={}, paper={}, stem=stem,
                           given=SimpleNamespace(no_weights=True))
    results = {"history": {"loss": [2.0, 1.0], "accuracy": [0.1, 0.2]}}
    experiment.Run.write(made, results, None)
    assert capsys.readouterr().out.endswith(f"Saved {stem}.run.h5 and mine.png\n")
    (tmp_path / "mine.h5").touch()

    def broken(run, path):
        raise ValueError("no such color")
    experiment.Run.write(made, results, broken)
    assert capsys.readouterr().out.endswith(f"Saved {stem}.run.h5. The picture mine.png could not be drawn (no such "
                                            f"color).\n{stem}.h5 is of an earlier run.\n")


# Interruptions

STEM = "cifar10_keras_mlp_rand--synthetic--limit-700--epochs-8--label-noise-0.6"


def options(folder):
    return ["--dataset", "synthetic", "--limit", "700", "--epochs", "8", "--label-noise", "0.6", "--out", folder]


def assert_same_run(path, expected):
    """History and weights are equal to the last bit."""
    one, other = record.read(path), record.read(expected)
    for name in ("loss", "accuracy", "accuracy_clean", "accuracy_mislabeled", "val_loss", "val_accuracy",
                 "learning_rate"):
        np.testing.assert_array_equal(one["history"][name], other["history"][name])

    one, other = (weights(file.read_bytes()) for file in (path, expected))
    assert one.keys() == other.keys() and len(one) == 4
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.fixture(scope="module")
def uninterrupted(forks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert forks.run(SCRIPT, *options(folder), graphs=True).returncode == 0
    return folder / (STEM + ".h5")


TWICE = """
import atexit
other = os.fork()
if other:
    atexit.register(lambda: os.waitpid(other, 0)[1] and os._exit(1))
"""


def test_the_same_run_twice_at_once_damages_nothing(forks, tmp_path, uninterrupted):
    """Both compute the same, and every file is replaced in one step, so there is no need to refuse the second."""
    both = forks.run(SCRIPT, *options(tmp_path), before=TWICE, graphs=True, picture=True)
    assert both.returncode == 0 and both.stdout.count("epoch 8 of 8: ") == 2, both.stderr
    assert_same_run(tmp_path / (STEM + ".h5"), uninterrupted)
    assert {path.name for path in tmp_path.iterdir()} == {STEM + ".h5", STEM + ".png"}


@pytest.mark.parametrize("name, status", [("SIGINT", 128 + signal.SIGINT), ("SIGKILL", -9)])
def test_a_training_that_was_ended_goes_on_as_if_it_had_not_been(forks, tmp_path, uninterrupted, name, status):
    process = forks.run(SCRIPT, *options(tmp_path), before=INTERRUPTED.format(name=name), graphs=True)
    assert process.returncode == status and "Traceback" not in process.stderr
    assert "epoch 2 of 8: train " in process.stdout and not list(tmp_path.glob("*.h5"))
    said = "Stopped after 3 of 8 epochs. Run the same command again to resume"
    assert (said in process.stderr) == (name == "SIGINT"), "a kill leaves no time for a word"
    resumed = forks.run(SCRIPT, *options(tmp_path), graphs=True)
    assert resumed.returncode == 0 and "Resuming: 3 of 8 epochs are done" in resumed.stdout, resumed.stderr
    assert_same_run(tmp_path / (STEM + ".h5"), uninterrupted)


WRITE = """
import os, pathlib, resource, signal, sys
import numpy as np
from common import record
import keras
path, how = pathlib.Path(sys.argv[1]), sys.argv[2]
if how == "killed":
    os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(100)])
record.write(path, {"history": {"loss": np.zeros(3)}}, model)
"""


@pytest.mark.parametrize("how", ["killed", "disk full"])
def test_a_save_that_fails_leaves_the_earlier_file_whole(forks, tmp_path, how):
    path = tmp_path / "model.h5"
    path.write_bytes(b"the earlier file")
    process = forks.run(SCRIPT, path, how, before=WRITE, run=False)
    assert path.read_bytes() == b"the earlier file"
    if how == "killed":
        assert process.returncode == -signal.SIGKILL
    else:
        assert "could not be written" in one_sentence(process)
        assert list(tmp_path.iterdir()) == [path], "nothing half-written is left"


def test_a_save_that_fails_keeps_the_checkpoint(checkpointed, monkeypatch, tmp_path):
    """As on a full disk: the same command then has only to save."""
    def full(path, *_):
        raise SystemExit(f"{path} could not be written")

    with monkeypatch.context() as now, pytest.raises(SystemExit, match="could not be written"):
        now.setattr(record, "write", full)
        checkpointed.save(small_model())
    run, model = start(monkeypatch, "--out", tmp_path), small_model()
    run.fit(model, Points(), None, 2)
    assert run.history == checkpointed.history, "nothing was trained again"
    run.save(model, draw=lambda run, path: None)
    assert not run.checkpoint.exists()


def test_full_disk_in_training(forks, tmp_path):
    process = forks.run(SCRIPT, *options(tmp_path),
                        before="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))")
    assert "could not be written" in one_sentence(process)
    assert not list(tmp_path.iterdir())


def test_loss_that_becomes_nan(forks, tmp_path):
    process = forks.run(SCRIPT, *options(tmp_path), "--learning-rate", "1e6")
    assert "diverged" in one_sentence(process) and "Try a learning rate below 1e+06" in process.stderr
    assert not list(tmp_path.iterdir())


# Mistakes on the command line, in this process: nothing is trained.

def start(monkeypatch, *options, **constants):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, options)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    return experiment.start(dict(vars(imported(SCRIPT)), **constants))


@pytest.mark.parametrize("options, says", [
    (["--epochs", "x"], "--epochs: invalid int value: 'x'"),
    (["--epochs", "1.5"], "--epochs: invalid int value: '1.5'"),
    (["--learning-rate", ""], "--learning-rate: invalid float value: ''"),
    (["--weight-decay", "0.1"], "unrecognized arguments"),  # the script has no such constant
    (["--seed", "-1"], "--seed -1 is not from 0 to 4294967295"),
    (["--units", "0"], "--units 0 is not from 1 to inf"),
    (["--limit", "0"], "--limit 0 is not from 1 to inf"),
    (["--limit", "-5"], "--limit -5 is not from 1 to inf"),
    (["--label-noise", "nan"], "--label-noise nan is not from"),
    (["--seed", "1.5"], "--seed: invalid int value: '1.5'"),
    (["--seed", str(2**32)], "is not from 0 to 4294967295"),
    (["--precision", "float32"], "unrecognized arguments"),  # nor this one
    (["--dataset", "mnist"], "--dataset"),
])
def test_bad_option(monkeypatch, capsys, options, says):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, *options)
    assert refusal.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("name, value", [("weight_decay", -1.0), ("weight_decay", math.inf), ("dropout", 1.5)])
def test_what_keras_would_refuse_is_refused_before(monkeypatch, capsys, name, value):
    option = f"--{name.replace('_', '-')}"
    with pytest.raises(SystemExit):
        start(monkeypatch, option, value, **{name.upper(): 0.1})
    assert f"{option} {value} is not from 0 to 1" in capsys.readouterr().err


def test_callbacks_are_given_as_keras_takes_them(monkeypatch, tmp_path):
    fit(start(monkeypatch, "--out", tmp_path), 1, None)
    seen = []
    fit(start(monkeypatch, "--out", tmp_path, "--fresh"), 1, keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch)))
    assert seen == [0]


def test_a_script_s_own_data_set_is_one_that_there_is(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        start(monkeypatch, DATASET="cifar100")
    assert "--dataset is cifar10 or synthetic" in capsys.readouterr().err


def test_data_of_the_users_own_are_no_synthetic_ones(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script.py", "--dataset", "synthetic"])
    with pytest.raises(SystemExit):
        experiment.start(dict(vars(imported(SCRIPT))), dataset="mine", others=())
    assert "invalid choice: 'synthetic'" in capsys.readouterr().err


@pytest.mark.parametrize("figures, shown", [
    ((99.2, None), {"paper_train": 99.2}), ((99.2,), {"paper_train": 99.2}), (99.2, {"paper_train": 99.2}),
    ((None, 50), {"paper_test": 50}), (None, {}), ((), {}), ((0, 50), {"paper_train": 0, "paper_test": 50})])
def test_the_papers_figures_may_be_one(monkeypatch, tmp_path, figures, shown):
    run = start(monkeypatch, "--out", tmp_path, PAPER=figures)
    assert run.paper == shown
    run.write({"history": {"loss": [1.0, 0.5], "accuracy": [0.5, 0.6]}}, draw=None)
    assert {k: v for k, v in record.read(tmp_path / f"{SCRIPT.stem}.run.h5").items() if "paper" in k} == shown
    assert (tmp_path / f"{SCRIPT.stem}.png").is_file()


def test_a_constant_says_more_than_what_load_takes_where_nothing_is_given(monkeypatch, tmp_path):
    """As where a copy makes its noise itself, under the constant that was there."""
    run = start(monkeypatch, "--out", tmp_path)
    run.fit(small_model(), Points({"label_noise": 0, "random_crop": False}), None, 1)
    assert (run.settings["label_noise"], run.settings["random_crop"]) == (1.0, False)


def test_the_precision_recorded_is_the_layers(monkeypatch, tmp_path):
    run, mixed = start(monkeypatch, "--out", tmp_path), small_model()
    mixed.layers[0].dtype_policy = "mixed_bfloat16"  # as of a model that was built, or loaded, under another policy
    run.fit(mixed, Points(), None, 1)
    assert run.settings["precision"] == "mixed_bfloat16"


def test_what_a_callback_was_given_is_recorded(monkeypatch, tmp_path):
    run, model = start(monkeypatch, "--out", tmp_path, "--no-weights"), small_model()
    run.fit(model, Points(), None, 1, callbacks=[keras.callbacks.EarlyStopping("loss", patience=7)])
    run.save(model)
    training = record.read(tmp_path / f"{SCRIPT.stem}.run.h5")["training"]
    assert training["callbacks"] == ["EarlyStopping"] and training["callback 0 patience"] == "7"


def test_a_model_that_was_not_trained_here_is_saved_without_a_word_of_evaluation(monkeypatch, tmp_path, capsys):
    run = start(monkeypatch, "--out", tmp_path)
    assert "train_accuracy" not in run.save(small_model(), draw=lambda run, path: None)
    assert "Evaluating" not in capsys.readouterr().out and (tmp_path / f"{SCRIPT.stem}.h5").is_file()


def test_precision_is_one_that_there_is(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        start(monkeypatch, "--precision", "float8", PRECISION="auto")
    assert "--precision: invalid choice: 'float8'" in capsys.readouterr().err


@pytest.mark.parametrize("fast, given, name", [
    ("mixed_bfloat16", "auto", ""), ("float32", "auto", "--precision-float32"),
    ("mixed_bfloat16", "float32", "--precision-float32"), ("float32", "mixed_bfloat16", "")])
def test_one_name_is_of_one_precision_on_every_machine(monkeypatch, tmp_path, fast, given, name):
    monkeypatch.setattr(speed, "fast_precision", lambda: fast)
    run = start(monkeypatch, "--out", tmp_path, "--precision", given, PRECISION="auto")
    assert run.stem.name == SCRIPT.stem + name
    assert run.settings["precision"] == (fast if given == "auto" else given)


def refused(monkeypatch, *options):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, *options)
    return str(refusal.value)


def test_missing_output_folder(monkeypatch, tmp_path):
    assert "cannot be written to" in refused(monkeypatch, "--out", tmp_path / "nowhere")


def test_a_name_too_long_for_files(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(experiment, "LONGEST_PATH", len(str(tmp_path)))
        assert "too long" in refused(patch, "--out", ".")
    assert "too long" in refused(monkeypatch, "--out", tmp_path, "--data", tmp_path / "x", "--learning-rate-decay",
                                 "0." + "1" * 15, "--learning-rate", "0." + "1" * 15, "--label-noise",
                                 "0." + "3" * 15, "--seed", "1234567891", "--limit", "10000000000000000000000000000",
                                 "--epochs", "100000000000000000000000000000", "--batch-size", "1000000000000000000000")


@pytest.mark.parametrize("options, differs", [([], ""), (["--label-noise", "1"], ""),
                                              (["--label-noise", "0.5", "--seed", "3"],
                                               " (label-noise-0.5, seed-3)")])
def test_the_title_is_the_scripts_and_what_differs(monkeypatch, tmp_path, options, differs):
    run = start(monkeypatch, "--out", tmp_path, *options)
    assert run.title == "MLP 1x512 on CIFAR-10, random labels" + differs


def test_a_backend_that_the_scripts_do_not_run_on(monkeypatch):
    process = run(SCRIPT, "--help", env=os.environ | {"KERAS_BACKEND": "foo"})
    assert "Keras' backend foo is not installed" in one_sentence(process)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert "Set KERAS_BACKEND to one of them" in refused(monkeypatch, "--help")


@pytest.mark.skipif(os.name == "nt", reason="a process that a signal ends is known by its status elsewhere only")
def test_a_quiet_start_and_a_quiet_end(tmp_path):
    """Nothing but ours on both streams, and Ctrl-C in the last evaluation is no traceback."""
    script = tmp_path / "my_mlp.py"
    script.write_text(edited(SCRIPT.read_text(), (
        "    run.fit(",
        "    import os, signal\n    signal.signal(signal.SIGINT, signal.default_int_handler)\n    run.fit("),
        ("    run.save(model)", "    os.kill(os.getpid(), signal.SIGINT)\n    run.save(model)")))
    process = run(script, *QUICK, "--epochs", "1")
    assert process.stderr == ""
    assert [line.split()[0] for line in process.stdout.splitlines()] == ["Synthetic", "Random", "epoch"]
    assert process.returncode == -signal.SIGINT, "which a shell shows as 130"


def test_read_only_output_folder(monkeypatch, tmp_path):
    tmp_path.chmod(0o555)
    read_only = "/proc" if os.access(tmp_path, os.W_OK) else tmp_path  # root may write anywhere but there
    assert "--out" in refused(monkeypatch, "--out", read_only)


def test_a_mistake_as_the_user_sees_it(forks, tmp_path):
    process = forks.run(SCRIPT, "--data", tmp_path / "no such folder", "--out", tmp_path)
    assert "No such file or directory" in one_sentence(process)


# Checkpoints, in this process, with a training of milliseconds

class Points(data.Batches):
    """160 points of a plane, of two classes."""

    def __init__(self, settings=None):
        points = np.random.RandomState(0).standard_normal((160, 2)).astype("float32")
        super().__init__(points, (points[:, 0] > 0).astype("int32"), 32, 0, settings)


def small_model(optimizer=None, units=3):
    keras.utils.clear_session()  # so that names are those of a fresh process
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2)])
    model.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


class Shown(keras.callbacks.Callback):
    """The numbers of the epochs, from 1, that were begun."""

    def __init__(self):
        super().__init__()
        self.begun = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = [*self.begun, epoch + 1]


def fit(run, epochs, callbacks=(), **changes):
    run.fit(small_model(**changes), Points(), None, epochs, callbacks=callbacks)


def assert_resumed(monkeypatch, tmp_path, model, points=Points, callbacks=tuple):
    """Four epochs in one go, and three and one after a new start, end with the same weights to the bit."""
    found = []
    for folder, parts in (tmp_path / "whole", [4]), (tmp_path / "parts", [3, 4]):
        folder.mkdir()
        for epochs in parts:
            trained = model()
            start(monkeypatch, "--out", folder, "--epochs", epochs).fit(trained, points(), None, epochs, callbacks())
        found.append(np.concatenate([value.ravel().astype("float32") for value in trained.get_weights()]))
    np.testing.assert_array_equal(*found)


@pytest.fixture
def checkpointed(monkeypatch, tmp_path):
    """A run that has written a checkpoint after two epochs."""
    run = start(monkeypatch, "--out", tmp_path)
    fit(run, 2)
    assert run.checkpoint.exists() and len(run.history["loss"]) == 2
    return run


def test_more_epochs_go_on_from_the_checkpoint_and_fewer_are_refused(checkpointed, monkeypatch, tmp_path):
    more, fewer = (start(monkeypatch, "--out", tmp_path, "--epochs", count) for count in (4, 1))
    with pytest.raises(SystemExit, match="is of 2 epochs. Give no fewer.*--fresh"):
        fit(fewer, 1)
    fit(more, 4)
    assert len(more.history["loss"]) == 4 and more.history["loss"][:2] == checkpointed.history["loss"]


def test_a_training_that_has_stopped_by_itself_stays_stopped(monkeypatch, tmp_path):
    class Stop(Shown):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = len(self.begun) == 2

    for _ in range(2):
        run = start(monkeypatch, "--out", tmp_path)
        fit(run, 6, [Stop()])
        assert len(run.history["loss"]) == 2


def test_all_arguments_of_a_training_are_said_by_the_script(checkpointed):
    with pytest.raises(TypeError):
        checkpointed.fit(small_model(), Points(), None)


@pytest.mark.parametrize("epochs", [0, -3, 1.5, 30.0])
def test_a_number_of_epochs_that_there_is_not(monkeypatch, tmp_path, epochs):
    with pytest.raises(SystemExit, match=f"Call fit once, with an integer above 0; call 1 is with {epochs}"):
        fit(start(monkeypatch, "--out", tmp_path), epochs)


@pytest.mark.parametrize("rate", [0.0, -0.1, float("inf"), float("nan")])
def test_a_learning_rate_that_teaches_nothing(monkeypatch, tmp_path, rate):
    with pytest.raises(SystemExit, match="learning rate .* is not a number above 0"):
        fit(start(monkeypatch, "--out", tmp_path), 1, optimizer=keras.optimizers.SGD(rate))


def test_a_schedule_may_begin_or_end_at_0(monkeypatch, tmp_path):
    schedules = keras.optimizers.schedules
    for first, last, schedule in (
            (0.0, 0.1, schedules.PolynomialDecay(0.0, 5, 0.1)), (0.1, 0.0, schedules.PolynomialDecay(0.1, 5, 0.0)),
            (0.0, 0.0, schedules.PiecewiseConstantDecay([0, 4], [0.0, 0.1, 0.0]))):
        run = start(monkeypatch, "--out", tmp_path, "--fresh")
        fit(run, 2, optimizer=keras.optimizers.SGD(schedule))
        np.testing.assert_allclose(run.history["learning_rate"], [first, last], atol=1e-8)


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_batch_size_that_there_is_not(monkeypatch, tmp_path, size):
    run = start(monkeypatch, "--out", tmp_path, "--dataset", "synthetic")
    with pytest.raises(SystemExit, match=f"in batches of {size}. Give .* a whole number, 1 or more"):
        cifar10.load(run, size)


def test_label_noise_that_is_no_probability(monkeypatch, tmp_path):
    run = start(monkeypatch, "--out", tmp_path, "--dataset", "synthetic")
    with pytest.raises(SystemExit, match="label noise 1.5 is no probability. Give a number from 0 to 1"):
        cifar10.load(run, 64, label_noise=1.5)


def test_a_callbacks_arguments_are_the_scripts_and_not_the_checkpoints(monkeypatch, tmp_path):
    def plateau(patience):
        return keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=patience, min_delta=9)

    fit(start(monkeypatch, "--out", tmp_path), 2, [plateau(2)])
    with pytest.raises(SystemExit, match=r"other settings \(callback 0 patience was 2, is 100\). Add --resume"):
        fit(start(monkeypatch, "--out", tmp_path), 5, [plateau(100)])
    run = start(monkeypatch, "--out", tmp_path, "--resume")
    fit(run, 5, [plateau(100)])
    assert run.history["learning_rate"][-1] == run.history["learning_rate"][0]


@pytest.mark.parametrize("others", [[keras.callbacks.EarlyStopping("accuracy", patience=1)],
                                    [Shown(), keras.callbacks.EarlyStopping("loss", patience=1)]])
def test_what_a_callback_has_seen_is_not_told_to_another_one(monkeypatch, tmp_path, others):
    """Neither to one that watches something else, nor to another one in its place: the loss is no accuracy to beat."""
    fit(start(monkeypatch, "--out", tmp_path), 2, [keras.callbacks.EarlyStopping("loss", patience=50)])
    seen = []
    monkeypatch.setattr(keras.callbacks.EarlyStopping, "on_epoch_begin",
                        lambda self, epoch, logs=None: seen.append((self.best, self.wait)))
    fit(start(monkeypatch, "--out", tmp_path, "--resume"), 3, others)
    assert seen == [(None, 0)]


@pytest.mark.parametrize("old, new, says", [
    ("Dense(units)", "Dense(units, activation='tanh')", '(layer 1 activation was "linear", is "tanh")'),
    ("Dense(units)", "Dense(units, kernel_regularizer='l2')", "(layer 1 kernel_regularizer was null, is"),
    ("Dense(units), ", "Dense(units), keras.layers.Activation('relu'), ", 'class was "Dense", is "Activation"')])
def test_another_model_of_the_same_shape_is_not_resumed_unasked(checkpointed, monkeypatch, tmp_path, old, new, says):
    source = edited(inspect.getsource(small_model), (old, new))
    exec(source, globals() | {"small_model": None}, made := {})
    with pytest.raises(SystemExit, match=r"other settings \(.*Add --resume") as refusal:
        start(monkeypatch, "--out", tmp_path).fit(made["small_model"](), Points(), None, 4)
    assert says in str(refusal.value)


def test_other_metrics_are_not_resumed_unasked(checkpointed, monkeypatch, tmp_path):
    model = small_model()
    model.compile(model.optimizer, model.loss, metrics=[keras.metrics.MeanSquaredError()])
    with pytest.raises(SystemExit, match=r"\(metrics was \[.*\], is \['MeanSquaredError'\]\). Add --resume"):
        start(monkeypatch, "--out", tmp_path).fit(model, Points(), None, 4)


def test_a_log_of_keras_that_goes_on_has_one_line_of_names(monkeypatch, tmp_path):
    for epochs in 2, 4:
        log = keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True)
        fit(start(monkeypatch, "--out", tmp_path), epochs, [log])
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().split()] == ["epoch", "0", "1", "2", "3"]


def test_the_same_script_a_second_time_in_a_process_is_resumed(checkpointed, monkeypatch, tmp_path):
    """As in a notebook, where Keras gives the layers other names."""
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)
    run = start(monkeypatch, "--out", tmp_path)
    fit(run, 4)
    assert run.history["loss"][:2] == checkpointed.history["loss"]


def test_other_examples_are_not_resumed_from(checkpointed, monkeypatch, tmp_path):
    points = Points()
    points.rows = np.arange(100)
    with pytest.raises(SystemExit, match="is of another model, optimizer or data"):
        start(monkeypatch, "--out", tmp_path).fit(small_model(), points, None, 4)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-30],
                                    lambda content: content[:200] + b"\x00\xff" + content[202:]],
                         ids=["empty", "cut off", "two bytes changed"])
def test_a_damaged_checkpoint(checkpointed, monkeypatch, tmp_path, damage):
    content = damage(checkpointed.checkpoint.read_bytes())
    checkpointed.checkpoint.write_bytes(content)
    with pytest.raises(SystemExit, match="cannot be read .*--fresh") as refusal:
        fit(start(monkeypatch, "--out", tmp_path), 3)
    assert "pickle" not in str(refusal.value)
    assert checkpointed.checkpoint.read_bytes() == content, "it is the user's to discard"


def test_fresh_starts_again_and_keeps_the_checkpoint_until_there_is_another(checkpointed, monkeypatch, tmp_path):
    class Stop(Shown):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch)
            raise SystemExit(f"at epoch {self.begun}")

    content = checkpointed.checkpoint.read_bytes()
    run = start(monkeypatch, "--out", tmp_path, "--fresh")
    with pytest.raises(SystemExit, match=r"at epoch \[1\]"):
        fit(run, 3, [Stop()])
    assert run.checkpoint.read_bytes() == content
    fit(run, 3)
    assert len(run.history["loss"]) == 3 and run.checkpoint.read_bytes() != content


def test_names_tell_apart_what_options_tell_apart(monkeypatch, tmp_path):
    """No trial overwrites another's files, or the script's own."""
    stems = {start(monkeypatch, "--out", tmp_path, *options).stem.name for options in [
        [], ["--seed", "123456781"], ["--seed", "123456782"], ["--label-noise", "0.5"], ["--dataset", "synthetic"],
        ["--label-noise", "0.25"], ["--epochs", "6"], ["--batch-size", "6"], ["--limit", "6"]]}
    assert len(stems) == 9 and SCRIPT.stem in stems


# What is called besides, or in another way

def test_what_was_called_before_changes_nothing(monkeypatch, tmp_path):
    """Of what Keras compiles for single steps, `fit` would take one step for all that it is given at a time."""
    model, points = small_model(), Points()
    model.evaluate(points, verbose=0), model.fit(points, verbose=0), model.predict(points, verbose=0)
    start(monkeypatch, "--out", tmp_path).fit(model, points, None, 2)
    assert model.optimizer.iterations == 2 * len(points) == 10
    assert model.predict(points, verbose=0).shape == (160, 2)


def test_a_run_is_one_training(checkpointed):
    with pytest.raises(SystemExit, match="Call fit once, with an integer above 0; call 2 is with 4"):
        fit(checkpointed, 4)


def test_a_model_that_was_trained_otherwise_is_saved(monkeypatch, tmp_path):
    """As for class weights, which `run.fit` does not take."""
    run, model = start(monkeypatch, "--out", tmp_path), small_model()
    model.fit(Points(), class_weight={0: 1.0, 1: 2.0}, verbose=0)
    run.save(model)
    for ours, kept in zip(model.get_weights(), keras.models.load_model(f"{run.stem}.h5").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, kept)


@pytest.mark.parametrize("optimizer", [
    lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, momentum=0.9))], ids=["twice", "scaled"])
def test_optimizers_with_more_variables_are_resumed(monkeypatch, tmp_path, optimizer):
    assert_resumed(monkeypatch, tmp_path, lambda: small_model(optimizer()))


def test_a_callback_that_sets_what_a_schedule_sets_is_refused(monkeypatch, tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)
    for callback in keras.callbacks.ReduceLROnPlateau(), keras.callbacks.LearningRateScheduler(lambda epoch: 0.1):
        with pytest.raises(SystemExit, match="cannot set the rate that a schedule sets"):
            fit(start(monkeypatch, "--out", tmp_path), 1, [callback], optimizer=keras.optimizers.SGD(schedule))


@pytest.mark.parametrize("compiled", [None, lambda model: keras.optimizers.MultiOptimizer([
    (keras.optimizers.SGD(0.1), [model.layers[0]]), (keras.optimizers.Adam(), [model.layers[1]])])])
def test_what_has_no_learning_rate_is_refused(monkeypatch, tmp_path, compiled):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    if compiled and not hasattr(keras.optimizers, "MultiOptimizer"):
        pytest.skip("older versions of Keras have none")
    if compiled:
        model.compile(compiled(model), "mse")
    with pytest.raises(SystemExit, match="Compile the model, with an optimizer that has one learning rate, before fit"):
        start(monkeypatch, "--out", tmp_path).fit(model, Points(), None, 1)


def test_a_training_step_that_tells_no_loss_is_refused(monkeypatch, tmp_path):
    class Other(keras.Sequential):
        def train_step(self, *args):
            logs = super().train_step(*args)
            told = logs[0] if isinstance(logs, tuple) else logs  # JAX's has the state beside it
            told["g_loss"] = told.pop("loss")
            return logs

    model = Other([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("SGD", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(SystemExit, match='The train_step of this model returns no "loss"'):
        start(monkeypatch, "--out", tmp_path).fit(model, Points(), None, 1)


def test_early_stopping_with_a_least_change_is_resumed(monkeypatch, tmp_path):
    """Keras turns the sign of min_delta when a training begins: a second turn would call every epoch better."""
    for epochs in 2, 10:
        run = start(monkeypatch, "--out", tmp_path)
        fit(run, epochs, [keras.callbacks.EarlyStopping("loss", min_delta=9, patience=3)])
    assert len(run.history["loss"]) == 4


def test_variables_of_half_precision_are_resumed(monkeypatch, tmp_path):
    """NumPy's files know no bfloat16; the callback keeps some, too."""
    def model():
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, dtype="bfloat16")])
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    assert_resumed(monkeypatch, tmp_path, model, callbacks=lambda: [
        keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)])


def test_a_backup_by_keras_is_refused(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="A run resumes by itself. Leave BackupAndRestore out"):
        fit(start(monkeypatch, "--out", tmp_path), 1, [keras.callbacks.BackupAndRestore(tmp_path / "backup")])


@pytest.mark.parametrize("wrapped", [lambda optimizer: optimizer, keras.optimizers.LossScaleOptimizer])
def test_a_learning_rate_changed_in_the_script_is_the_scripts(monkeypatch, tmp_path, wrapped):
    for epochs, rate in (2, 0.1), (3, 0.001):
        run = start(monkeypatch, "--out", tmp_path, "--resume")
        fit(run, epochs, optimizer=wrapped(keras.optimizers.SGD(rate, momentum=0.9)))
    np.testing.assert_allclose(run.history["learning_rate"], [0.1, 0.1, 0.001], rtol=1e-6)


def test_a_learning_rate_that_a_callback_has_changed_is_resumed(monkeypatch, tmp_path):
    for epochs in 2, 4:
        run = start(monkeypatch, "--out", tmp_path)
        fit(run, epochs, [keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=9)])
    np.testing.assert_allclose(run.history["learning_rate"], [0.1, 0.1, 0.05, 0.025], rtol=1e-6)


def test_an_argument_that_a_callback_keeps_under_another_name_is_the_scripts(monkeypatch, tmp_path):
    class Stop(keras.callbacks.Callback):
        def __init__(self, after):
            super().__init__()
            self.last = after

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch + 1 == self.last

    fit(start(monkeypatch, "--out", tmp_path), 2, [Stop(9)])
    with pytest.raises(SystemExit, match=r"other settings \(callback 0 last was 9, is 3\). Add --resume"):
        fit(start(monkeypatch, "--out", tmp_path), 5, [Stop(3)])
    run = start(monkeypatch, "--out", tmp_path, "--resume")
    fit(run, 5, [Stop(3)])
    assert len(run.history["loss"]) == 3


def test_what_a_script_sets_after_loading_is_what_is_recorded(monkeypatch, tmp_path):
    run = start(monkeypatch, "--out", tmp_path)
    points = Points({"batch_size": 32, "note": np.float32(0.5), "words": 200, "digest": 7})
    assert callable(points.digest), "which is no setting"
    points.batch_size = 40
    run.fit(model := small_model(), points, None, 1)
    run.save(model)
    settings = record.read(f"{run.stem}.h5")["settings"]
    assert [settings[name] for name in ("batch_size", "note", "words", "digest")] == [40, "0.5", 200, 7]
    points.batch_size = 0
    with pytest.raises(SystemExit, match="160 inputs and 160 labels, in batches of 0. Give as many"):
        points.set_epoch(1)


def test_inputs_without_labels_are_refused(monkeypatch, tmp_path):
    """As where a script adds mirrored images and not their labels."""
    points = Points()
    points.inputs = np.concatenate([points.inputs, -points.inputs])
    with pytest.raises(SystemExit, match="There are 320 inputs and 160 labels, in batches of 32. Give as many labels"):
        start(monkeypatch, "--out", tmp_path).fit(small_model(), points, None, 1)


@pytest.mark.parametrize("train, test", [((np.zeros((4, 2)), np.zeros(4)), None),
                                         (Points(), (np.zeros((4, 2)), np.zeros(4)))])
def test_examples_as_keras_takes_them_are_refused(monkeypatch, tmp_path, train, test):
    with pytest.raises(SystemExit, match=r"Give fit what a `load` returns, or data.Batches\(inputs, labels"):
        start(monkeypatch, "--out", tmp_path).fit(small_model(), train, test, 1)


def added(x):
    return keras.layers.Dense(2)(x) + x


def normalized(x):
    for layer in keras.layers.Dense(4), keras.layers.Reshape((2, 2)), keras.layers.UnitNormalization(axis=(1, 2)):
        x = layer(x)
    return keras.layers.Flatten()(x)


@pytest.mark.parametrize("layers, says", [(added, ""), (normalized, "loaded, it has other outputs")])
def test_a_model_that_keras_loads_otherwise_or_not_at_all_is_said(monkeypatch, tmp_path, capsys, layers, says):
    def other():
        return keras.Model(inputs := keras.Input((2,)), layers(inputs))

    run = start(monkeypatch, "--out", tmp_path)
    (model := other()).compile("SGD", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    run.fit(model, Points(), None, 1)
    run.save(model)
    assert f"The model cannot be written and loaded whole ({says}" in capsys.readouterr().out
    points = Points().inputs
    for kept in f"{run.stem}.h5", f"{run.stem}.weights.h5":
        (again := other()).load_weights(kept)
        np.testing.assert_array_equal(again.predict(points, verbose=0), model.predict(points, verbose=0))


def test_a_metric_with_a_value_for_each_class(monkeypatch, tmp_path):
    class PerClass(keras.metrics.MeanMetricWrapper):
        def result(self):
            return keras.ops.stack([super().result(), 1.0])

    run, model = start(monkeypatch, "--out", tmp_path), small_model()
    model.compile(model.optimizer, model.loss, metrics=[PerClass(keras.losses.sparse_categorical_crossentropy, "two")])
    run.fit(model, Points(), None, 2)
    assert np.shape(run.history["two"]) == (2, 2)


def test_a_layer_without_get_config_is_said_before(monkeypatch, tmp_path, capsys):
    class Plain(keras.layers.Dense):
        def get_config(self):
            raise NotImplementedError

    model = keras.Sequential([keras.Input((2,)), Plain(2)])
    model.compile("SGD", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start(monkeypatch, "--out", tmp_path).fit(model, Points(), None, 1)
    assert "only the weights can be saved, as NAME.weights.h5: NotImplementedError()" in capsys.readouterr().out


def test_a_model_of_inputs_of_any_size_has_its_probe():
    words = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Embedding(1000, 2)])
    assert record.probe(words)["outputs"].shape == (4, 75, 2)


def test_a_model_of_few_words_has_its_probe():
    words = keras.Sequential([keras.Input((5,), dtype="int32"), keras.layers.Embedding(20, 2)])
    assert np.isfinite(record.probe(words)["outputs"]).all() and record.probe(words)["inputs"].dtype == np.int32


def test_examples_that_are_left_out_are_left_out_of_the_evaluation():
    points = Points()
    points.rows = np.arange(40, 100)
    for count, last in (None, 100), (10, 50):
        inputs, labels = points.for_evaluation(count)[0]
        np.testing.assert_array_equal(inputs, points.inputs[40:last])
        np.testing.assert_array_equal(labels, points.labels[40:last])


# Stopping early

@pytest.mark.parametrize("train, test, stops", [
    ([1.0] * 10, [0.5] * 10, True),
    ([1.0] * 9, [0.5] * 9, False),
    ([0.0995, 0.1012] * 5, [0.1] * 10, False),  # random labels, before the network takes off
    ([1.0] * 10, [0.5] * 9 + [0.502], False),
    ([0.9992, 0.9994] * 5, [0.5] * 10, False),  # fitted, and still moving
    ([0.9989] * 10, [0.5] * 10, False),  # steady, and not quite fitted
    ([0.9990, 0.99905] * 5, [0.5, 0.5009] * 5, True),  # both just within
    ([0.8] * 10, [0.1] * 10, False),  # slow, and not yet fitted
    ([0.9] * 5 + [1.0] * 10, [0.4] * 5 + [0.5] * 10, True),
])
def test_stops_once_fitted_and_unchanged(train, test, stops):
    callback, model = experiment.StopOnceFitted(), small_model()
    callback.set_model(model)
    model.stop_training = False
    for epoch, (accuracy, on_test) in enumerate(zip(train, test, strict=True)):
        assert not model.stop_training
        callback.on_epoch_end(epoch, {"accuracy": accuracy, "val_accuracy": on_test, "loss": 1.0})
    assert model.stop_training is stops


# Speed

@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {}], ids=str)
def test_a_model_learns_the_same_with_and_without_speed(options):
    """To the last bit, with momentum as TensorFlow's kernel applies it."""
    weights = []
    for fast in False, True:
        train, model = Points(), small_model(keras.optimizers.SGD(0.1, **options))
        model.jit_compile = keras.backend.backend() == "jax"
        before = model.get_weights()
        fed = speed.feeds(model, train)[0] if fast else train
        model.fit(fed, epochs=2, shuffle=False, verbose=0)
        weights.append(np.concatenate([value.ravel() for value in model.get_weights()]))
    assert np.isfinite(weights[0]).all() and (weights[0] != np.concatenate([v.ravel() for v in before])).all()
    np.testing.assert_array_equal(*weights)


def test_labels_that_change_are_those_that_are_fed():
    points = Points()
    fed = speed.feed(points)
    before, points.labels = [np.asarray(labels) for _, labels in fed], 1 - points.labels
    for one, (_, other) in zip(before, fed, strict=True):
        np.testing.assert_array_equal(1 - one, other)


@pytest.mark.parametrize("change", [
    lambda points: setattr(points, "inputs", points.inputs + (np.arange(160) == 5)[:, None]),  # another array
    lambda points: np.multiply(points.inputs, 2, out=points.inputs)])
def test_inputs_that_change_are_those_that_are_fed(change):
    points = Points()
    fed, before = speed.feed(points), points.inputs.copy()
    assert len(list(fed)) == 5
    change(points)
    points.set_epoch(0)
    inputs = np.concatenate([inputs for inputs, _ in fed])
    np.testing.assert_array_equal(inputs, points.inputs[points.order])
    assert not np.array_equal(before, points.inputs)


def test_what_each_epoch_shows_is_what_is_fed():
    class Louder(Points):
        def set_epoch(self, epoch):
            super().set_epoch(epoch)
            self.shown = self.inputs + epoch

    points = Louder()
    fed = speed.feed(points)
    for epoch in 0, 3, 1:
        points.set_epoch(epoch)
        for inputs, (expected, _) in zip([inputs for inputs, _ in fed], points, strict=True):
            np.testing.assert_array_equal(inputs, expected)


@pytest.mark.parametrize("name, value", [("rows", np.arange(100)), ("batch_size", 16)])
def test_a_number_of_batches_that_changes_is_refused(monkeypatch, tmp_path, name, value):
    points = Points()
    later = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(points, name, value) if epoch else None)
    with pytest.raises(SystemExit, match=f"There were 5 batches, now {4 if name == 'rows' else 10}. Keep their number"):
        start(monkeypatch, "--out", tmp_path).fit(small_model(), points, None, 3, callbacks=[later])


def test_tensors_in_the_place_of_inputs_and_labels(monkeypatch, tmp_path):
    """As a layer returns them that preprocesses all examples."""
    points, test, run = Points(), Points(), start(monkeypatch, "--out", tmp_path)
    for part in points, test:
        part.inputs, part.labels = keras.ops.tanh(part.inputs), keras.ops.one_hot(part.labels, 2)
    model = small_model()
    model.compile("SGD", keras.losses.CategoricalCrossentropy(from_logits=True))
    run.fit(model, points, test, 1)
    assert np.isfinite(run.save(model, draw=lambda run, path: None)["test_loss"])


def test_batches_that_a_script_leaves_out_are_left_out():
    class DropLast(data.Batches):
        def __len__(self):
            return len(self.rows) // self.batch_size

    points = DropLast(np.zeros((70, 2), "f4"), np.arange(70, dtype=np.int32), 32)
    fed = speed.feed(points)
    assert len(fed) == 2 and [len(fed_labels) for _, fed_labels in (fed if fed is not points else map(
        points.__getitem__, range(2)))] == [32, 32]


def test_what_a_script_draws_by_numpy_is_resumed(monkeypatch, tmp_path):
    """As for mixup, in a `__getitem__` of its own."""
    class Noisy(Points):
        def __getitem__(self, index):
            inputs, labels = super().__getitem__(index)
            return inputs + np.random.standard_normal(inputs.shape).astype("f4"), labels

    assert_resumed(monkeypatch, tmp_path, small_model, Noisy)


def test_a_process_has_one_run(monkeypatch, tmp_path):
    """In a second one the constants would be the first one's options, and no part of the names."""
    script = dict(vars(imported(SCRIPT)))
    monkeypatch.setattr(sys, "argv", ["script.py", "--out", str(tmp_path), "--units", "7"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    experiment.start(script)
    with pytest.raises(SystemExit, match="Start one run in a process. For several seeds"):
        experiment.start(script)


def test_a_mixed_policy_set_before_the_start_stays(monkeypatch, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        start(monkeypatch, "--out", tmp_path)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_an_option_is_not_taken_for_a_longer_one(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        start(monkeypatch, "--learning-rate", "0.1", LEARNING_RATE=None)
    assert "unrecognized arguments: --learning-rate" in capsys.readouterr().err


def test_a_limit_that_is_no_whole_number(monkeypatch, tmp_path):
    run = start(monkeypatch, "--out", tmp_path, "--dataset", "synthetic", LIMIT=1.5)
    with pytest.raises(SystemExit, match="--limit 1.5 is not from 1 to 2000"):
        cifar10.load(run, 8)


def test_top_5_is_not_shown_as_the_accuracy():
    assert record.accuracy_name(["sparse_categorical_accuracy", "top5_acc", "loss"]) == "sparse_categorical_accuracy"


def test_a_callback_that_saves_every_few_steps_does(monkeypatch, tmp_path):
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{batch}.weights.h5", save_weights_only=True, save_freq=2)
    fit(start(monkeypatch, "--out", tmp_path), 1, [saver])
    assert len(list(tmp_path.glob("?.weights.h5"))) == 2


def test_batches_that_a_script_makes_otherwise_are_what_is_fed():
    class Black(Points):
        def __getitem__(self, index):
            inputs, labels = super().__getitem__(index)
            return 0 * inputs, labels

    fed, _ = speed.feeds(small_model(), Black())
    assert all(not np.any(inputs) for inputs, _ in map(fed.__getitem__, range(len(fed))))


ON_DEVICE = """
import runpy, sys
from common import gpu, speed
all_steps = gpu.OnDevice.all_steps
gpu.OnDevice.all_steps = lambda *args: print("all steps in one go") or all_steps(*args)
script, *options = sys.argv[1:]
for folder in "plain", "device":
    speed.on_gpu = lambda: folder == "device"
    sys.argv = [script, *options, "--out", folder]
    runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not here")
def test_an_epoch_that_lies_on_the_device_trains_the_same(tmp_path):
    """With crops that change, true and wrong labels told apart, and a callback that evaluates."""
    script, folders = tmp_path / "crops.py", [tmp_path / "plain", tmp_path / "device"]
    script.write_text(edited(SCRIPT.read_text(), ("=LABEL_NOISE)", "=LABEL_NOISE, random_crop=True)"), (
        "callbacks=[", "callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: model.evaluate("
        "test.inputs[:20], test.labels[:20], verbose=0)), ")))
    for folder in folders:
        folder.mkdir()
    options = ["--dataset", "synthetic", "--limit", "300", "--label-noise", "0.5", "--epochs", "3"]
    process = subprocess.run([sys.executable, "-c", ON_DEVICE, script, *options], cwd=tmp_path, capture_output=True,
                             text=True, env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)})
    assert process.returncode == 0 and process.stdout.count("all steps in one go") == 2, process.stderr
    runs = [next(folder.glob("*.h5")) for folder in folders]
    weights = [keras.models.load_model(path).get_weights() for path in runs]
    for plain, on_device in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, on_device, atol=1e-6)
    plain, on_device = (record.read(path)["history"] for path in runs)
    for name in set(plain) - {"seconds"}:
        np.testing.assert_allclose(plain[name], on_device[name], rtol=1e-5, err_msg=name)
