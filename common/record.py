"""The .h5 of a run: a Keras model, and beside it in the same file, in the group "run", how it came about.

    run                    attributes: title, settings, versions, machine (JSON); paper_train, paper_test (%);
                           train_accuracy, train_loss, test_accuracy, test_loss of the final weights; seconds;
                           with a thousand classes also train_top_5, test_top_5; without a test set none of it
    run/history/<name>     one value per epoch: loss, accuracy, val_loss, val_accuracy (Keras' names; val is the test
                           set), learning_rate, seconds
    run/probe/inputs       a few random inputs, and
    run/probe/outputs      the model's outputs for them: a check that it was loaded as it was saved

A .run.h5 holds the same without the model and the probe.
"""

import contextlib
import json
import logging
import os
import platform

import h5py
import keras
import numpy as np

JSON = ("settings", "versions", "machine")
# What newer versions of Keras write into a model's configuration, with the value at which it does nothing
NEWER = {"quantization_config": None, "input_axes": None, "output_axes": None, "renorm": False, "renorm_clipping": None,
         "renorm_momentum": 0.99}
ROOM = 2**20  # bytes, more than all but the weights takes

# Keras calls .h5 a legacy format at every save.  It is what people here load, and tested.
logging.getLogger("absl").setLevel(logging.ERROR)


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary path beside `path` to write to; what was written takes the place of `path` in one step.

    Whatever happens before the end of the block, a kill included, leaves the earlier file as it was.  Two processes
    that write the same file at once do not mix: the later one's is there in the end.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except OSError as error:
        raise SystemExit(f"{path} could not be written ({error.strerror or error}). Whatever was there is untouched; "
                         "make room or give another folder with --out, then run the same command again.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def write(path, run, model=None):
    """Saves the run, and the model (without optimizer state) if there is one, as one file, which is whole or absent.

    Args:
        path: pathlib.Path that ends in .h5.
        run: dict of what the module's docstring lists; "history" and "probe", like any other group, are dicts of
            lists or arrays.
        model: Keras model of float32 layers, or None.
    """
    with replacing(path) as part:
        # On a full disk HDF5 takes the whole process down; so the room is tried with ordinary means first.
        part.write_bytes(bytes(ROOM + sum(weights.nbytes for weights in (model.get_weights() if model else []))))
        if model:
            model.save(part, include_optimizer=False)
        with h5py.File(part, "a" if model else "w") as file:
            if model:
                file.attrs["model_config"] = json.dumps(without_newer(json.loads(file.attrs["model_config"])))
            group = file.create_group("run")
            for name, value in run.items():
                if name in JSON:
                    group.attrs[name] = json.dumps(value, sort_keys=True)
                elif isinstance(value, dict):
                    for part_name, values in value.items():
                        group[f"{name}/{part_name}"] = np.asarray(values)
                else:
                    group.attrs[name] = value


def without_newer(config):
    """Leaves out of a model's configuration what does nothing and Keras 3.12, the oldest supported, does not know."""
    if isinstance(config, list):
        return [without_newer(item) for item in config]
    if isinstance(config, dict):
        return {name: without_newer(value) for name, value in config.items() if (name, value) not in NEWER.items()}
    return config


def read(path):
    """Reads the run from an .h5 of this collection, in the form that `write` takes."""
    try:
        with h5py.File(path) as file:
            group = file["run"]
            run = {name: json.loads(value) if name in JSON else value for name, value in group.attrs.items()}
            return run | {name: {part_name: values[:] for part_name, values in part.items()}
                          for name, part in group.items()}
    except (OSError, KeyError) as error:
        raise SystemExit(f"{path} holds no run of this collection ({error}). Run its script again.") from None


def accuracies(run):
    """The accuracies of the final weights, in words."""
    return ", ".join(f"{100 * run[name + '_accuracy']:.2f} % {name}" for name in ("train", "test")
                     if name + "_accuracy" in run)


def probe(model):
    """Inputs and the model's outputs for them, by which whoever loads the model can tell that it is the same."""
    random, shape = np.random.RandomState(0), (4, *model.input_shape[1:])
    words = "int" in model.inputs[0].dtype
    inputs = random.randint(0, 1000, shape).astype(np.int32) if words else random.standard_normal(shape).astype("f4")
    return {"inputs": inputs, "outputs": model.predict(inputs, verbose=0)}


def environment():
    """The versions and the machine of this process, as a run records them."""
    try:
        processor = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    backend = keras.backend.backend()
    versions = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__,
                "h5py": h5py.__version__, backend: __import__(backend).__version__}
    return {"versions": versions, "machine": {
        "system": platform.system(), "processor": processor, "cores": os.cpu_count(),
        "devices": [str(device) for device in keras.distribution.list_devices()]}}
