"""The .h5 of a run: a Keras model, and beside it in the same file, in the group "run", how it came about.

    run                   attributes: title; seconds; settings, versions, machine, as JSON, and (not in older files)
                          training (optimizer with its schedule, loss, callbacks), provenance (digests, commit); of the
                          final weights train_accuracy, train_loss, test_accuracy ...; paper_train, paper_test (%)
    run/history/<name>    a value per epoch: loss, accuracy, val_loss, val_accuracy (Keras' names; val is the test set),
                          learning_rate, seconds; accuracy_clean and accuracy_mislabeled (accuracy_wrong in older files)
    run/probe/<name>      inputs, a few random ones, and outputs, the model's for them: a check that it was loaded well

A .run.h5 is without the model and the probe.  Scripts that train no network store what they find in its place.
"""

import contextlib
import hashlib
import json
import logging
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from common import data

import h5py
import keras
import numpy as np

JSON = ("settings", "training", "versions", "machine", "provenance")
PROCESSOR = "".join(path.read_text(encoding="utf-8") for path in Path("/proc").glob("cpuinfo"))  # "" except on Linux


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary path to write; at the end its file replaces `path` in one step; on an error it is deleted."""
    part = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        yield part
        with open(part, "rb+") as written:  # Windows synchronizes only what is open for writing
            os.fsync(written.fileno())
        try:
            os.replace(part, path)
        except PermissionError:  # on Windows, while another program has the file open
            time.sleep(2)
            os.replace(part, path)
    except OSError as error:
        raise SystemExit(f"{path} could not be written ({error.strerror or error}). Make room, close it elsewhere, or, "
                         "where there is --out, give another folder, and run the same command again.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write(path, run, model=None):
    """Saves the run, a dict as `read` returns it, and the model, if there is one, as one .h5, whole or not at all."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras calls .h5 a legacy format at every save
    with replacing(path) as part:
        # HDF5 aborts the process on a full disk, so the space is reserved first: the weights', and 1 MiB for the rest.
        part.write_bytes(bytes(2**20 + sum(weights.nbytes for weights in (model.get_weights() if model else []))))
        if model:
            model.save(part, include_optimizer=False)
        with h5py.File(part, "a" if model else "w") as file:
            group = file.create_group("run")
            for name, value in run.items():
                if isinstance(value, dict) and name not in JSON:
                    group.create_group(name).update(value)
                else:
                    group.attrs[name] = json.dumps(value, sort_keys=True, default=str) if name in JSON else value


def read(path):
    """Reads the run from an .h5: a dict of what is listed above, its groups dicts of arrays."""
    with data.reading(path, "Run its script again", otherwise=""), h5py.File(path) as file:
        run = {name: json.loads(value) if name in JSON else value for name, value in file["run"].attrs.items()}
        return run | {name: {key: values[:] for key, values in part.items()} for name, part in file["run"].items()}


def accuracy_name(names):
    """Which name is shown as the accuracy: "accuracy", else the shortest ending in acc or accuracy, else None."""
    return min((n for n in names if re.fullmatch("(?!val_).*acc(uracy)?", n)), default=None,
               key=lambda n: (n != "accuracy", "top" in n, len(n)))


def accuracies(run):
    """The accuracies of the final weights, in words."""
    name = accuracy_name([n.removeprefix("train_") for n in run if n.startswith("train_")])
    return ", ".join(f"{100 * np.mean(run[f'{split}_{name}']):.2f} % {split}" for split in ("train", "test")
                     if f"{split}_{name}" in run)


def probe(model):
    """Inputs and the model's outputs for them, by which one can tell that a loaded model is the same."""
    random, shape = np.random.RandomState(0), (4, *(size or 75 for size in model.input_shape[1:]))  # None: any size
    words = "int" in model.inputs[0].dtype
    inputs = random.randint(0, 20, shape).astype(np.int32) if words else random.standard_normal(shape).astype("f4")
    return {"inputs": inputs, "outputs": keras.ops.convert_to_numpy(model(inputs, training=False))}


def provenance(script):
    """Digests of a script with what it imports from its folder, and of this package; the folder's git commit, or ""."""
    def digest(paths):  # \r\n is how git gives lines on Windows
        content = b"".join(path.read_bytes() for path in sorted(paths)).replace(b"\r\n", b"\n")
        return hashlib.blake2b(content, digest_size=16).hexdigest()
    files = {path: getattr(sys.modules.get(path.stem), "__file__", "") for path in script.resolve().parent.glob("*.py")}
    beside = {script.resolve(), *(path for path, file in files.items() if file and Path(file).resolve() == path)}
    git = subprocess.run("git rev-parse --verify HEAD", shell=True, cwd=script.parent, capture_output=True).stdout
    return {"script": digest(beside), "common": digest(Path(__file__).parent.glob("*.py")), "commit": git[:-1].decode()}


def environment():
    """The versions and the machine of this process, as a run records them."""
    backend = keras.backend.backend()
    versions = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__,
                "h5py": h5py.__version__, backend: __import__(backend).__version__}
    processor, *_ = [*re.findall(r"model name\s*: (.*)", PROCESSOR), platform.processor() or platform.machine()]
    machine = {"system": platform.system(), "processor": processor, "cores": os.cpu_count()}
    return {"versions": versions, "machine": machine | {"devices": list(map(str, keras.distribution.list_devices()))}}
