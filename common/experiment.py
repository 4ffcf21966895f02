"""Running a script: its command line, training that can be resumed, and what is saved.

    run = experiment.start(globals())            makes the script's constants the options of its command line
    run.fit(model, train, test, EPOCHS)          trains, or resumes where the same run was interrupted
    run.save(model)                              writes the .h5 and the .png
"""

import argparse
import ast
import linecache
import os
import re
import signal
import sys
from pathlib import Path

from common import label_noise, record, say, speed, training
from common.training import StopOnceFitted  # noqa: F401 - scripts say experiment.StopOnceFitted

import keras
import numpy as np

SETTINGS = {"dataset": "synthetic: generated here in a second, for a first look",
            "limit": "train on only this many examples, the first ones; after each epoch, test on as many",
            "seed": "of weights, order, crops and random labels"}
FOLDERS = {"data": "where the data set is (default: data/ if it is there, else downloaded)",
           "out": "where to save (default: beside the script)"}
FLAGS = {"fresh": "start from the first epoch; ignore any checkpoint",
         "resume": "resume from the checkpoint although settings have changed since",
         "no_weights": "save the run alone, as NAME.run.h5, and no model"}
SIGNALS = [one for one in signal.Signals if one.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
LONGEST, LONGEST_PATH = 200, 230 if os.name == "nt" else 4000  # bytes of a name, characters of a path, without ending
SPAN = {"seed": (0, 2**32 - 1), "limit": (1, np.inf), "units": (1, np.inf), "dropout": (0, 1), "weight_decay": (0, 1e9)}


def start(script, dataset="cifar10", others=("synthetic",), part=None):
    """Makes a script's constants the options of its command line, and gets ready to train; returns a `Run`.

    `script` is the script's globals(): PAPER, if there, holds the paper's accuracies, (train, test) in %; any other
    upper-case number, text or bool is an option, with the comment beside it as its help.  The command line's values
    replace the constants, and those that differ are added to the files' names.  --dataset takes `dataset`, the default,
    and `others`.  `part`, a function of the options, returns a name for the data used, None for all of it.
    """
    if script.get("__started__") or script.update(__started__=True):  # its constants have other values then
        raise SystemExit("Start one run in a process. For several seeds or settings, run the script several times.")
    sys.excepthook = lambda kind, *error: kind is KeyboardInterrupt or sys.__excepthook__(kind, *error)  # quiet Ctrl-C
    [os.open(os.devnull, os.O_RDWR) for _ in range(3)]  # so that no file gets the number of a closed stream, 0 to 2
    for stream in sys.stdout, sys.stderr:  # a title may have letters that the terminal cannot show
        hasattr(stream, "reconfigure") and stream.reconfigure(errors="backslashreplace")
    if not Path(script.get("__file__", "")).is_file():
        raise SystemExit("A run is named after its script, and this one has no file. Run it as: python NAME.py")
    if keras.backend.backend() not in ("tensorflow", "jax"):
        raise SystemExit("These scripts run on tensorflow or jax. Set KERAS_BACKEND to one of them.")
    keras.config.set_image_data_format("channels_last")  # whatever ~/.keras/keras.json says, written for other work
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.dtype_policy().name.startswith("mixed_") or keras.config.set_dtype_policy("float32")  # mixed: its own
    given, settings, differing = _parse(script, dataset, others)
    keras.utils.set_random_seed(settings["seed"])
    if part and (name := part(given)) not in (None, *differing.values()):
        differing["part"] = name
    return Run(script, given, settings, differing)


def _parse(script, dataset, others):
    """Reads the command line; returns a namespace of all options, a dict of those that change the result, and a dict of
    those that differ from the script's constants, each value written as in a file's name."""
    constants = {name.lower(): value for name, value in script.items() if name.isupper() and name[0] != "_"
                 and type(value) in (bool, int, float, str) and name.lower() not in {*FOLDERS, *FLAGS, "help"}}
    defaults = {"dataset": dataset, "limit": None, **constants, "seed": constants.get("seed", 0)}
    choices = {"dataset": [dataset, *others], "precision": ["auto", "float32", "mixed_bfloat16"]}
    source = "".join(linecache.getlines(script["__file__"]))  # in whatever encoding it has
    comments = dict(re.findall(r"^(\w+) = .*?[ \t]# (.*)", source, re.MULTILINE))
    parser = argparse.ArgumentParser(description=script["__doc__"],
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for name, default in defaults.items():
        text = SETTINGS.get(name, comments.get(name.upper(), "")) + f" (default: {default})" * (default is not None)
        kind = {bool: boolean, type(None): int}.get(type(default), type(default))
        kind = number if kind is int and default in (0, 1) and name != "seed" else kind  # it may be for fractions
        how = {"choices": choices[name]} if name in choices else {"type": kind, "metavar": kind.__name__.upper()}
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=text.replace("%", "%%"), **how)
    for name, text in (FOLDERS | FLAGS).items():
        how = {"action": "store_true"} if name in FLAGS else {
            "type": lambda path: Path(os.path.expanduser(path)), "metavar": "PATH"}
        parser.add_argument("--" + name.replace("_", "-"), help=text, **how)
    options = parser.parse_args()
    options.dataset in choices["dataset"] or parser.error(f"--dataset is {' or '.join(choices['dataset'])}")
    for name in defaults:
        low, high = SPAN.get(name, (-np.inf, np.inf))
        if isinstance(value := getattr(options, name), (int, float)) and not low <= value <= high:  # as nan never is
            parser.error(f"--{name.replace('_', '-')} {value} is not from {low} to {high}")
    if type(constants.get("precision")) is str:
        options.precision = options.precision.replace("auto", speed.fast_precision())
        defaults["precision"] = defaults["precision"].replace("auto", "mixed_bfloat16")
    settings = {name: getattr(options, name) for name in defaults}
    script.update({name.upper(): settings[name] for name in constants})
    differing = {name: _label(name, value) for name, value in settings.items() if value != defaults[name]}
    tree = ast.parse(source)
    for function in (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))):
        function.body = []  # which is read when it is called
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    now = min((name.lineno for name in names if name.id == "globals"), default=np.inf)  # the line that calls `start`
    if early := {name.id for name in names if name.lineno < now} & set(map(str.upper, differing)):
        parser.error(f"{min(early)} is used in another constant, a class or a function's head: use it in a body alone")
    return options, settings, differing


def boolean(text):
    return bool(["false", "true"].index(text.lower()))  # any other text: ValueError, which argparse reports


def number(text):
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def _label(name, value):
    """A setting as a part of a file's name: different for every value, and allowed on every system."""
    text = re.sub(r'[\\/:*?"<>|%\x00-\x1f]|--', lambda match: "".join(f"%{ord(c):02X}" for c in match[0]), str(value))
    return text if name == "dataset" else f"{name.replace('_', '-')}-{text}"


class Run:
    """One run of a script, with the dataset, limit, seed and data (its folder, or None) of the command line.

    `settings`, `history` and `title` are as in the .h5; the title is the docstring's first line, then what differs from
    the constants.  `stem` is the files' path without its ending.  `writes` is False in all processes but the first.
    """

    def __init__(self, script, given, settings, differing):
        self.given, self.settings, self.dataset, self.limit, self.kept = given, settings, given.dataset, given.limit, 0
        self.seed, self.data, self.history, self.signal, self.writes = given.seed, given.data, {}, None, True
        self.train, self.test, self.facts = None, None, {}
        path = Path(script["__file__"]).absolute()
        title = (script["__doc__"] or path.stem).strip().splitlines()[0].rstrip(".")
        self.title = title + f" ({', '.join(differing.values())})" * bool(differing)
        figures = np.ravel(script.get("PAPER") if differing.keys() <= {"seed", "precision"} else None)  # of this run
        self.paper = {k: v for k, v in zip(("paper_train", "paper_test"), figures, strict=False) if v is not None}
        folder = given.out or path.parent
        self.provenance = record.provenance(path)  # now, since a script may be edited while it runs
        self.stem = folder / "--".join([path.stem, *differing.values()])
        labels = [label for name, label in differing.items() if name != "epochs"]  # it can be resumed with more
        self.checkpoint = folder / f".{'--'.join([path.stem, *labels])}.checkpoint.npz"
        if len(os.fsencode(self.stem.name)) > LONGEST or len(os.path.abspath(self.stem)) > LONGEST_PATH:
            raise SystemExit(f"The files' name {self.stem} would be too long. Give the script a shorter one.")
        try:
            (probe := folder / f".{os.getpid()}.part.probe").touch()  # tempfile tries for hours on Windows
            probe.unlink()
        except OSError as error:
            raise SystemExit(f"{folder} cannot be written to ({error.strerror}). Give another --out.") from None

    def fit(self, model, train, test, epochs, callbacks=()):
        """Trains a compiled model, epoch by epoch, each with a test pass; resumes from a checkpoint where there is one.

        `train` and `test` are as a `load` of this collection returns them; test may be None.  `epochs` counts those of
        an interrupted run.  Numbers, text, arrays, lists and dicts of these that `callbacks` keep are resumed, too.
        """
        if type(epochs) is not int or epochs < 1 or self.history:
            raise SystemExit(f"Call fit once, with an integer above 0; call {1 + bool(self.history)} is with {epochs}.")
        if not all(hasattr(examples, "for_evaluation") for examples in (train, train if test is None else test)):
            raise SystemExit("Give fit what a `load` returns, or data.Batches(inputs, labels, batch_size, run.seed).")
        callbacks, self.train, self.test = keras.tree.flatten(callbacks or []), train, test  # as Keras takes them
        train.set_epoch(0)  # again, as the script may have changed its inputs or rows
        if not hasattr(getattr(model, "optimizer", None), "learning_rate"):  # as MultiOptimizer, which has several
            raise SystemExit("Compile the model, with an optimizer that has one learning rate, before fit.")
        all(layer.built for layer in model._flatten_layers()) or model(train[0][0])  # a call builds it
        optimizer, rates = getattr(model.optimizer, "inner_optimizer", model.optimizer), []
        for step in len(train), 1, 0:  # the rate may be 0 at some of these; step 0 is last, as training begins there
            optimizer._iterations.assign(step)  # `iterations` is no variable if gradients are accumulated
            rates.append(float(optimizer.learning_rate))
        if not (min(rates) >= 0 and 0 < max(rates) < np.inf):
            raise SystemExit(f"The learning rate {rates[-1]:g}, after an epoch {rates[0]:g}, is not a number above 0.")
        setters = keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler
        if not isinstance(optimizer._learning_rate, keras.Variable) and any(isinstance(c, setters) for c in callbacks):
            raise SystemExit("A callback cannot set the rate that a schedule sets. Give the optimizer a number for it.")
        if any(isinstance(callback, keras.callbacks.BackupAndRestore) for callback in callbacks):
            raise SystemExit("A run resumes by itself. Leave BackupAndRestore out.")
        now = {k: new if type(new := getattr(train, k, v)) is type(v) else v for k, v in train.settings.items()}
        policies = [layer.dtype_policy.name for layer in model._flatten_layers() if layer._trainable_variables]
        self.settings |= {k: v for k, v in now.items() if v or k not in self.settings}  # a constant beats no value
        self.settings |= {"epochs": epochs, "precision": max(policies, default="float32")}  # mixed if one is
        self.facts = training.training_facts(self, model, callbacks)
        fed, tested = speed.feeds(model, train, test and test.for_evaluation(self.limit), callbacks)
        hide = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: [  # what means nothing in a test pass
            logs.pop(f"val_{name}", None) for name in label_noise.CleanAndMislabeled.NAMES])
        over, restore = False, None  # `feeds` came first, as it calls the model, whose layers may draw random numbers
        if self.checkpoint.exists() and not self.given.fresh:
            over, restore = training.read_checkpoint(self, model, callbacks, epochs)
        # Noted here and acted upon between steps, as Keras could lose it; what nohup ignores stays ignored.
        handlers = {signum: signal.signal(signum, lambda signum, _: setattr(self, "signal", signum))
                    for signum in SIGNALS if signal.getsignal(signum) != signal.SIG_IGN}
        try:
            # Told how many steps there are, Keras sets the batches up once for an epoch, not twice.
            model.fit(fed, validation_data=tested, shuffle=False, initial_epoch=epochs if over else self.kept,
                      epochs=epochs, steps_per_epoch=len(fed), validation_steps=tested and len(tested),
                      callbacks=[hide, *callbacks, keras.callbacks.LambdaCallback(on_train_begin=restore),
                                 training.Epochs(self, callbacks)], verbose=0)
        finally:
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def save(self, model, draw=None):
        """Evaluates the final weights in float32 on all examples of `fit`, or set as `run.train` and `run.test`, by the
        labels in use; then calls `write`, which explains `draw`.  Returns the .h5's results, as train_accuracy."""
        self.train is None or say("Evaluating the final weights on all examples")
        for layer in model._flatten_layers():  # the model is one of them; its weights are float32 anyway
            if layer.dtype_policy.name.startswith("mixed_"):
                layer.dtype_policy = "float32"
                isinstance(layer, keras.layers.Normalization) and layer.finalize_state()  # casts mean and variance, too
        model.test_function = model.predict_function = None  # compiled for the other precision
        facts = {k: v for k, v in self.facts.items() if k.startswith(("optim", "loss", "callback")) and len(v) < 2000}
        results = {"seconds": sum(self.history.get("seconds", ())), "history": self.history, "training": facts}
        for split, examples in ("train", self.train), ("test", self.test):
            if examples is not None:
                measured = model.evaluate(speed.feed(examples.for_evaluation()), return_dict=True, verbose=0)
                results |= {f"{split}_{name}": value for name, value in measured.items()
                            if name not in label_noise.CleanAndMislabeled.NAMES}
        if not self.writes:
            return results
        if keras.distribution.distribution() and hasattr(model, "input_shape"):  # a model is saved from one device
            keras.distribution.set_distribution(None)
            weights, model = model.get_weights(), keras.models.clone_model(model)
            model.set_weights(weights)
        self.write(results, draw, model)
        self.checkpoint.unlink(missing_ok=True)
        return results

    def write(self, results, draw, model=None):
        """Writes `results`, a dict of what `record` lists, to the .h5 (without a model or with --no-weights: .run.h5)
        and beside it the picture, drawn by `draw`, a function of (run, path), or if that is None by `plot.curves`."""
        run = {"title": self.title, "settings": self.settings, "provenance": self.provenance,
               **record.environment(), **results, **self.paper}
        whole, saved, weights, picture = (Path(f"{self.stem}.{end}") for end in ("h5", "run.h5", "weights.h5", "png"))
        if model and not self.given.no_weights:
            try:
                record.write(whole, run | {"probe": (probe := record.probe(model))}, model)
                saved, now = whole, probe["outputs"]
                again = record.probe(keras.models.load_model(whole, compile=False, safe_mode=False))["outputs"]
                if not np.allclose(again, now, rtol=0, atol=0.01 * np.nanmax(abs(now)), equal_nan=True):
                    raise ValueError("loaded, it has other outputs")
            except Exception as error:  # of nearly any kind, from layers of the user's own
                with record.replacing(weights) as part:
                    model.save_weights(part)
                say(f"The model cannot be written and loaded whole ({error}). Its weights are in {weights}.")
        saved == whole or record.write(saved, run)
        try:
            from common import plot  # here, since matplotlib takes a second to load
            with plot.style.context("default"):  # whatever the user's matplotlibrc says
                (draw or plot.curves)(run, picture)
            said = f" and {picture.name}"
        except (Exception, SystemExit) as error:
            said = f". The picture {picture.name} could not be drawn ({error})."
        said += f"\n{whole} is of an earlier run." * (saved != whole and whole.exists())
        say(f"{self.title}: {record.accuracies(run)}\nSaved {saved}{said}")
