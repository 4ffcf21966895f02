"""The state of a training in one file: weights, optimizer, callbacks and history, replaced in one step."""

import json
import pickle
import zipfile

from common import data, record

import keras
import numpy as np

WAY_OUT = "Add --fresh to start from the first epoch; that replaces it."
SHOWN = 3  # differences that a message names


def write(path, model, callbacks, history, made_with, over):
    """Writes the state after an epoch in the place of the one before.

    Of each callback, the attributes that are numbers, text, arrays, or lists and dicts of them are kept.

    Args:
        path: pathlib.Path of the checkpoint.
        model, callbacks: compiled Keras model, and the script's own callbacks.
        history: dict, name to a list with a value per epoch.
        made_with: what `made_with` returns.
        over: whether the training has come to its end.
    """
    state = pickle.dumps(list(map(_state, callbacks)))
    with record.replacing(path) as part:
        np.savez(part, history=json.dumps(history), made_with=json.dumps(made_with, default=str), over=over,
                 callbacks=np.frombuffer(state, np.uint8),
                 **{f"variable_{k}": np.asarray(variable) for k, variable in enumerate(_variables(model))})


def read(path, model, callbacks, made_with, although_changed):
    """Gives the model and its optimizer the state of a checkpoint.

    Args:
        path, model, callbacks, made_with: as `write` takes them.
        although_changed: whether the user resumes although something has changed that is not needed.

    Returns:
        (history, over, restore): restore() gives the callbacks their state; to be called once the training begins,
        since callbacks reset themselves then.

    Raises:
        SystemExit: where the checkpoint cannot be resumed from; it is left as it is.
    """
    try:
        # The archive's checksums tell of damage; nothing in it is unpickled but plain values.
        with np.load(path, allow_pickle=False) as saved:
            then, history, over = json.loads(str(saved["made_with"])), json.loads(str(saved["history"])), saved["over"]
            states = data.unpickle(saved["callbacks"].tobytes())
            values = [saved[f"variable_{k}"] for k in range(sum("variable_" in name for name in saved.files))]
    except PermissionError as error:
        raise SystemExit(f"The checkpoint {path} cannot be read ({error.strerror}). Make it readable, or give another "
                         "folder with --out.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError):
        raise SystemExit(f"The checkpoint {path} is damaged. {WAY_OUT}") from None
    before, now = dict(_leaves(then)), dict(_leaves(json.loads(json.dumps(made_with, default=str))))
    changed = sorted(name for name in before.keys() | now if before.get(name) != now.get(name))
    differences = "; ".join(f"{name} was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
                            for name in changed[:SHOWN]) + "; ..." * (len(changed) > SHOWN)
    if any(name.startswith("needed.") for name in changed):
        raise SystemExit(f"The checkpoint {path} is of another model, optimizer or data ({differences}). {WAY_OUT}")
    if changed and not although_changed:
        raise SystemExit(f"The checkpoint {path} was made with other settings ({differences}). Add --resume to resume "
                         "from it all the same, or --fresh to start from the first epoch.")
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)
    return history, bool(over), lambda: [vars(callback).update(state)
                                         for callback, state in zip(callbacks, states, strict=False)]


def made_with(model, callbacks, settings, examples):
    """What a training is made with; to resume it, what is "needed" must be the same.

    Args:
        model, callbacks: as `write` takes them.
        settings: dict of the run's settings.
        examples: text that tells the training examples.
    """
    def told(thing):
        return (keras.saving.serialize_keras_object(thing) if isinstance(thing, keras.losses.Loss)
                else thing if isinstance(thing, str) else getattr(thing, "__name__", type(thing).__name__))

    return {"needed": {"shapes": str([tuple(variable.shape) for variable in _variables(model)]), "data": examples,
                       "optimizer": type(model.optimizer).__name__},
            "settings": {name: value for name, value in settings.items() if name != "epochs"},
            "training": {"optimizer": keras.saving.serialize_keras_object(model.optimizer), "loss": told(model.loss),
                         "callbacks": [told(callback) for callback in callbacks]},
            "backend": keras.backend.backend()}


def _variables(model):
    model.optimizer.build(model.trainable_variables)
    return model.variables + model.optimizer.variables


def _state(callback):
    state = {name: value for name, value in vars(callback).items() if name != "params" and _is_plain(value)}
    if hasattr(callback, "monitor_op") and "min_delta" in state:  # Keras sets its sign, once in a process
        state["min_delta"] = abs(state["min_delta"])
    return state


def _is_plain(value):
    if isinstance(value, (list, tuple, dict)):
        return all(map(_is_plain, [*value, *value.values()] if isinstance(value, dict) else value))
    return value is None or isinstance(value, (bool, int, float, str, np.generic)) or (
        isinstance(value, np.ndarray) and value.dtype != object)


def _leaves(value, name=""):
    """The values of nested dicts and lists, each with its path, as in ("training.optimizer.config.momentum", 0.9)."""
    if not isinstance(value, (dict, list)):
        yield name.lstrip("."), value
    else:
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, f"{name}.{key}")
