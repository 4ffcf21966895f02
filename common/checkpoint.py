"""The state of a training in one file: weights, optimizer, callbacks and history, replaced in one step."""

import inspect
import io
import json
import pickle
import zipfile

from common import data, record

import keras
import numpy as np

NEEDED = "weights", "optimizer", "data"  # what a checkpoint must agree in; of the rest the user decides
WAY_OUT = "Add --fresh to start from the first epoch; that replaces it."


def write(path, model, callbacks, history, facts, over):
    """Writes the state after an epoch in the place of the one before.

    `facts` are those of `training_facts`, `over` is whether the training has come to its end.
    """
    state = pickle.dumps(list(map(_state, callbacks)))
    with record.replacing(path) as part:
        np.savez(part, history=json.dumps(history), facts=json.dumps(facts), over=over,
                 callbacks=np.frombuffer(state, np.uint8),
                 **{f"variable_{k}": np.asarray(variable) for k, variable in enumerate(_variables(model))})


def read(path, model, callbacks, facts, although_changed):
    """Gives the model and its optimizer the state of a checkpoint, or says why not, and leaves it as it is.

    Returns (history, over, restore): restore(logs) gives the callbacks their state, once the training has begun, since
    they reset themselves then.
    """
    try:
        # The archive's checksums tell of damage; nothing in it is unpickled but plain values.
        with np.load(path, allow_pickle=False) as saved:
            then, history, over = json.loads(str(saved["facts"])), json.loads(str(saved["history"])), saved["over"]
            states = data.Unpickler(io.BytesIO(saved["callbacks"])).load()
            values = [saved[f"variable_{k}"] for k in range(sum("variable_" in name for name in saved.files))]
    except PermissionError as error:
        raise SystemExit(f"The checkpoint {path} cannot be read ({error.strerror}). Make it readable.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError):
        raise SystemExit(f"The checkpoint {path} is damaged. {WAY_OUT}") from None
    changed = [name for name in then | facts if then.get(name) != facts.get(name)]
    told = "; ".join(f"{name} was {then.get(name)!s:.60}, is {facts.get(name)!s:.60}" for name in changed)
    if set(changed) & set(NEEDED):
        raise SystemExit(f"The checkpoint {path} is of another model, optimizer or data ({told}). {WAY_OUT}")
    if changed and not although_changed:
        raise SystemExit(f"The checkpoint {path} was made with other settings ({told}). Add --resume to resume from it "
                         "all the same, or --fresh to start from the first epoch.")
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)

    def restore(logs):
        for k, (callback, state) in enumerate(zip(callbacks, states, strict=False)):
            vars(callback).update({name: value for name, value in state.items()
                                   if f"callback {k} {name}" not in changed})  # else it is what the script now says
    return history, bool(over), restore


def training_facts(model, callbacks, settings, examples):
    """What a training is made with, by name, as JSON has it; `examples` is a text that tells the training examples."""
    def name(thing):
        return thing if isinstance(thing, str) else getattr(thing, "__name__", type(thing).__name__)

    loss = model.loss
    facts = {"weights": [tuple(variable.shape) for variable in _variables(model)], "data": examples,
             "optimizer": name(model.optimizer), "optimizer's settings": model.optimizer.get_config(),
             "loss": keras.saving.serialize_keras_object(loss) if isinstance(loss, keras.losses.Loss) else name(loss),
             "callbacks": [name(callback) for callback in callbacks], "backend": keras.backend.backend(),
             **{f"callback {k} {name}": str(value) for k, callback in enumerate(callbacks)
                for name, value in _state(callback).items() if name in inspect.signature(type(callback)).parameters},
             **{f"setting {name}": value for name, value in settings.items() if name != "epochs"}}
    return json.loads(json.dumps(facts, default=str))


def _variables(model):
    model.optimizer.build(model.trainable_variables)
    return model.variables + model.optimizer.variables


def _state(callback):
    """The attributes of a callback that are numbers, text, arrays, or lists and dicts of them."""
    state = {name: value for name, value in vars(callback).items() if name != "params" and _is_plain(value)}
    if hasattr(callback, "monitor_op") and "min_delta" in state:  # Keras sets its sign, once in a process
        state["min_delta"] = abs(state["min_delta"])
    return state


def _is_plain(value):
    if isinstance(value, (list, tuple, dict)):
        return all(map(_is_plain, [*value, *value.values()] if isinstance(value, dict) else value))
    return isinstance(value, (bool, int, float, str, np.generic, type(None))) or (
        isinstance(value, np.ndarray) and value.dtype != object)
