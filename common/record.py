"""The .h5 of a run: a Keras model, and beside it in the same file, in the group "run", how it came about.

    run                    attributes: title, settings, versions, machine (JSON); paper_train, paper_test (%);
                           train_accuracy, train_loss, test_accuracy, test_loss of the model in this file; seconds;
                           with a thousand classes also train_top_5, test_top_5; without a test set none of it
    run/history/<name>     one value per epoch: loss, accuracy, val_loss, val_accuracy (Keras' names; val is the test
                           set), learning_rate, seconds
    run/probe/inputs       a few random inputs, and
    run/probe/outputs      what the model makes of them: a check that it was loaded as it was saved

A .run.h5 holds the same without the model and the probe.
"""

import json
import logging

from common import files

import h5py
import keras
import numpy as np

JSON = ("settings", "versions", "machine")
GROUPS = ("history", "probe")
ROOM = 2**20  # bytes that all but the weights may take, amply

# Keras calls .h5 a legacy format at every save.  It is what people here load, and tested.
logging.getLogger("absl").setLevel(logging.ERROR)


def write(path, model, run):
    """Saves the model (without optimizer state) and the run as one file, which is whole or absent.

    Args:
        path: pathlib.Path that ends in .h5.
        model: Keras model, of float32 layers.
        run: dict of what the module's docstring lists; "history" and "probe" are dicts of lists or arrays.

    Raises:
        SystemExit: with a sentence, when the file cannot be written.
    """
    with files.replacing(path) as part:
        # On a full disk HDF5 takes the whole process down; so the room is tried with ordinary means first.
        part.write_bytes(bytes(ROOM + sum(weights.nbytes for weights in model.get_weights())))
        model.save(part, include_optimizer=False)
        with h5py.File(part, "a") as file:
            _add(file, run)


def write_apart(path, run):
    """Saves the run alone, without the model and its probe, as a file that is whole or absent.

    Args:
        path: pathlib.Path that ends in .run.h5.
        run: as for `write`.

    Raises:
        SystemExit: with a sentence, when the file cannot be written.
    """
    with files.replacing(path) as part:
        part.write_bytes(bytes(ROOM))
        with h5py.File(part, "w") as file:
            _add(file, {name: value for name, value in run.items() if name != "probe"})


def _add(file, run):
    group = file.create_group("run")
    for name, value in run.items():
        if name in GROUPS:
            for part_name, values in value.items():
                group[f"{name}/{part_name}"] = np.asarray(values)
        else:
            group.attrs[name] = json.dumps(value, sort_keys=True) if name in JSON else value


def read(path):
    """Reads the run from an .h5 of this collection, in the form that `write` takes.

    Raises:
        SystemExit: with a sentence, when the file is none of this collection.
    """
    try:
        with h5py.File(path) as file:
            group = file["run"]
            run = {name: json.loads(value) if name in JSON else value for name, value in group.attrs.items()}
            groups = {name: group[name].items() for name in GROUPS if name in group}
            return run | {name: {part_name: values[:] for part_name, values in parts} for name, parts in groups.items()}
    except (OSError, KeyError) as error:
        raise SystemExit(f"{path} holds no run of this collection ({error}). Run its script again.") from None


def accuracies(run):
    """What the final weights reach, in words."""
    return ", ".join(f"{100 * run[name + '_accuracy']:.2f} % {name}" for name in ("train", "test")
                     if name + "_accuracy" in run)


def in_float32(model):
    """Copies a model, whatever precision it was trained in, into one that computes in float32."""
    def rebuild(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=rebuild)
    copy.set_weights(model.get_weights())
    return copy
