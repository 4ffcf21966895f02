"""Running a script: its command line, training that can be interrupted, and what is saved.

    run = experiment.start(__file__, __doc__, epochs=EPOCHS, ...)   reads the command line over the script's constants
    run.fit(model, train, test)                                     trains, or goes on where it was interrupted
    run.save(model)                                                 writes the .h5 and the .png
"""

import argparse
import functools
import importlib.util
import json
import math
import os
import platform
import signal
import time
import zipfile
from pathlib import Path

from common import distribution, files, plot, record

import h5py
import keras
import numpy as np

LEARNING_RATE_DECAY = 0.95  # after every epoch (paper, appendix A), where a script has no other
STEPS_PER_EXECUTION = 16  # batches between two looks at the progress bar; saves a tenth of the time
SETTLED_EPOCHS = 10  # that accuracies must stand still before training stops early


def start(script, doc, *, epochs, batch_size, learning_rate, learning_rate_decay=None, dataset="cifar10",
          precision="float32", weight_decay=None, label_noise=None, image_size=None, paper=None, distributed=False):
    """Reads the command line over a script's constants and makes ready to train.

    Args:
        script: the script's __file__.
        doc: the script's __doc__; its first line is the title of the run.
        epochs, batch_size, learning_rate: the script's constants, the defaults of the command line.
        learning_rate_decay: factor of the learning rate after every epoch, for the scripts that have one of their own.
        dataset: name of the data set, as the command line takes it.
        precision: "float32", "mixed_bfloat16", or "auto", as `resolve_precision` has it.
        weight_decay: coefficient of the L2 penalty, for the scripts that have one.
        label_noise: probability that a training label is random, for the scripts that have random labels.
        image_size: height and width of the pictures in pixels, for the scripts that let them be chosen.
        paper: the paper's accuracies for this row, (train, test) in %.
        distributed: train on all devices, together with other processes if there are any (see common/distribution.py).

    Returns:
        A `Run`.

    Raises:
        SystemExit: with a sentence, for bad options, an output folder that cannot be written to, or when this very run
            is under way already.
    """
    defaults = {"dataset": dataset, "limit": None, "epochs": epochs, "batch_size": batch_size,
                "learning_rate": learning_rate, "seed": 0, "precision": precision}
    variant = {"learning_rate_decay": learning_rate_decay, "weight_decay": weight_decay, "label_noise": label_noise,
               "image_size": image_size}
    defaults |= {name: value for name, value in variant.items() if value is not None}
    options = vars(_parser(doc, defaults).parse_args())
    if options["tensorboard"] and not importlib.util.find_spec("tensorboard"):
        raise SystemExit("TensorBoard is not installed. Run 'pip install tensorboard', or leave --tensorboard out.")
    if distributed:
        distribution.start()
    # Not before: what "auto" is depends on the devices, and to look at them is to begin computing.
    for values in defaults, options:
        values["precision"] = resolve_precision(values["precision"])
    settings = {name: options[name] for name in defaults}
    keras.config.set_dtype_policy(settings["precision"])
    keras.utils.set_random_seed(settings["seed"])

    # Only the script as it stands writes the files named after it; what differs is added to the name.
    differing = [value if isinstance(value, str) else f"{name.replace('_', '-')}-{value}"
                 for name, value in settings.items() if value != defaults[name]]
    script = Path(script).resolve()
    title = doc.strip().splitlines()[0].rstrip(".")
    if differing:
        title += f" ({', '.join(differing)})"
    stem = (options["out"] or script.parent) / "--".join([script.stem, *differing])
    return Run(stem, title, settings, paper, options)


class Run:
    """One run of a script.

    Attributes:
        dataset, limit, epochs, batch_size, learning_rate, learning_rate_decay, seed, precision, weight_decay,
            label_noise, image_size: from the script's constants and the command line; the last three are None where
            the script has none.
        data, fresh, tensorboard: the command line's other options.
        settings: dict of those above that change the result; goes into the .h5.
    """

    def __init__(self, stem, title, settings, paper, options):
        self.title, self.settings, self.paper = title, settings, paper
        self.weight_decay = self.label_noise = self.image_size = None
        self.learning_rate_decay = LEARNING_RATE_DECAY
        vars(self).update(settings)
        self.data, self.fresh, self.tensorboard = options["data"], options["fresh"], options["tensorboard"]
        self.history, self.interrupted = {}, False
        self.process, self.processes = distribution.process()
        self._take(stem)

    def name_pictures(self, name):
        """Adds the name of the pictures to that of the files, where a script can be trained on others than its own."""
        self._take(self.stem.with_name(f"{self.stem.name}--{name}"))

    def fit(self, model, train, test):
        """Trains the model, epoch by epoch, each with a test pass; goes on from a checkpoint where there is one.

        Args:
            model: compiled Keras model with the metric "accuracy".
            train, test: as a `load` of this package returns them; test may be None.

        Raises:
            SystemExit: with a sentence, when the loss becomes NaN or infinite, on Ctrl-C, and when the checkpoint is
                damaged or of other settings.
        """
        self.train, self.test = train, test
        make_fast(model)
        first_epoch = self._resume(model)
        callbacks = [_Epochs(self, train)]
        if self.tensorboard:
            callbacks.append(keras.callbacks.TensorBoard(self.tensorboard / self.stem.name))
        # Ctrl-C is noted and taken up between steps: raised just anywhere, it can get lost in a callback that Python
        # lets nothing escape from.
        before = signal.signal(signal.SIGINT, lambda *_: setattr(self, "interrupted", True))
        try:
            if not self._settled():
                model.fit(train.batches(), validation_data=test and test.batches(), initial_epoch=first_epoch,
                          epochs=self.epochs, shuffle=False, callbacks=callbacks,
                          verbose="auto" if self.process == 0 else 0)
        except Exception as error:  # JAX has one for each way that a connection can break
            if self.processes == 1:
                raise
            distribution.end(f"\nThe processes of this training have lost each other ({type(error).__name__}: {error})"
                             ". Start all of them again: they go on from the last whole epoch.")
        finally:
            signal.signal(signal.SIGINT, before)

    def save(self, model, run_apart=False):
        """Evaluates the model in float32 and writes it with its run to the .h5, and the picture beside it.

        The accuracies are those of the final weights on all training examples, as labelled and without a random crop,
        and on all test examples.

        Args:
            model: the Keras model that `fit` trained.
            run_apart: write the run to a .run.h5, too, for networks whose weights are too large to be passed around.
        """
        final = record.in_float32(model)
        top_5 = [keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")] if "top_5" in self.history else []
        final.compile(loss=model.loss, weighted_metrics=["accuracy", *top_5], jit_compile=model.jit_compile)
        run = {"title": self.title, "settings": self.settings, "versions": _versions(), "machine": machine(),
               "seconds": sum(self.history["seconds"]), "history": self.history}
        for name, examples in ("train", self.train), ("test", self.test):
            if examples is not None:
                print(f"Evaluating the final weights on the {'training' if name == 'train' else 'test'} set")
                measured = final.evaluate(examples.as_tested().batches(), return_dict=True)
                run |= {f"{name}_{metric}": value for metric, value in measured.items()}
        if self.process > 0:
            return
        if distribution.devices() > 1:  # what is saved is of one device
            keras.distribution.set_distribution(None)
            final = record.in_float32(model)
        run["probe"] = _probe(final)
        if self.paper:
            run["paper_train"], run["paper_test"] = self.paper
        model_file, picture = self._beside(".h5", hidden=False), self._beside(".png", hidden=False)
        record.write(model_file, final, run)
        if run_apart:
            record.write_apart(self._beside(".run.h5", hidden=False), run)
        plot.curves(run, picture)
        self.checkpoint.unlink(missing_ok=True)
        print(f"{self.title}: {record.accuracies(run)}\nSaved {model_file} and {picture.name}")

    def _beside(self, ending, hidden=True):
        return self.stem.with_name("." * hidden + self.stem.name + ending)

    def _take(self, stem):
        """Names the files of this run, and sees to it that no other process writes them."""
        self.stem = stem
        self.checkpoint = self._beside(".checkpoint.npz")
        if self.process > 0:  # the first one writes
            return
        path = self._beside(".lock")
        try:
            self.lock = open(path, "w")  # held until the process ends, however it ends
        except OSError as error:
            raise SystemExit(f"The output folder {path.parent} cannot be written to ({error.strerror}). Give one that "
                             "exists and is yours with --out.") from None
        try:
            if os.name == "nt":
                import msvcrt
                msvcrt.locking(self.lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"{self.stem.name} is being trained in {path.parent} by another process. Wait for it, or "
                             "give this one another folder with --out.") from None

    def _fingerprint(self, model):
        """What a checkpoint must agree in to be gone on from: all but the number of epochs."""
        settings = {name: value for name, value in self.settings.items() if name != "epochs"}
        # The optimizer's learning rate is the epoch's; the first epoch's is in the settings.
        optimizer = model.optimizer.get_config() | {"learning_rate": None}
        return json.dumps([settings, model.get_config(), optimizer, keras.backend.backend()],
                          sort_keys=True, default=str)

    def _state(self, model):
        model.optimizer.build(model.trainable_variables)
        return model.variables + model.optimizer.variables

    def write_checkpoint(self, model):
        """Writes weights, optimizer state and history as one file, in the place of the one before."""
        if self.process > 0:
            return
        arrays = {f"variable_{k}": np.asarray(variable) for k, variable in enumerate(self._state(model))}
        with files.replacing(self.checkpoint) as part:
            np.savez(part, fingerprint=self._fingerprint(model), history=json.dumps(self.history), **arrays)

    def _resume(self, model):
        if self.fresh or not self.checkpoint.exists():
            return 0
        way_out = "Add --fresh to begin anew; that discards it."
        try:
            # The archive's checksums tell of damage; nothing in it is unpickled.
            with np.load(self.checkpoint, allow_pickle=False) as saved:
                fingerprint, history = str(saved["fingerprint"]), json.loads(str(saved["history"]))
                arrays = [saved[f"variable_{k}"] for k in range(len(saved.files) - 2)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise SystemExit(f"The checkpoint {self.checkpoint} is damaged ({error}). {way_out}") from None
        if fingerprint != self._fingerprint(model):
            raise SystemExit(f"The checkpoint {self.checkpoint} is of other settings: the script, the model or the "
                             f"backend has changed since. {way_out}")
        for variable, value in zip(self._state(model), arrays, strict=True):
            variable.assign(value)
        self.history = history
        done = len(history["loss"])
        print(f"Resuming: {done} epochs are done, going on from epoch {done + 1} of {self.epochs}")
        return done

    def _settled(self):
        """Whether nothing moves any more: both accuracies have stood still (0.01 % train, 0.1 % test)."""
        train, test = (self.history.get(name, [])[-SETTLED_EPOCHS:] for name in ("accuracy", "val_accuracy"))
        return (len(train) == SETTLED_EPOCHS and max(train) - min(train) <= 1e-4
                and (not test or max(test) - min(test) <= 1e-3))


def make_fast(model):
    """Sets how a compiled model is executed, which changes nothing in what it computes."""
    model.steps_per_execution = STEPS_PER_EXECUTION
    # On a CPU, TensorFlow's own kernels beat XLA's; JAX knows nothing else.
    model.jit_compile = keras.backend.backend() == "jax"
    if keras.backend.backend() == "tensorflow" and type(model.optimizer) is keras.optimizers.SGD:
        model.optimizer.update_step = functools.partial(_momentum_step, model.optimizer)


def _momentum_step(optimizer, gradient, variable, learning_rate):
    """What keras.optimizers.SGD does to a variable, bit for bit, in one pass through memory in place of five.

    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/ResourceApplyKerasMomentum
    """
    import tensorflow as tf

    if not optimizer.momentum:
        return keras.optimizers.SGD.update_step(optimizer, gradient, variable, learning_rate)
    momentum = optimizer.momentums[optimizer._get_variable_index(variable)].value
    learning_rate, gradient = tf.cast(learning_rate, variable.dtype), tf.cast(gradient, variable.dtype)
    return tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle, accum=momentum.handle, lr=learning_rate, grad=gradient,
        momentum=tf.cast(optimizer.momentum, variable.dtype), use_nesterov=optimizer.nesterov)


class _Epochs(keras.callbacks.Callback):
    """What happens around each epoch: learning rate, order of the examples, history, checkpoint, reasons to stop."""

    def __init__(self, run, train):
        super().__init__()
        self.run, self.train = run, train

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()
        self.train.set_epoch(epoch)
        self.model.optimizer.learning_rate = self.run.learning_rate * self.run.learning_rate_decay**epoch

    def on_test_batch_end(self, batch, logs=None):
        if self.run.interrupted:
            done = len(self.run.history.get("loss", []))
            raise SystemExit(f"\nStopped after {done} of {self.run.epochs} epochs. Run the same command again to go "
                             "on, or add --fresh to begin anew.")

    def on_train_batch_end(self, batch, logs=None):
        self.on_test_batch_end(batch)
        if not math.isfinite(logs["loss"]):
            raise SystemExit(f"\nThe loss has become {logs['loss']}: training has diverged. Nothing was saved. Try a "
                             f"--learning-rate below {self.run.learning_rate:g}.")

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in logs.items()}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        values["seconds"] = time.perf_counter() - self.began
        for name, value in values.items():
            self.run.history.setdefault(name, []).append(value)
        self.run.write_checkpoint(self.model)
        if self.run._settled():
            print(f"\nStopping early: the accuracies have stood still for {SETTLED_EPOCHS} epochs")
            self.model.stop_training = True


def _parser(doc, defaults):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)

    def add(name, kind, text):
        default = defaults.get(name.replace("-", "_"))
        if default is not None:
            text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        parser.add_argument("--" + name, type=kind, default=default, help=text, metavar=kind.__name__.upper())

    add("epochs", _number("N", int, 1), "passes over the training set")
    add("batch-size", _number("N", int, 1), "examples in a step")
    own_decay = "learning_rate_decay" in defaults
    add("learning-rate", _number("X", float, 0, above=True),
        "of the first epoch" + ("" if own_decay else f", times {LEARNING_RATE_DECAY} after each"))
    if own_decay:
        add("learning-rate-decay", _number("X", float, 0, 1), "factor of the learning rate after every epoch")
    if "weight_decay" in defaults:
        add("weight-decay", _number("X", float, 0), "coefficient of the L2 penalty on every kernel")
    if "label_noise" in defaults:
        add("label-noise", _number("P", float, 0, 1), "probability that a training label is drawn at random")
    if "image_size" in defaults:
        add("image-size", _number("N", int, 75), "height and width of the pictures in pixels")
    add("seed", _number("N", int, 0, 2**32 - 1), "of weights, order, crops and random labels")
    parser.add_argument("--precision", choices=["auto", "float32", "mixed_bfloat16"], default=defaults["precision"],
                        help=f"of the training; what is saved is float32 (default: {defaults['precision']})")
    parser.add_argument("--dataset", choices=[defaults["dataset"], "synthetic"], default=defaults["dataset"],
                        help="synthetic: generated here in a second, for a first look")
    parser.add_argument("--data", type=Path, metavar="FOLDER",
                        help="where the data set is (default: data/ if it is there, else downloaded)")
    add("limit", _number("N", int, 1), "train on the first N examples only")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to save (default: beside the script)")
    parser.add_argument("--fresh", action="store_true", help="begin anew, whatever an interrupted run left")
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="also write logs for TensorBoard there")
    return parser


def resolve_precision(name):
    """Resolves "auto": bfloat16 halves the time on GPUs and on processors that have it, and is very slow elsewhere.

    JAX's compiler makes no use of a processor's bfloat16, which is slower there than float32 (Results/benchmark.json).
    """
    if name != "auto":
        return name
    try:
        features = Path("/proc/cpuinfo").read_text()
    except OSError:
        features = ""
    on_processor = "avx512_bf16" in features and keras.backend.backend() == "tensorflow"
    on_gpu = keras.distribution.list_devices()[0].startswith("gpu")  # these come first where there are any
    return "mixed_bfloat16" if on_processor or on_gpu else "float32"


def _number(metavar, kind, low, high=math.inf, above=False):
    """A type for argparse: a number from `low` (or above it) to `high`."""
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
    parse.__name__ = metavar
    return parse


def _probe(model):
    """Inputs and the model's outputs for them, by which whoever loads the model can tell that it is the same."""
    random, shape = np.random.RandomState(0), (4, *model.input_shape[1:])
    if "int" in model.inputs[0].dtype:
        inputs = random.randint(0, 1000, shape).astype(np.int32)  # words
    else:
        inputs = random.standard_normal(shape).astype(np.float32)
    return {"inputs": inputs, "outputs": model.predict(inputs, verbose=0)}


def _versions():
    versions = {"python": platform.python_version(), "keras": keras.__version__, "numpy": np.__version__,
                "h5py": h5py.__version__}
    backend = keras.backend.backend()
    return versions | {backend: __import__(backend).__version__}


def machine():
    """What this run computes on, for the record."""
    try:
        processor = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    return {"system": platform.system(), "processor": processor, "cores": os.cpu_count(),
            "devices": [str(device) for device in keras.distribution.list_devices()]}
