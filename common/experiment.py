"""Running a script: its command line, training that can be resumed, and what is saved.

    run = experiment.start(globals())   makes the script's constants the options of its command line
    run.fit(model, train, test)         trains, or resumes where the same run was interrupted
    run.save(model)                     writes the .h5 and the .png
"""

import argparse
import importlib.util
import json
import math
import os
import re
import signal
import tempfile
import time
import zipfile
from pathlib import Path

from common import BACKENDS, apart, progress, record, speed

import keras
import numpy as np

LONGEST = 200        # bytes of a name, before what is added to it; file systems allow 255
SETTLED_EPOCHS = 10  # that a fitted network must stand still before training stops early
KEEP_AFTER = 1       # second from one checkpoint to the next, at least; after short epochs it would take too long

# The order of settings in the names of files; a script's other constants follow in the script's order.
FIRST = "dataset", "limit", "epochs", "batch_size", "learning_rate", "seed", "precision"
RESERVED = "DATA", "OUT", "FRESH", "NO_WEIGHTS", "TENSORBOARD", "HELP"  # a constant of such a name is no option
HELP = {"limit": "train on the first N examples only, and after each epoch test on as many",
        "seed": "of weights, order, crops and random labels",
        "dataset": "synthetic: generated here in a second, for a first look",
        "precision": "of the training, what is saved is float32; auto: bfloat16 where that is the faster one, on a GPU "
                     "and, with TensorFlow, on a processor that computes in it"}


def start(script, dataset="cifar10", others=(), subset=None):
    """Makes a script's constants the options of its command line, and gets ready to train.

    Every upper-case constant that is a number or a text is an option: LEARNING_RATE is --learning-rate, its default and
    type are the constant's, its help is the comment beside it.  What the command line says replaces the constant in
    the script.  Options that differ from the constants are added to the files' names; all are recorded in the .h5.

    Args:
        script: the script's globals(); PAPER, if it is there, holds the paper's accuracies, (train, test) in %.
        dataset: name of the data set.
        others: names of the data sets that --dataset takes besides.
        subset: function of the options that returns the name of the part of the data set that the run is on, which is
            added to the files' names, or None for the whole of it.

    Returns:
        A `Run`.
    """
    if keras.backend.backend() not in BACKENDS:
        raise SystemExit(f"These scripts run on {' or '.join(BACKENDS)}, and Keras is set to "
                         f"{keras.backend.backend()}. Set KERAS_BACKEND={BACKENDS[0]}.")
    path, text = Path(script["__file__"]).absolute(), (script["__doc__"] or "").strip()
    constants = {name.lower(): value for name, value in script.items()
                 if name.isupper() and type(value) in (int, float, str) and name not in RESERVED}
    defaults = {"dataset": dataset, "limit": None, "seed": 0, "precision": "float32"} | constants
    defaults = {name: defaults[name] for name in [*FIRST, *defaults] if name in defaults}
    options = vars(_parser(text, defaults, path.read_text(), others).parse_args())
    folder = options["out"] or path.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SystemExit(f"The output folder {folder} cannot be written to ({error.strerror}). Give one that exists "
                         "and is yours with --out.") from None
    if options["data"] and options["dataset"] == "synthetic":
        raise SystemExit("--dataset synthetic is generated and reads nothing from --data. Leave one of them out.")
    if options["tensorboard"]:
        _check_tensorboard(options["tensorboard"])
    for values in defaults, options:
        values["precision"] = speed.resolve_precision(values["precision"])
    settings = {name: options[name] for name in defaults}
    script.update({name.upper(): settings[name] for name in constants})
    keras.config.set_dtype_policy(settings["precision"])
    keras.utils.set_random_seed(settings["seed"])

    differing = [value if isinstance(value, str) else f"{name.replace('_', '-')}-{value}"
                 for name, value in settings.items() if value != defaults[name]]
    title = text.splitlines()[0].rstrip(".") if text else path.stem
    if settings.get("label_noise", 1) < 1:
        title = title.replace("random labels", f"label noise {settings['label_noise']:g}")
    title += f" ({', '.join(differing)})" * bool(differing)
    part = subset(options) if subset else None
    if part:
        title = re.sub(" on [^,(]*[^,( ]", f" on {part}", title, count=1)
        differing += [part] * (part not in differing)
    paper = None if part or options["dataset"] == "synthetic" else script.get("PAPER")
    stem = folder / "--".join([path.stem, *differing])
    if len(os.fsencode(stem.name)) > LONGEST:
        raise SystemExit(f"The files' name {stem.name} would be too long. Give the script a shorter one.")
    # The number of epochs is no part of the checkpoint's name: a run can be resumed with more of them.
    resumed = "--".join([path.stem, *(part for part in differing if not re.fullmatch(r"epochs-\d+", part))])
    return Run(stem, folder / f".{resumed}.checkpoint.npz", title, settings, paper, options)


def _check_tensorboard(folder):
    if not importlib.util.find_spec("tensorboard"):
        raise SystemExit("TensorBoard is not installed. Run 'pip install tensorboard', or leave --tensorboard out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"TensorBoard's folder {folder} cannot be made ({error.strerror}). Name another one with "
                         "--tensorboard.") from None


class Run:
    """One run of a script.

    Attributes:
        settings: dict of all options that change the result: the script's constants in lower case, dataset, limit, seed
            and precision; it goes into the .h5.  Each of them is an attribute, too, as is `data`, the folder that the
            command line names.  label_noise is 0 for a script without random labels.
    """

    def __init__(self, stem, checkpoint, title, settings, paper, options):
        self.stem, self.checkpoint, self.title, self.settings, self.paper = stem, checkpoint, title, settings, paper
        vars(self).update({"label_noise": 0, "learning_rate_decay": 1, "batch_size": 500} | options)
        self.history, self.interrupted, self.kept = {}, False, 0  # kept: epochs that the checkpoint holds

    def fit(self, model, train, test):
        """Trains the model, epoch by epoch, each with a test pass; resumes from a checkpoint where there is one.

        Args:
            model: compiled Keras model with the metric "accuracy".
            train, test: as a `load` of this collection returns them; test may be None.  A run with a limit is tested on
                as many examples after an epoch, and on all of them in the end.
        """
        self.train, self.test = train, test
        watched = test.first(self.limit) if test and self.limit else test
        self.settings |= train.settings
        callbacks = [apart.Apart(model, train)] if train.wrong is not None else []
        callbacks.append(_Epochs(self, train))  # after what adds to an epoch's logs
        if _writes():
            callbacks.append(progress.Progress(self))
        first_epoch = self._resume(model)
        fed, tested = speed.pipelines(model, train, watched)
        if self.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(self.tensorboard / self.stem.name))
        # Ctrl-C is noted and acted on between steps: raised just anywhere, it can get lost in a callback that Python
        # lets nothing escape from.
        before = signal.signal(signal.SIGINT, lambda *_: setattr(self, "interrupted", True))
        try:
            if not self._settled():
                # Told how many steps there are, Keras sets the batches up once for an epoch, not twice.
                model.fit(fed, validation_data=tested, shuffle=False, initial_epoch=first_epoch, epochs=self.epochs,
                          steps_per_epoch=len(fed), validation_steps=tested and len(tested), callbacks=callbacks,
                          verbose=0)
        except BaseException:
            print(flush=True)  # ends the line of an epoch that is not over
            raise
        finally:
            signal.signal(signal.SIGINT, before)
        if len(self.history["loss"]) < self.epochs:
            print(f"Stopped early: fitted, and the accuracies have stood still for {SETTLED_EPOCHS} epochs")

    def save(self, model):
        """Evaluates the trained model in float32 and writes it with its run to the .h5, and the picture beside it.

        The accuracies are those of the final weights on all training examples, as labelled and without a random crop,
        and on all test examples.
        """
        final = _in_float32(model)
        top_5 = [keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")] if "top_5" in self.history else []
        final.compile(loss=model.loss, weighted_metrics=["accuracy", *top_5], jit_compile=model.jit_compile)
        results = {"seconds": sum(self.history["seconds"]), "history": self.history}
        print("Evaluating the final weights on all examples", flush=True)
        for name, examples in ("train", self.train), ("test", self.test):
            if examples is not None:
                measured = final.evaluate(examples.for_evaluation().pipeline(), return_dict=True, verbose=0)
                results |= {f"{name}_{metric}": value for metric, value in measured.items()}
        if not _writes():
            return
        if keras.distribution.distribution() is not None:  # what is saved is of one device
            keras.distribution.set_distribution(None)
            final = _in_float32(model)
        from common import plot  # here, since Matplotlib takes a second to load
        self.write(results, plot.curves, final)
        self.checkpoint.unlink(missing_ok=True)

    def write(self, results, draw, model=None):
        """Writes the .h5, or without a model or with --no-weights the .run.h5, and the picture beside it.

        Args:
            results: dict of what `record` lists, without title, settings, versions, machine and probe.
            draw: function of (run, path) that draws the picture, where run is a dict as of `record.read`.
            model: Keras model, or None.
        """
        run = {"title": self.title, "settings": self.settings, **record.environment(), **results,
               **self.paper_accuracies()}
        model = None if self.no_weights else model
        file = self.stem.with_name(self.stem.name + (".h5" if model else ".run.h5"))
        record.write(file, run | ({"probe": record.probe(model)} if model else {}), model)
        picture = self.stem.with_name(self.stem.name + ".png")
        draw(run, picture)
        print(f"{self.title}: {record.accuracies(run)}\nSaved {file} and {picture.name}")

    def paper_accuracies(self):
        """The paper's accuracies in %, as the .h5 holds them; empty where it has none for this run."""
        return dict(zip(("paper_train", "paper_test"), self.paper or (), strict=False))

    def write_checkpoint(self, model):
        """Writes weights, optimizer state and history as one file, in the place of the one before."""
        if _writes():
            arrays = {f"variable_{k}": np.asarray(variable) for k, variable in enumerate(_state(model))}
            with record.replacing(self.checkpoint) as part:
                np.savez(part, fingerprint=self._fingerprint(model), history=json.dumps(self.history), **arrays)
        self.kept = len(self.history["loss"])

    def _fingerprint(self, model):
        """What a checkpoint must agree in to be resumed from: all but the number of epochs."""
        settings = {name: value for name, value in self.settings.items() if name != "epochs"}
        # The optimizer's learning rate is the epoch's; the first epoch's is in the settings.
        optimizer = model.optimizer.get_config() | {"learning_rate": None}
        return json.dumps([settings, model.get_config(), optimizer, keras.backend.backend()],
                          sort_keys=True, default=str)

    def _resume(self, model):
        if self.fresh or not self.checkpoint.exists():
            return 0
        way_out = "Add --fresh to start from the first epoch; that discards it."
        try:
            # The archive's checksums tell of damage; nothing in it is unpickled.
            with np.load(self.checkpoint, allow_pickle=False) as saved:
                fingerprint, history = str(saved["fingerprint"]), json.loads(str(saved["history"]))
                arrays = [saved[f"variable_{k}"] for k in range(len(saved.files) - 2)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            raise SystemExit(f"The checkpoint {self.checkpoint} is damaged. {way_out}") from None
        if fingerprint != self._fingerprint(model):
            raise SystemExit(f"The checkpoint {self.checkpoint} is of other settings: the script, the model or the "
                             f"backend has changed since. {way_out}")
        for variable, value in zip(_state(model), arrays, strict=True):
            variable.assign(value)
        done = len(history["loss"])
        if done > self.epochs:
            raise SystemExit(f"The checkpoint {self.checkpoint} is of {done} epochs, more than --epochs {self.epochs}. "
                             f"Give {done} or more. {way_out}")
        self.history, self.kept = history, done
        print(f"Resuming: {done} epochs are done" + f", continuing with epoch {done + 1} of {self.epochs}" * (
            done < self.epochs))
        return done

    def _settled(self):
        """Whether the training set is fitted, and both accuracies have stood still (0.01 % train, 0.1 % test)."""
        train, test = (self.history.get(name, [])[-SETTLED_EPOCHS:] for name in ("accuracy", "val_accuracy"))
        return (len(train) == SETTLED_EPOCHS and min(train) >= 0.999 and max(train) - min(train) <= 1e-4
                and (not test or max(test) - min(test) <= 1e-3))


class _Epochs(keras.callbacks.Callback):
    """What happens around each epoch: learning rate, order of the examples, history, checkpoint, reasons to stop."""

    def __init__(self, run, train):
        super().__init__()
        self.run, self.train = run, train

    def on_train_begin(self, logs=None):
        self.written = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()
        self.train.set_epoch(epoch)
        self.model.optimizer.learning_rate = self.run.learning_rate * self.run.learning_rate_decay**epoch

    def on_test_batch_end(self, batch, logs=None):
        if self.run.interrupted:
            raise SystemExit(f"Stopped after {self.run.kept} of {self.run.epochs} epochs. Run the same command again "
                             "to resume, or add --fresh to start from the first epoch.")

    def on_train_batch_end(self, batch, logs=None):
        self.on_test_batch_end(batch)
        if not math.isfinite(logs["loss"]):
            raise SystemExit(f"The loss has become {logs['loss']}: training has diverged. Nothing was saved. Try a "
                             f"--learning-rate below {self.run.learning_rate:g}.")

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        values["seconds"] = time.perf_counter() - self.began
        for name, value in values.items():
            self.run.history.setdefault(name, []).append(value)
        self.model.stop_training = self.run._settled()
        over = self.model.stop_training or epoch + 1 == self.run.epochs
        if over or time.perf_counter() - self.written > KEEP_AFTER:
            self.run.write_checkpoint(self.model)
            self.written = time.perf_counter()


def _writes():
    """Whether this process is the one that writes the files, where several train together."""
    if keras.distribution.distribution() is None:
        return True
    import jax
    return jax.process_index() == 0


def _state(model):
    model.optimizer.build(model.trainable_variables)
    return model.variables + model.optimizer.variables


def _in_float32(model):
    """Copies a model, whatever precision it was trained in, into one that computes in float32."""
    copy = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"}))
    copy.set_weights(model.get_weights())
    return copy


def _parser(doc, defaults, source, others):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    choices = {"dataset": [defaults["dataset"], *others, "synthetic"],
               "precision": ["auto", "float32", "mixed_bfloat16"]}
    for name, default in defaults.items():
        comment = re.search(rf"^{name.upper()} = .*?  # (.*)", source, re.MULTILINE)
        text = HELP.get(name) or (comment[1] if comment else "")
        kind = int if default is None else type(default)
        values = {"choices": choices[name]} if name in choices else {
            "metavar": kind.__name__.upper(), "type": str if kind is str else _number(name, kind, text)}
        text += "" if default is None else f" (default: {default})"
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=text.replace("%", "%%"), **values)
    parser.add_argument("--data", type=Path, metavar="FOLDER",
                        help="where the data set is (default: data/ if it is there, else downloaded)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to save (default: beside the script)")
    parser.add_argument("--fresh", action="store_true", help="start from the first epoch, whatever is left to resume")
    parser.add_argument("--no-weights", action="store_true", help="save the run alone, as NAME.run.h5, and no model")
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="also write logs for TensorBoard there")
    return parser


def _number(name, kind, comment):
    """A type for argparse: a number within the bounds that its name, kind or comment gives it."""
    low, high, above = int(kind is int and name != "seed"), math.inf, name == "learning_rate"
    if kind is float and re.search("probability|fraction|factor", comment):
        high = 1
    elif name == "seed":
        high = 2**32 - 1

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if low <= value <= high and not (above and value == low) and value != math.inf:
            return value
        wanted = "a whole number" if kind is int else "a number"
        bounds = f"above {low}" if above else f"of {low} or more" if high == math.inf else f"from {low} to {high}"
        raise argparse.ArgumentTypeError(f"{text} is not {wanted} {bounds}")
    return parse
