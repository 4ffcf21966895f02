"""Runs scripts as users do, and makes small data sets in the real layout."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
# The tools, and the modules that lie beside their scripts
sys.path += [str(ROOT / folder) for folder in ("Results", "Inception v3", "LSTM", "MLP1")]
# JAX compiles in half the time what runs for few steps only
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"


def every_script():
    """The scripts that train a network of theirs, as paths."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted([*ROOT.glob("*/cifar10_*.py"),
                                                                         *ROOT.glob("*/imdb_*.py")])}
    return [path for path, text in texts.items() if "run.fit(" in text and "def build_model" in text]


def precision_of(script):
    """What a script's files have in their name on this machine, should it train in another precision than elsewhere."""
    from common import speed

    return "--precision-float32" * ("PRECISION" in script.read_text(encoding="utf-8")
                                    and speed.fast_precision() == "float32")


def run(script, *options, cwd=None, **kwargs):
    """Runs a script in a process of its own and returns it, ended, with its output as text."""
    return subprocess.run([sys.executable, str(script), *map(str, options)], cwd=cwd, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=300, **kwargs)


SERVER = """
import contextlib, functools, json, os, runpy, signal, sys, warnings
import common.plot
from common import cifar10
import tensorflow
cifar10.synthetic = functools.cache(cifar10.synthetic)
with contextlib.redirect_stdout(sys.stderr):  # standard output is for the exit statuses
    cifar10.synthetic()
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
signal.alarm(300)  # at the latest, as in `run`
for number, path in enumerate([os.devnull, order["stdout"], order["stderr"]]):
    os.dup2(os.open(path, os.O_RDWR), number)
os.environ.update(order["environment"])
if not order["graphs"]:
    tensorflow.config.run_functions_eagerly(True)
    warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
if not order["picture"]:
    common.plot.curves = lambda *args: None
script, *options = sys.argv = order["argv"]
os.chdir(os.path.dirname(script))
sys.path[0] = os.path.dirname(script)
exec(order["before"])
if order["run"]:
    runpy.run_path(script, run_name="__main__")
"""


# Before a script: fewer synthetic images, all of which are evaluated in the end
FEW = """
from common import data
data.SYNTHETIC = 40, 20
cifar10.synthetic.cache_clear()
"""


# Before a script: its output goes to one who reads the first ten bytes only
HEAD = """
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(writing)
import threading
threading.Thread(target=lambda: os.read(reading, 10) and os.close(reading)).start()
"""


# For tests that write to /dev/full
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


# Before a script: a signal ends it as its fourth epoch begins
INTERRUPTED = """
import signal
from common import training
signal.signal(signal.SIGINT, signal.default_int_handler)
begin = training.Epochs.on_epoch_begin

def begin_or_end(self, epoch, logs=None):
    begin(self, epoch)
    if epoch == 3:
        os.kill(os.getpid(), signal.{name})

training.CHECKPOINT, training.Epochs.on_epoch_begin = 0, begin_or_end
"""


class Forks:
    """Runs scripts as `run` does, each in a process forked from one that has loaded TensorFlow, which saves seconds."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment)

    def run(self, script, *options, before="", stdout=None, picture=False, graphs=False, environment=(), run=True):
        """Runs a script from its folder, by default without its picture, and returns it as `run` does.

        Args:
            before: code that is executed first.
            stdout: path that its output goes to in the place of what is returned.
            graphs: whether TensorFlow compiles what it executes, which takes longer than a few steps without.
            environment: dict of variables of the environment; what is read while TensorFlow is loaded has been read.
            run: whether the script is run at all, and not only `before`.
        """
        files = [self.folder / "stdout", self.folder / "stderr"]
        for file in files:
            file.write_text("")
        order = {"argv": [str(script), *map(str, options)], "before": before, "stdout": str(stdout or files[0]),
                 "stderr": str(files[1]), "picture": picture, "graphs": graphs, "environment": dict(environment),
                 "run": run}
        print(json.dumps(order), file=self.server.stdin, flush=True)
        status = int(self.server.stdout.readline())
        return subprocess.CompletedProcess(order["argv"], status, *(file.read_text() for file in files))


def started(tmp_path_factory, **environment):
    """Yields Forks, for a fixture, and ends them; skips the test where there is no fork, or no TensorFlow."""
    if not hasattr(os, "fork") or not importlib.util.find_spec("tensorflow"):
        pytest.skip("no fork on this system, or no TensorFlow")
    forks = Forks(tmp_path_factory.mktemp("forks"), **environment)
    yield forks
    forks.server.communicate()


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    yield from started(tmp_path_factory)


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are put together, but their files stay empty: drawing them takes a second each."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **options: Path(path).touch())


@pytest.fixture
def eagerly():
    """TensorFlow executes step by step and compiles nothing, which takes longer than a few steps."""
    tensorflow = pytest.importorskip("tensorflow")
    tensorflow.config.run_functions_eagerly(True)
    yield
    tensorflow.config.run_functions_eagerly(False)


def edited(text, *changes):
    """A script's text with each (before, after) of the changes made; each must be there."""
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def one_sentence(process):
    """Asserts that a process ended with a message to its user and not with a traceback; returns what it said."""
    assert process.returncode not in (0, None), process.stdout
    assert process.returncode > 0, f"ended by signal {-process.returncode}"
    assert "Traceback" not in process.stderr, process.stderr
    return process.stderr


def write_batches(folder, count=20, **changes):
    """Writes a small data set in CIFAR-10's python-version layout; `changes` replace entries of data_batch_3."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(1)
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        batch = {b"data": random.randint(0, 256, (count, 3072)).astype(np.uint8),
                 b"labels": random.randint(0, 10, count).tolist()}
        if name == "data_batch_3":
            batch |= {key.encode(): value for key, value in changes.items()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def write_reviews(folder, **changes):
    """Writes a small imdb.npz in the layout of Keras'; `changes` replace its arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(1)
    arrays = {}
    for split, count in ("train", 30), ("test", 20):
        arrays["x_" + split] = np.array([random.randint(1, 30000, length).tolist()
                                         for length in random.randint(1, 500, count)] + [None], object)[:-1]
        arrays["y_" + split] = random.randint(0, 2, count)
    np.savez(folder / "imdb.npz", **arrays | changes)
    return folder


@pytest.fixture
def tiny_cifar10(tmp_path):
    return write_batches(tmp_path / "data sets" / "cifar-10-batches-py")
