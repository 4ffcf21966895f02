"""What all data sets share: where they are, and batches whose order is a function of the seed."""

import contextlib
import hashlib
import pickle
from pathlib import Path

from common import say

import keras
import numpy as np

EVALUATION_BATCH = 500  # examples at a time where no gradient is needed
SYNTHETIC = 2000, 1000  # examples generated for training and for testing


def find_folder(folder, entry):
    """The folder the user named, else `data` in the working folder or the repository if `entry` is there, or None."""
    places = Path("data"), Path(__file__).resolve().parent.parent / "data"
    return folder or next((place for place in places if (place / entry).exists()), None)


@contextlib.contextmanager
def reading(what, remedy, otherwise=", or give another folder with --data"):
    """Turns whatever goes wrong with reading or downloading a data set, or another file, into one sentence."""
    try:
        yield
    except Exception as error:  # a damaged pickle, or Keras without a network, can raise nearly anything
        raise SystemExit(f"{what} cannot be read ({error}). {remedy}{otherwise}.") from None


def identified(run, known, splits):
    """Records a data set's digest in the run; if it is not `known`, the published one's, drops the paper's figures.

    `splits`, returned unchanged: (inputs, labels) of training and test set.  The order of examples does not matter.
    """
    hashes = (hashlib.blake2b(inputs.tobytes() + bytes([number, label]), digest_size=16).digest()
              for number, split in enumerate(splits) for inputs, label in zip(*split, strict=True))
    run.provenance["data"] = f"{sum(int.from_bytes(value, 'little') for value in hashes) % 2**128:032x}"
    if run.provenance["data"] != known:
        say("This is not the published data set: do not compare the run with published ones.")
        run.paper = {}
    return splits


def limited(run, count):
    """How many of `count` training examples the run's limit leaves."""
    if run.limit is not None and not (type(run.limit) is int and 0 < run.limit <= count):
        raise SystemExit(f"--limit {run.limit} is not from 1 to {count}, the number of training examples.")
    return run.limit or count


class Batches(keras.utils.PyDataset):
    """Batches of examples for Keras; seed and epoch alone decide their order and random crops.

    `inputs` is an array of n examples as the network takes them, `labels` int32 of shape (n,), `settings` a dict for
    the .h5, `mislabeled` as `label_noise.training_part` returns it.  Without a `shuffle_seed` nothing is shuffled.
    With `random_crop` a subclass's method crop(random), given a RandomState, returns the inputs of each epoch.
    Attributes: `shown`, this epoch's inputs; `order`, its row numbers; `rows`, those of the examples in use, which a
    script sets, to numbers, a mask or a slice, to train on a part.
    """

    def __init__(self, inputs, labels, batch_size, shuffle_seed=None, settings=(), mislabeled=None, random_crop=False):
        super().__init__()
        self.inputs, self.labels, self.batch_size, self.shuffle_seed = inputs, labels, batch_size, shuffle_seed
        self.settings, self.mislabeled, self.random_crop, self.metric = settings or {}, mislabeled, random_crop, None
        self.chosen, self.loaded, self.loaded_labels = slice(None), inputs[::97].copy(), np.array(labels)
        self.set_epoch(0)

    rows = property(lambda self: np.arange(len(self.labels))[self.chosen], lambda self, r: setattr(self, "chosen", r))

    def set_epoch(self, epoch):
        """Shuffles the examples and draws their crops for this epoch (0 is the first)."""
        self.inputs, self.labels = np.asarray(self.inputs), np.asarray(self.labels)  # a script may have set tensors
        if type(self.batch_size) is not int or self.batch_size < 1 or len(self.inputs) != len(self.labels):
            raise SystemExit(f"There are {len(self.inputs)} inputs and {len(self.labels)} labels, in batches of "
                             f"{self.batch_size}. Give as many labels as inputs, and a whole number, 1 or more.")
        random = np.random.RandomState([self.shuffle_seed or 0, epoch])
        self.order = self.rows if self.shuffle_seed is None else random.permutation(self.rows)
        if self.random_crop and not np.array_equal(self.inputs[::97], self.loaded):
            raise SystemExit("Crops are drawn from the examples as loaded. Change these by a layer, not by `inputs`.")
        self.shown = self.crop(random) if self.random_crop else self.inputs
        self.metric and self.metric.reset_state()  # CleanAndMislabeled, which has to know the new order

    def for_evaluation(self, count=None):
        """All these examples, or the first `count`, as plain Batches: in order, no crop, no other `__getitem__`."""
        rows = slice(count) if np.array_equal(self.rows, np.arange(len(self.labels))) else self.rows[:count]  # no copy
        return Batches(np.asarray(self.inputs)[rows], np.asarray(self.labels)[rows], EVALUATION_BATCH)

    def digest(self):
        """A hash of the labels in use and of a hundred inputs, by which a checkpoint knows its training examples."""
        return hashlib.blake2b(bytes(self.labels[self.rows]) + bytes(self.inputs[:100]), digest_size=8).hexdigest()

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)  # rounded up

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size:(index + 1) * self.batch_size]
        return self.shown[rows], self.labels[rows]


class Unpickler(pickle.Unpickler):
    """Reads arrays, lists, numbers, text; refuses all else (docs.python.org/3/library/pickle.html, "Restricting")."""

    def find_class(self, module, name):
        arrays = module.startswith("numpy") and name in ("_reconstruct", "scalar", "_frombuffer", "ndarray", "dtype")
        if not arrays and (module, name) not in (("_codecs", "encode"), ("ml_dtypes", "bfloat16")):
            raise pickle.UnpicklingError(f"it asks to run {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
