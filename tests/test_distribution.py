"""Two processes on this machine: the result of one, and what happens when one is lost."""

import json
import os
import subprocess
import sys
import textwrap

from common import record
from importing import imported

import numpy as np
import pytest
from conftest import INTERRUPTED, ROOT, one_sentence, started

pytest.importorskip("jax")
pytest.importorskip("tensorflow")

# A user's copy of an Inception v3 script, with a small network in its place.
SCRIPT = '''"""Small network on ImageNet."""
import imagenet
from common import data

import keras
from keras import layers

data.SYNTHETIC = 200, 100
EPOCHS, BATCH_SIZE, LEARNING_RATE, LEARNING_RATE_DECAY, PRECISION, IMAGE_SIZE = 5, 16, 0.01, 0.95, "auto", 75

if __name__ == "__main__":
    run = imagenet.start(globals())
    train, test, classes = imagenet.load(run, BATCH_SIZE, IMAGE_SIZE, random_crop=True)
    model = keras.Sequential([keras.Input((75, 75, 3)), layers.Conv2D(8, 5, strides=4), layers.BatchNormalization(),
                              layers.ReLU(), layers.Flatten(), layers.Dense(classes)])
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")],
    )
    run.fit(model, train, test, EPOCHS)
    run.save(model)
'''
BESIDE = f"sys.path.append({str(ROOT / 'Inception v3')!r})\n"  # imagenet.py
OPTIONS = ["--dataset", "synthetic", "--limit", "96"]

# Before the script: two processes of one training, and one that waits for them
PAIR = BESIDE + """
import signal, socket
from common import training
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
processes = []
for number in "01":
    processes.append(os.fork())
    if not processes[-1]:
        break
else:
    print("ended with", [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes], flush=True)
    os._exit(0)
os.environ |= {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
               "KERAS_DISTRIBUTION_PROCESS_ID": number}
signal.alarm(150)  # at the latest
training.CHECKPOINT = 0
"""
SECOND_KILLED = PAIR + 'if number == "1":\n' + textwrap.indent(INTERRUPTED.format(name="SIGKILL"), "    ")


@pytest.fixture(scope="module")
def jax_forks(tmp_path_factory):
    yield from started(tmp_path_factory, KERAS_BACKEND="jax")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "my_imagenet.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


# Imports a module, and ends with what the environment says at the moment when Keras is imported.
AT_KERAS = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "keras":
            print(os.environ.get("TF_CPP_MIN_LOG_LEVEL"), os.environ.get("TF_ENABLE_ONEDNN_OPTS"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "Inception v3").glob("*.py")))
def test_the_environment_is_set_before_keras_is_imported(module):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")} | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "Inception v3"), str(ROOT)])}
    process = subprocess.run([sys.executable, "-c", AT_KERAS, module], text=True, capture_output=True, env=environment)
    assert process.stdout.split() == ["3", "1"], process.stderr


def result(folder):
    model, = folder.glob("*.h5")
    return record.read(model)


def assert_same(one, other):
    """The same training, but for the order in which numbers are added up, which tells more with every epoch."""
    assert one["history"].keys() == other["history"].keys()
    for name in set(one["history"]) - {"seconds"}:
        np.testing.assert_allclose(one["history"][name][:3], other["history"][name][:3], rtol=1e-3, err_msg=name)
        np.testing.assert_allclose(one["history"][name], other["history"][name], rtol=0.05, err_msg=name)
    np.testing.assert_allclose(one["probe"]["outputs"], other["probe"]["outputs"], atol=0.1)
    for name in "train_accuracy", "test_accuracy", "train_top_5":
        assert one[name] == pytest.approx(other[name], abs=0.03)


def test_two_processes_train_as_one_and_go_on_when_one_was_lost(script, tmp_path, jax_forks):
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder in alone, together:
        folder.mkdir()
    process = jax_forks.run(script, *OPTIONS, "--out", alone, before=BESIDE)
    assert process.returncode == 0, process.stderr

    process = jax_forks.run(script, *OPTIONS, "--out", together, before=SECOND_KILLED)
    assert "ended with [1, -9]" in process.stdout and "Start all of them again" in process.stderr, process.stderr
    assert "resume from the last whole epoch" in process.stderr
    checkpoint, = together.glob(".my_imagenet*.checkpoint.npz")
    kept = json.loads(str(np.load(checkpoint)["history"]))["seconds"]
    process = jax_forks.run(script, *OPTIONS, "--out", together, before=PAIR)
    assert "ended with [0, 0]" in process.stdout, process.stderr
    assert_same(result(alone), result(together))
    # Epochs that were trained again would have taken another time.
    seconds = result(together)["history"]["seconds"].tolist()
    assert 0 < len(kept) < len(seconds) == 5 and seconds[:len(kept)] == kept


@pytest.mark.parametrize("environment", [{"KERAS_DISTRIBUTION_JOB_ADDRESSES": "127.0.0.1:1"},
                                         {"SLURM_STEP_NODELIST": "n1", "SLURM_NTASKS": "8"}], ids=["address", "SLURM"])
def test_several_processes_with_tensorflow(script, tmp_path, forks, environment):
    """Each would train by itself, and replace the others' files."""
    process = forks.run(script, *OPTIONS, "--out", tmp_path, before=BESIDE, environment=environment)
    assert f"{next(iter(environment))} is set for several processes" in process.stderr
    assert "Set KERAS_BACKEND=jax" in one_sentence(process)


def test_a_shell_that_slurm_gave_is_one_process(monkeypatch):
    """As of salloc, before srun: there is nobody to be joined."""
    distribution = imported(ROOT / "Inception v3" / "distribution.py")
    monkeypatch.setattr(distribution.keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(distribution.keras.distribution, "initialize", lambda: pytest.fail("joined"))
    monkeypatch.setattr(distribution.keras.distribution, "list_devices", lambda: ["gpu:0"])
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.delenv("SLURM_STEP_NODELIST", raising=False)
    distribution.start()


def test_a_batch_that_devices_cannot_share(script, tmp_path, jax_forks):
    process = jax_forks.run(script, *OPTIONS, "--batch-size", "15", "--out", tmp_path, before=BESIDE,
                            environment={"XLA_FLAGS": "--xla_force_host_platform_device_count=2"})
    assert "The batch size 15 cannot be shared evenly among 2 devices" in one_sentence(process)
