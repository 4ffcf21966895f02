"""Runs scripts as users do, and makes small data sets in the real layout."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
# The tools, and the modules that lie beside their scripts
sys.path += [str(ROOT / folder) for folder in ("Results", "Inception v3", "LSTM", "MLP1")]


def every_script():
    """The scripts that train, as paths."""
    scripts = sorted([*ROOT.glob("*/cifar10_*.py"), *ROOT.glob("*/imdb_*.py")])
    return [script for script in scripts if "run.fit(" in script.read_text()]


def run(script, *options, cwd=None, **kwargs):
    """Runs a script in a process of its own and returns it, ended, with its output as text."""
    return subprocess.run([sys.executable, str(script), *map(str, options)], cwd=cwd, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=300, **kwargs)


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
