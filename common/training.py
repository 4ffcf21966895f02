"""What happens around each epoch of a training: order, history, checkpoint, reasons to stop, and a line of text."""

import contextlib
import io
import json
import math
import pickle
import sys
import time

from common import data, record, say

import keras
import numpy as np

CHECKPOINT = 1  # seconds between checkpoints, at least: after every short epoch, writing would take too long
WAY_OUT = "Add --fresh to start from the first epoch; that replaces it"


class StopOnceFitted(keras.callbacks.Callback):
    """Ends a training once, in the last `epochs` epochs, training accuracy is always 99.9 % or more and varies by at
    most 0.01 percentage points, and test accuracy varies by at most 0.1."""

    def __init__(self, epochs=10):
        super().__init__()
        self.epochs, self.recent = epochs, []  # (training, test) accuracies

    def on_epoch_end(self, epoch, logs=None):
        name = record.accuracy_name(logs)
        self.recent = [*self.recent, [np.mean(logs.get(n, 0.0)) for n in (name, f"val_{name}")]][-self.epochs:]
        fitted, changes = np.min(self.recent, axis=0)[0] >= 0.999, np.ptp(self.recent, axis=0)
        if len(self.recent) == self.epochs and fitted and changes[0] <= 1e-4 and changes[1] <= 1e-3:
            self.model.stop_training = True
            say(f"Stopped early: fitted, and the accuracies have not changed for {self.epochs} epochs")


class Epochs(keras.callbacks.Callback):
    """What `experiment.Run.fit` does around each epoch.  The script's own `callbacks` come before this one."""

    def __init__(self, run, callbacks):
        super().__init__()
        self.run, self.callbacks, self.written, self.steps = run, callbacks, time.monotonic(), len(run.train)

    def on_epoch_begin(self, epoch, logs=None):
        self.began, self.rate = time.perf_counter(), float(self.model.optimizer.learning_rate)
        np.random.seed([self.run.seed, epoch])  # for what a script draws itself, as in a `__getitem__` of its own
        self.run.train.set_epoch(epoch)
        if len(self.run.train) != self.steps:
            raise SystemExit(f"There were {self.steps} batches, now {len(self.run.train)}. Keep their number in a run.")

    def on_test_batch_end(self, batch, logs=None):
        if self.run.signal:
            say(f"\nStopped after {self.run.kept} of {self.params['epochs']} epochs. Run the same command again to "
                "resume (without --fresh), or with --fresh to start from the first epoch.", file=sys.stderr)
            raise SystemExit(128 + self.run.signal)

    def on_train_batch_end(self, batch, logs=None):
        self.on_test_batch_end(batch)
        if "loss" not in logs:
            raise SystemExit('The train_step of this model returns no "loss". Let it return one, as Keras\' own does.')
        if not math.isfinite(logs["loss"]):
            raise SystemExit(f"Training diverged: the loss is {logs['loss']}. Try a learning rate below {self.rate:g}.")

    def on_epoch_end(self, epoch, logs=None):
        history = self.run.history
        for name, value in {**logs, "learning_rate": self.rate, "seconds": time.perf_counter() - self.began}.items():
            history.setdefault(name, []).append(np.asarray(value, float).tolist())
        if not self.run.writes:
            return
        left = (self.params["epochs"] - epoch - 1) * sum(history["seconds"]) / len(history["seconds"]) / 60
        accuracy = record.accuracy_name(logs)
        shown = [f"{split} {np.mean(history[name][-1]):.2%}, "
                 for split, name in (("train", accuracy), ("test", f"val_{accuracy}")) if name in history]
        say(f"epoch {epoch + 1} of {self.params['epochs']}: {''.join(shown)}loss {history['loss'][-1]:.4g}, "
            f"{history['seconds'][-1]:.1f} s, {left:.1f} minutes left")
        over = self.model.stop_training or epoch + 1 == self.params["epochs"]
        if over or time.monotonic() - self.written > CHECKPOINT:
            write_checkpoint(self.run, self.model, self.callbacks)
            self.written, self.run.kept = time.monotonic(), epoch + 1


def write_checkpoint(run, model, callbacks):
    """Writes weights, optimizer, callbacks and history after an epoch in the place of those before, in one step."""
    with record.replacing(run.checkpoint) as part:
        np.savez(part, history=json.dumps(run.history), facts=json.dumps(run.facts), over=model.stop_training,
                 callbacks=np.frombuffer(pickle.dumps(list(map(_state, callbacks))), np.uint8),
                 **{f"variable_{k}": np.asarray(variable) for k, variable in enumerate(_variables(model))})


def read_checkpoint(run, model, callbacks, epochs):
    """Gives run, model and optimizer the state of a checkpoint, or says why not; returns whether the training was over,
    and a function that gives the callbacks their state, once they have begun.  Only plain values are unpickled."""
    with data.reading(run.checkpoint, "Make it readable, or add --fresh", ""), np.load(run.checkpoint) as saved:
        then, history, over = json.loads(str(saved["facts"])), json.loads(str(saved["history"])), saved["over"]
        states = data.Unpickler(io.BytesIO(saved["callbacks"])).load()
        values = [saved[name] for name in saved.files if name.startswith("variable_")]
    changed = [name for name in then | run.facts if name != "script" and then.get(name) != run.facts.get(name)]
    told = "; ".join(f"{name} was {then.get(name)!s:.60}, is {run.facts.get(name)!s:.60}" for name in changed[:3])
    if set(changed) & {"weights", "optimizer", "data"}:  # any other change leaves the user a choice
        raise SystemExit(f"The checkpoint {run.checkpoint} is of another model, optimizer or data ({told}). {WAY_OUT}.")
    if changed and not run.given.resume:
        raise SystemExit(f"The checkpoint {run.checkpoint} was made with other settings ({told}). Add --resume to "
                         f"resume from it all the same. {WAY_OUT}.")
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value.view(np.asarray(variable).dtype) if value.dtype.kind == "V" else value)  # V: bfloat16
    rate, before = (facts["optimizer's settings"].get("learning_rate") for facts in (run.facts, then))
    if rate != before and type(rate) is float:
        model.optimizer.learning_rate = rate  # a changed one is as the script says
    run.history, run.kept = history, len(history["loss"])
    if run.kept > epochs:
        raise SystemExit(f"{run.checkpoint} is of {run.kept} epochs. Give no fewer. {WAY_OUT}.")
    say(f"Resuming: {run.kept} of {epochs} epochs are done"
        + ", by the script before it was changed" * (then.get("script", run.facts["script"]) != run.facts["script"]))
    def restore(logs):
        for k, (callback, state) in enumerate(zip(callbacks, states, strict=False)):
            if then["callbacks"][k] == run.facts["callbacks"][k] and f"callback {k} monitor" not in changed:
                vars(callback).update({name: value for name, value in state.items()
                                       if f"callback {k} {name}" not in changed})  # a changed one is as the script says
    return bool(over), restore


def training_facts(run, model, callbacks):
    """What a training is made with, by name, as JSON has it; says so where the model cannot be saved whole."""
    def name(thing):
        return thing if isinstance(thing, str) else getattr(thing, "__name__", type(thing).__name__)
    loss, optimizer, rate = model.loss, model.optimizer, model.optimizer._learning_rate
    config = _state(optimizer) | {"learning_rate": [name(rate), _state(rate)]}
    with contextlib.suppress(Exception):  # of nearly any kind: a schedule of the user's own need not tell its settings
        config = optimizer.get_config() | getattr(optimizer, "inner_optimizer", optimizer).get_config()
    facts = {"weights": [tuple(variable.shape) for variable in _variables(model)], "data": run.train.digest(),
             "script": run.provenance["script"], "optimizer": name(optimizer),
             "optimizer's settings": config | {"name": name(optimizer).lower()},  # sgd_1 the second time in a process
             "metrics": [name(metric) for kind in ("_user_metrics", "_user_weighted_metrics")
                         for metric in getattr(model._compile_metrics, kind, None) or []],
             "loss": keras.saving.serialize_keras_object(loss) if isinstance(loss, keras.losses.Loss) else name(loss),
             "callbacks": [name(callback) for callback in callbacks], "backend": keras.backend.backend(),
             **{f"callback {k} {name}": str(value) for k, callback in enumerate(callbacks)
                for name, value in _state(callback).items()},
             **{f"setting {name}": value for name, value in run.settings.items() if name != "epochs"}}
    try:
        for k, layer in enumerate(model.input_shape and model.get_config().get("layers", ())):  # fails as saving would
            facts |= {f"layer {k} {name}": json.dumps(value, default=lambda thing: type(thing).__name__)
                      for name, value in ({"class": layer["class_name"]} | layer["config"]).items() if name != "name"}
    except Exception as error:  # of nearly any kind, from layers of the user's own
        say("Of this model only the weights can be saved, as NAME.weights.h5: "
            f"{(str(error) or repr(error)).strip().splitlines()[0]}")
    return json.loads(json.dumps(facts, default=str))


def _variables(model):
    model.optimizer.built or model.optimizer.build(model.trainable_variables)
    return model.variables + model.optimizer.variables


def _state(thing):
    """The plain values among an object's attributes, except those that Keras sets again when a training begins."""
    return {name: abs(value) if name == "min_delta" and hasattr(thing, "monitor_op") else value  # Keras sets the sign
            for name, value in vars(thing).items() if name not in ("params", "append_header") and _is_plain(value)}


def _is_plain(value):
    if type(value) in (list, tuple, dict):  # not a subclass, as defaultdict, which the checkpoint's reader refuses
        return all(map(_is_plain, [*value, *value.values()] if type(value) is dict else value))
    return type(value) in (bool, int, float, str, type(None)) or isinstance(value, np.generic) or (
        type(value) is np.ndarray and value.dtype != object)
