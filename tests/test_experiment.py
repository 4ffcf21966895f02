"""Running a script: what a copy does, interruptions, and one clear sentence for every mistake."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from common import cifar10, experiment, record, speed

import h5py
import keras
import numpy as np
import pytest
from benchmark import imported
from conftest import ROOT, one_sentence, run

SCRIPT = ROOT / "MLP1" / "cifar10_keras_mlp_rand.py"
QUICK = ["--dataset", "synthetic", "--limit", "200"]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of a script, outside the repository, in a folder with a space, run from yet another folder."""
    folder = tmp_path_factory.mktemp("my experiments") / "second try"
    folder.mkdir()
    shutil.copy(SCRIPT, folder / "my_mlp.py")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    process = run(folder / "my_mlp.py", *QUICK, "--epochs", "3", "--tensorboard", folder / "logs", cwd=elsewhere)
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
                                "learning_rate": 0.01, "learning_rate_decay": 0.95, "precision": "float32",
                                "label_noise": 1, "random_crop": False}
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} == set(told["history"])
    np.testing.assert_allclose(told["history"]["learning_rate"], [0.01, 0.0095, 0.009025], rtol=1e-6)
    model = keras.models.load_model(copied[0] / "my_mlp--synthetic--limit-200--epochs-3.h5", compile=False)
    _, (images, labels) = cifar10.synthetic()
    right = model.predict(cifar10.standardize(cifar10.central(images)), verbose=0).argmax(axis=1) == labels
    assert told["test_accuracy"] == pytest.approx(right.mean(), abs=2e-3)
    assert told["history"]["val_accuracy"][-1] == pytest.approx(right[:200].mean(), abs=2e-3), "as many as trained on"
    assert "paper_train" not in told, "the paper's figures are of CIFAR-10"
    assert {"python", "keras", "numpy", "h5py", "tensorflow"} <= set(told["versions"])
    assert told["machine"]["processor"]


def test_tensorboard_logs_on_request(copied):
    assert list((copied[0] / "logs").rglob("events.out.tfevents.*"))


# The constants are the options

def test_a_constant_added_to_a_copy_is_an_option_in_the_file_and_its_name(tmp_path):
    script = tmp_path / "my_mlp.py"
    text = SCRIPT.read_text()
    for before, after in [("LABEL_NOISE = 1.0", "DROPOUT = 0.3  # fraction of units dropped, in %\nUNITS = 512\n"
                                                "LABEL_NOISE = 1.0"),
                          ("layers.Flatten(),", "layers.Flatten(), layers.Dropout(DROPOUT),"),
                          ("Dense(512", "Dense(UNITS")]:
        assert before in text
        text = text.replace(before, after)
    script.write_text(text)
    shown = " ".join(run(script, "--help").stdout.split())
    assert "--dropout FLOAT fraction of units dropped, in % (default: 0.3)" in shown
    assert "--units INT (default: 512)" in shown
    process = run(script, *QUICK, "--epochs", "1", "--dropout", "0.5", "--units", "64")
    assert process.returncode == 0, process.stderr
    file = tmp_path / "my_mlp--synthetic--limit-200--epochs-1--dropout-0.5--units-64.h5"
    settings = record.read(file)["settings"]
    assert (settings["dropout"], settings["units"]) == (0.5, 64)
    layers = keras.models.load_model(file, compile=False).layers
    assert (layers[1].rate, layers[2].units) == (0.5, 64)


@pytest.mark.parametrize("constants, options, says", [
    ({"DROPOUT": 0.3}, ["--dropout", "-1"], "--dropout: -1 is not a number of 0 or more"),
    ({"UNITS": 512}, ["--units", "0"], "--units: 0 is not a whole number of 1 or more"),
    ({"UNITS": 512}, ["--units", "1.5"], "--units: 1.5 is not a whole number"),
])
def test_bounds_of_an_added_constant(monkeypatch, capsys, constants, options, says):
    with pytest.raises(SystemExit):
        start(monkeypatch, *options, **constants)
    assert says in capsys.readouterr().err


def test_a_constant_named_as_an_option_that_every_script_has_stays_as_it_is(monkeypatch, tmp_path):
    assert start(monkeypatch, "--out", tmp_path, OUT="here").stem.name == SCRIPT.stem


def test_a_copy_without_a_docstring(monkeypatch, tmp_path):
    assert start(monkeypatch, "--out", tmp_path, __doc__=None).title == SCRIPT.stem


def test_a_script_run_through_a_link_saves_beside_the_link(monkeypatch, tmp_path):
    (tmp_path / "my_link.py").symlink_to(SCRIPT)
    assert start(monkeypatch, __file__=str(tmp_path / "my_link.py")).stem == tmp_path / "my_link"


def test_python_without_docstrings():
    """TensorFlow of today cannot be imported so; where it can, the script runs."""
    process = subprocess.run([sys.executable, "-OO", SCRIPT, "--help"], capture_output=True, text=True)
    assert "--label-noise" in process.stdout or "Keras does not start" in one_sentence(process)


def test_a_run_without_its_weights(tmp_path):
    process = run(SCRIPT, *QUICK, "--epochs", "2", "--no-weights", "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    stem = "cifar10_keras_mlp_rand--synthetic--limit-200--epochs-2"
    assert {path.name for path in tmp_path.iterdir()} == {stem + ".run.h5", stem + ".png"}
    told = record.read(tmp_path / (stem + ".run.h5"))
    assert len(told["history"]["loss"]) == 2 and 0 <= told["test_accuracy"] <= 1 and "probe" not in told
    assert (tmp_path / (stem + ".run.h5")).stat().st_size < 100_000


# Interruptions

STEM = "cifar10_keras_mlp_rand--synthetic--epochs-20--label-noise-0.6"


def options(folder):
    return ["--dataset", "synthetic", "--epochs", "20", "--label-noise", "0.6", "--out", folder]


def interrupt(folder, with_signal):
    """Starts a training, sends it a signal once two epochs are behind it; returns its status, stdout and stderr."""
    process = subprocess.Popen([sys.executable, SCRIPT, *options(folder)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checkpoint = folder / f".{STEM.replace('--epochs-20', '')}.checkpoint.npz"
    while not checkpoint.exists() or len(json.loads(str(np.load(checkpoint)["history"]))["loss"]) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(with_signal)
    told, said = process.communicate(timeout=60)
    assert not (folder / (STEM + ".h5")).exists(), "it was to be interrupted before its end"
    return process.returncode, told, said


def assert_same_run(path, expected):
    """History and weights are equal to the last bit."""
    one, other = record.read(path), record.read(expected)
    for name in ("loss", "accuracy", "accuracy_clean", "accuracy_wrong", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_array_equal(one["history"][name], other["history"][name])

    def weights(path):
        with h5py.File(path) as file:
            found = {}
            file["model_weights"].visititems(
                lambda name, item: found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
            return found

    one, other = weights(path), weights(expected)
    assert one.keys() == other.keys() and len(one) == 4
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(SCRIPT, *options(folder)).returncode == 0
    return folder / (STEM + ".h5")


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, uninterrupted):
    interrupt(tmp_path, signal.SIGKILL)
    resumed = run(SCRIPT, *options(tmp_path))
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming: " in resumed.stdout and "continuing with epoch" in resumed.stdout
    assert_same_run(tmp_path / (STEM + ".h5"), uninterrupted)


def test_the_same_run_twice_at_once_damages_nothing(tmp_path, uninterrupted):
    """Both compute the same, and every file is replaced in one step, so there is no need to refuse the second."""
    both = [subprocess.Popen([sys.executable, SCRIPT, *options(tmp_path)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
        assert_same_run(tmp_path / (STEM + ".h5"), uninterrupted)
    assert {path.name for path in tmp_path.iterdir()} == {STEM + ".h5", STEM + ".png"}


def test_ctrl_c_says_how_to_go_on(tmp_path, uninterrupted):
    status, told, said = interrupt(tmp_path, signal.SIGINT)
    assert status == 1 and "Traceback" not in said
    assert "epoch 2 of 20: train " in told
    assert "of 20 epochs. Run the same command again to resume" in said
    assert run(SCRIPT, *options(tmp_path)).returncode == 0
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
def test_a_save_that_fails_leaves_the_earlier_file_whole(tmp_path, how):
    path = tmp_path / "model.h5"
    path.write_bytes(b"the earlier file")
    process = subprocess.run([sys.executable, "-c", WRITE, path, how], capture_output=True, text=True, cwd=ROOT)
    assert path.read_bytes() == b"the earlier file"
    if how == "killed":
        assert process.returncode == -signal.SIGKILL
    else:
        assert "could not be written" in one_sentence(process)
        assert list(tmp_path.iterdir()) == [path], "nothing half-written is left"


def test_full_disk_in_training(tmp_path):
    resource = pytest.importorskip("resource")
    process = run(SCRIPT, *options(tmp_path),
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000)))
    assert "could not be written" in one_sentence(process)
    assert not list(tmp_path.iterdir())


def test_loss_that_becomes_nan(tmp_path):
    process = run(SCRIPT, *options(tmp_path), "--learning-rate", "1e6")
    assert "diverged" in one_sentence(process) and "--learning-rate" in process.stderr
    assert not list(tmp_path.iterdir())


# Mistakes on the command line, in this process: nothing is trained.

def start(monkeypatch, *options, **constants):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, options)])
    return experiment.start(dict(vars(imported(SCRIPT)), **constants))


@pytest.mark.parametrize("options, says", [
    (["--epochs", "0"], "--epochs: 0 is not a whole number of 1 or more"),
    (["--epochs", "-3"], "--epochs: -3 is not"),
    (["--epochs", "x"], "--epochs: x is not"),
    (["--epochs", "1.5"], "--epochs: 1.5 is not"),
    (["--batch-size", "0"], "--batch-size: 0 is not"),
    (["--limit", "0"], "--limit: 0 is not"),
    (["--label-noise", "1.5"], "--label-noise: 1.5 is not a number from 0 to 1"),
    (["--label-noise", "nan"], "--label-noise: nan is not"),
    (["--learning-rate", "0"], "--learning-rate: 0 is not a number above 0"),
    (["--learning-rate", "inf"], "--learning-rate: inf is not"),
    (["--learning-rate-decay", "1.1"], "--learning-rate-decay: 1.1 is not a number from 0 to 1"),
    (["--weight-decay", "0.1"], "unrecognized arguments"),  # the script has no such constant
    (["--seed", "-1"], "--seed: -1 is not"),
    (["--precision", "float8"], "--precision"),
    (["--dataset", "mnist"], "--dataset"),
])
def test_bad_option(monkeypatch, capsys, options, says):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, *options)
    assert refusal.value.code == 2
    assert says in capsys.readouterr().err


def refused(monkeypatch, *options):
    with pytest.raises(SystemExit) as refusal:
        start(monkeypatch, *options)
    return str(refusal.value)


def test_missing_output_folder(monkeypatch, tmp_path):
    assert "cannot be written to" in refused(monkeypatch, "--out", tmp_path / "nowhere")


def test_a_name_too_long_for_files(monkeypatch, tmp_path):
    assert "too long" in refused(monkeypatch, "--out", tmp_path, "--data", tmp_path / "x", "--learning-rate-decay",
                                 "0." + "1" * 15, "--learning-rate", "0." + "1" * 15, "--label-noise",
                                 "0." + "3" * 15, "--seed", "1234567891", "--limit", "10000000000000000000000000000",
                                 "--epochs", "100000000000000000000000000000", "--batch-size", "1000000000000000000000")


def test_tensorboard_folder_that_cannot_be(monkeypatch, tmp_path):
    assert "cannot be made" in refused(monkeypatch, "--out", tmp_path, "--tensorboard", "/dev/null/x")


def test_data_that_would_be_ignored(monkeypatch, tmp_path):
    assert "Leave one of them out" in refused(monkeypatch, "--dataset", "synthetic", "--data", tmp_path)


@pytest.mark.parametrize("noise, title", [("0", "MLP 1x512 on CIFAR-10, label noise 0 (label-noise-0.0)"),
                                          ("0.5", "MLP 1x512 on CIFAR-10, label noise 0.5 (label-noise-0.5)"),
                                          ("1", "MLP 1x512 on CIFAR-10, random labels")])
def test_title_says_how_many_labels_are_random(monkeypatch, tmp_path, noise, title):
    assert start(monkeypatch, "--out", tmp_path, "--label-noise", noise).title == title


@pytest.mark.parametrize("backend", ["foo", "torch"])
def test_a_backend_that_the_scripts_do_not_run_on(backend, tmp_path):
    (tmp_path / "torch.py").write_text("")  # of PyTorch itself nothing is asked for
    process = run(SCRIPT, "--help", env=os.environ | {"KERAS_BACKEND": backend})
    assert "KERAS_BACKEND" in one_sentence(process)


def test_settings_of_keras_for_other_work_do_not_change_the_network(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"image_data_format": "channels_first", "floatx": "float16",
                                                     "epsilon": 0.1, "backend": "tensorflow"}))
    says = ("from common import experiment; import keras; from keras import config; print(config.image_data_format(), "
            "config.floatx(), config.epsilon(), config.dtype_policy().name, keras.layers.Conv2D(1, 1).data_format)")
    process = subprocess.run([sys.executable, "-c", says], env=os.environ | {"KERAS_HOME": str(tmp_path)}, cwd=ROOT,
                             capture_output=True, text=True)
    assert process.stdout.split() == ["channels_last", "float32", "1e-07", "float32", "channels_last"], process.stderr


def test_a_quiet_start_and_a_quiet_end(tmp_path):
    """Nothing but ours on both streams, and Ctrl-C in the last evaluation is no traceback."""
    script = tmp_path / "my_mlp.py"
    script.write_text(SCRIPT.read_text().replace("run.save(model)", "import os, signal\n"
                                                 "    os.kill(os.getpid(), signal.SIGINT)\n    run.save(model)"))
    process = run(script, *QUICK, "--epochs", "1")
    assert process.stderr.strip() == "Stopped. The same command resumes a training from its last whole epoch."
    assert [line.split()[0] for line in process.stdout.splitlines()] == ["Synthetic", "Random", "epoch"]


def test_read_only_output_folder(monkeypatch, tmp_path):
    tmp_path.chmod(0o555)
    read_only = "/proc" if os.access(tmp_path, os.W_OK) else tmp_path  # root may write anywhere but there
    assert "--out" in refused(monkeypatch, "--out", read_only)




def test_a_mistake_as_the_user_sees_it(tmp_path):
    process = run(SCRIPT, "--data", tmp_path / "no such folder", "--out", tmp_path)
    assert "does not exist" in one_sentence(process)


# Checkpoints that cannot be gone on from

def small_model(units=3):
    keras.utils.clear_session()  # so that names are those of a fresh process
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


@pytest.fixture
def checkpointed(monkeypatch, tmp_path):
    """A run that has written a checkpoint after two epochs."""
    run = start(monkeypatch, "--out", tmp_path)
    run.history = {"loss": [2.0, 1.0]}
    run.write_checkpoint(small_model())
    return run


def test_a_checkpoint_of_other_settings(checkpointed):
    assert checkpointed._resume(small_model()) == 2
    with pytest.raises(SystemExit, match="of other settings.*--fresh"):
        checkpointed._resume(small_model(units=4))
    assert checkpointed.checkpoint.exists(), "it is the user's to discard"


def test_more_epochs_go_on_from_the_checkpoint_and_fewer_are_refused(checkpointed, monkeypatch, tmp_path):
    more, fewer = (start(monkeypatch, "--out", tmp_path, "--epochs", count) for count in (500, 1))
    assert more._resume(small_model()) == 2
    with pytest.raises(SystemExit, match="is of 2 epochs, more than --epochs 1"):
        fewer._resume(small_model())


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-30],
                                    lambda content: content[:200] + b"\x00\xff" + content[202:]],
                         ids=["empty", "cut off", "two bytes changed"])
def test_a_damaged_checkpoint(checkpointed, damage):
    content = damage(checkpointed.checkpoint.read_bytes())
    checkpointed.checkpoint.write_bytes(content)
    with pytest.raises(SystemExit, match="damaged.*--fresh") as refusal:
        checkpointed._resume(small_model())
    assert "pickle" not in str(refusal.value)
    assert checkpointed.checkpoint.read_bytes() == content, "it is the user's to discard"


def test_fresh_starts_again_and_keeps_the_checkpoint_until_there_is_another(checkpointed, monkeypatch, tmp_path):
    run = start(monkeypatch, "--out", tmp_path, "--fresh")
    assert run._resume(small_model()) == 0
    assert run.checkpoint.exists()


def test_names_tell_apart_what_options_tell_apart(monkeypatch, tmp_path):
    """No trial overwrites another's files, or the script's own."""
    stems = {start(monkeypatch, "--out", tmp_path, *options).stem.name for options in [
        [], ["--seed", "123456781"], ["--seed", "123456782"], ["--label-noise", "0.5"], ["--dataset", "synthetic"],
        ["--precision", "mixed_bfloat16"], ["--epochs", "6"], ["--batch-size", "6"], ["--limit", "6"]]}
    assert len(stems) == 9 and SCRIPT.stem in stems


# Stopping early

@pytest.mark.parametrize("train, test, settled", [
    ([1.0] * 10, [0.5] * 10, True),
    ([1.0] * 9, [0.5] * 9, False),
    ([0.0995, 0.1012] * 5, [0.1] * 10, False),  # random labels, before the network takes off
    ([1.0] * 10, [0.5] * 9 + [0.502], False),
    ([0.8] * 10, [0.1] * 10, False),  # slow, and not yet fitted
    ([0.9] * 5 + [1.0] * 10, [0.4] * 5 + [0.5] * 10, True),
])
def test_stops_when_nothing_moves_any_more(monkeypatch, tmp_path, train, test, settled):
    run = start(monkeypatch, "--out", tmp_path)
    run.history = {"accuracy": train, "val_accuracy": test}
    assert run._settled() is settled


# Speed

@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {}], ids=str)
def test_a_model_learns_the_same_with_and_without_speed(options):
    """To the last bit, with momentum as TensorFlow's kernel applies it."""
    inputs = np.random.RandomState(0).standard_normal((160, 2)).astype(np.float32)
    weights = []
    for fast in False, True:
        keras.utils.set_random_seed(0)
        model = small_model()
        model.compile(keras.optimizers.SGD(0.1, **options), "mse", jit_compile=keras.backend.backend() == "jax")
        if fast:
            speed.speed_up(model)
        model.fit(inputs, inputs.sum(axis=1, keepdims=True) * np.ones((1, 3)), epochs=2, shuffle=False, verbose=0)
        weights.append(np.concatenate([value.ravel() for value in model.get_weights()]))
    assert np.isfinite(weights[0]).all() and (weights[0] != 0).any()
    np.testing.assert_array_equal(*weights)


TWICE = """
import runpy, sys
from common import speed
all_steps = speed._OnDevice.all_steps
speed._OnDevice.all_steps = lambda *args: print("all steps in one go") or all_steps(*args)
script, *options = sys.argv[1:]
for folder in "plain", "device":
    speed.on_gpu = lambda: folder == "device"
    sys.argv = [script, *options, "--out", folder]
    runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not here")
def test_an_epoch_that_lies_on_the_device_trains_the_same(tmp_path):
    """With crops that change from epoch to epoch, and examples with true and with wrong labels looked at apart."""
    script, folders = tmp_path / "crops.py", [tmp_path / "plain", tmp_path / "device"]
    script.write_text(SCRIPT.read_text().replace("cifar10.load(run)", "cifar10.load(run, random_crop=True)"))
    for folder in folders:
        folder.mkdir()
    options = ["--dataset", "synthetic", "--limit", "300", "--label-noise", "0.5", "--epochs", "3"]
    process = subprocess.run([sys.executable, "-c", TWICE, script, *options], cwd=tmp_path, capture_output=True,
                             text=True, env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)})
    assert process.returncode == 0 and process.stdout.count("all steps in one go") == 2, process.stderr
    runs = [next(folder.glob("*.h5")) for folder in folders]
    weights = [keras.models.load_model(path).get_weights() for path in runs]
    for plain, on_device in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, on_device, atol=1e-6)
    plain, on_device = (record.read(path)["history"] for path in runs)
    for name in set(plain) - {"seconds"}:
        np.testing.assert_allclose(plain[name], on_device[name], rtol=1e-5, err_msg=name)
