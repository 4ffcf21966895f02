"""What all data sets share: where they are, random labels, and batches whose order is a function of the seed."""

import contextlib
import copy
import hashlib
import math
import pickle
import re
from pathlib import Path

from common import speed

import keras
import numpy as np

EVALUATION_BATCH = 500  # examples at a time where no gradient is needed
SYNTHETIC = 2000, 1000  # examples generated for training and for testing


def find_folder(folder, entry, otherwise, packed=None):
    """Finds the folder that a data set is read from: the one the user named, else `data` here or in the repository.

    Args:
        folder: path that the user named, or None.
        entry: file or folder that the data set is made of.
        otherwise: what else the user can do where the named folder does not exist, for the message.
        packed: name of the archive that the entry comes in.

    Returns:
        pathlib.Path, or None where nothing was named and no `data` holds the entry.
    """
    places = [Path(folder)] if folder else [Path("data"), Path(__file__).resolve().parent.parent / "data"]
    for place in places:
        if (place / entry).exists():
            return place
        if packed and (place / packed).exists():
            raise SystemExit(f"{place / packed} is packed. Unpack it with tar -xzf '{place / packed}' -C '{place}', "
                             "or give another folder with --data.")
    if folder is None:
        return None
    if not Path(folder).is_dir():
        raise SystemExit(f"The data folder {folder} {'is a file' if Path(folder).exists() else 'does not exist'}. Give "
                         f"the one that holds {entry} with --data, or {otherwise}.")
    return Path(folder)


def need_memory(needed, what, fewer="images, with --limit"):
    """Stops where so many bytes are not free, before the work begins; does nothing where that cannot be told."""
    memory = Path("/proc/meminfo")
    free = int(re.search(r"MemAvailable: *(\d+)", memory.read_text())[1]) * 1024 if memory.exists() else math.inf
    if needed > free:
        raise SystemExit(f"{what} takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Take "
                         f"fewer {fewer}.")


@contextlib.contextmanager
def reading(path, kind, remedy):
    """Turns whatever goes wrong with a data set's file into one sentence."""
    try:
        yield
    except Exception as error:  # a damaged pickle can raise nearly anything
        wrong = ("is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
                 if isinstance(error, OSError) else f"is no {kind}: {error}")
        raise SystemExit(f"{path} {wrong}. {remedy}, or give another folder with --data.") from None


def announce_synthetic(kind, dataset):
    """Says that generated examples of this kind ("images", "reviews") stand in for a data set."""
    print(f"Synthetic {kind}: {SYNTHETIC[0]:,} generated for training, {SYNTHETIC[1]:,} for testing. "
          f"The accuracies are no results on {dataset}.")


def limited(run, count):
    """How many of `count` training examples the run's limit leaves."""
    if run.limit and run.limit > count:
        raise SystemExit(f"--limit {run.limit} is beyond the data: there are {count} training examples.")
    return run.limit or count


def training_part(run, inputs, labels, classes):
    """The training examples of a run: the first ones where it has a limit, with random labels where it has label noise.

    Args:
        run: an `experiment.Run`; its limit, label_noise and seed are read.
        inputs, labels: the whole training set, sequences of the same length; labels are integers below `classes`.

    Returns:
        (inputs, labels, wrong): the first two of the types they came in; wrong is a bool array, whether a label is not
        the true one, or None where label noise does not lie between 0 and 1.
    """
    count = limited(run, len(inputs))
    inputs, labels, wrong = inputs[:count], labels[:count], None
    if run.label_noise:
        true, labels = labels, corrupt_labels(labels, inputs, run.label_noise, run.seed, classes)
        print(f"Random labels (probability {run.label_noise:g}, seed {run.seed}): "
              f"{np.mean(labels == true):.1%} of the training labels are still the true ones.")
        wrong = labels != true if run.label_noise < 1 else None
    return inputs, labels, wrong


def corrupt_labels(labels, inputs, probability, seed, classes=10):
    """Replaces each label, with the given probability, by a uniform draw from all classes.

    The draw is a hash of the seed and the example itself.  So an example keeps its label in every epoch, on every
    machine and with every version of NumPy, in whatever order the data set is stored; and a label corrupted at one
    probability is corrupted, to the same class, at every higher one.

    Args:
        labels: integers, shape (n,), the true labels.
        inputs: the n examples the labels belong to; each is hashed as its bytes.
        probability: from 0 (labels stay as they are) to 1 (all are redrawn; one in `classes` comes out true).
        seed: integer, 0 or above.
        classes: number of classes drawn from.

    Returns:
        The labels to fit, a new array of the shape and type of `labels`.

    Source: paper, section 2.1, "partially corrupted labels" and "random labels".
    """
    hashes = b"".join(_hash(example, seed, 16) for example in inputs)
    chance, draw = np.frombuffer(hashes, "<u8").reshape(-1, 2).T
    corrupted = chance < probability * 2.0**64
    return np.where(corrupted, draw % classes, labels).astype(labels.dtype)


def random_state(example, seed):
    """A numpy RandomState that is a function of the example and the seed alone, whatever its place in the data set."""
    return np.random.RandomState(int.from_bytes(_hash(example, seed, 4), "little"))


def _hash(example, seed, size):
    return hashlib.blake2b(example.tobytes(), digest_size=size, key=int(seed).to_bytes(8, "little")).digest()


class Batches(keras.utils.PyDataset):
    """Batches of examples for Keras; subclasses say what an example looks like:

    draw_crops(random) draws from a RandomState which part of each example an epoch shows; inputs(rows) makes the inputs
    of the examples with these numbers, as the network sees them; for_evaluation() gives batches of the same examples
    and labels in order, without a random crop, for the final accuracy.

    Which examples a batch holds, and for a random crop which part of them, is a function of seed, epoch and number of
    the batch alone, so that a resumed training sees what the uninterrupted one would have seen.

    Args:
        labels: int32 of shape (n,).
        batch_size: examples in a batch; the last one of an epoch may be smaller.
        shuffle_seed: None keeps the examples in their order; an integer shuffles them in every epoch.
        settings: dict of what the .h5 records of how the examples were made.
        wrong: bool of shape (n,), whether a label is wrong; None where that is not to be looked at apart.
    """

    random_crop = False  # whether every epoch shows other parts of the examples

    def __init__(self, labels, batch_size, shuffle_seed=None, settings=None, wrong=None):
        super().__init__()
        self.labels, self.batch_size, self.shuffle_seed = labels, batch_size, shuffle_seed
        self.settings, self.wrong = settings or {}, wrong
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Shuffles the examples and draws their crops for this epoch (0 is the first)."""
        random, count = np.random.RandomState([self.shuffle_seed or 0, epoch]), len(self.labels)
        self.order = np.arange(count) if self.shuffle_seed is None else random.permutation(count)
        self.draw_crops(random)

    def first(self, count):
        """Batches of the first examples only."""
        part = copy.copy(self)
        part.labels = self.labels[:count]
        part.set_epoch(0)
        return part

    def __len__(self):
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index):
        rows = self.rows(index)
        return self.inputs(rows), self.labels[rows]

    def rows(self, index):
        """The numbers of the examples in a batch."""
        return self.order[index * self.batch_size:(index + 1) * self.batch_size]

    def pipeline(self):
        """The same batches in the form that `fit` takes the fastest."""
        return speed.pipeline(self)


def unpickle(file, **options):
    """Unpickles what is made of arrays, lists, numbers and text, and refuses all else.

    Raises:
        pickle.UnpicklingError: for a pickle that names any other function: it would be run.
        Exception: of nearly any kind, for a damaged one.

    Source: https://docs.python.org/3/library/pickle.html#restricting-globals
    """
    return _ArraysOnly(file, **options).load()


class _ArraysOnly(pickle.Unpickler):
    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
               ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks to run {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
