"""IMDB film reviews, positive or negative, as sequences of word numbers."""

import contextlib
import zipfile

from common import data, say
from common import label_noise as noise

import keras
import numpy as np

FILE = "imdb.npz"
DIGEST = "61b682a092b3fc2ec872858bcb26ebf1"  # of the published data set, as of data.identified
CLASSES = 2
LENGTH = 200         # words of a review that the network sees
VOCABULARY = 10_000  # numbers that a word can come as

# A word comes as its rank by frequency (1 is the most frequent) plus OFFSET; the numbers below are reserved.
# As in https://keras.io/api/datasets/imdb/
PADDING, START, UNKNOWN, OFFSET = 0, 1, 2, 3

# What keras.datasets.imdb downloads
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz"
SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"


def load(run, batch_size, label_noise=0, random_crop=False, transform=None):
    """Loads the reviews of a run, as batches ready for `fit`.

    Args:
        run: an `experiment.Run`; its dataset, data, limit and seed are read.
        batch_size: reviews in a step of training.
        label_noise: probability that a training label is redrawn from both classes.
        random_crop: train on 200 words in a row from anywhere in a review, drawn in each epoch, instead of its last.
        transform: function of (review, random, every_word) that replaces each review, training and test, once and for
            all epochs: an int32 array of word ranks, from 1; a numpy RandomState that is a function of review and seed;
            and all words of the whole training set, sorted, each as many times as it occurs.  A rank of VOCABULARY and
            more is shown as UNKNOWN.

    Returns:
        (training, test), two `Reviews`.
    """
    splits = synthetic() if run.dataset == "synthetic" else data.identified(run, DIGEST, read(run.data))
    (reviews, labels), (test_reviews, test_labels) = splits
    every_word = np.sort(np.concatenate(reviews))
    reviews, labels, mislabeled = noise.training_part(run, reviews, labels, label_noise, CLASSES)
    settings = {"batch_size": batch_size, "label_noise": label_noise, "random_crop": random_crop}
    if transform:
        reviews, test_reviews = ([transform(review, noise.random_state(review, run.seed), every_word)
                                  for review in part] for part in (reviews, test_reviews))
        settings["transform"] = getattr(transform, "__name__", type(transform).__name__)
        try:
            (reviews, labels), (test_reviews, _) = _checked(reviews, labels), _checked(test_reviews, test_labels)
        except ValueError as error:
            raise SystemExit(f"The transform {settings['transform']} makes what is no data set: {error}.") from None
    if not len(every_word):
        say("All training reviews are empty: there is nothing to read.")
    return (Reviews(reviews, labels, batch_size, run.seed, settings, mislabeled, random_crop),
            Reviews(test_reviews, test_labels, data.EVALUATION_BATCH))


def read(folder=None):
    """Reads the whole data set: from a folder, else by the download that Keras' own loader makes.

    Args:
        folder: the one that holds imdb.npz.  None: `data` here or in the repository is tried, then the network.

    Returns:
        (training reviews, training labels), (test reviews, test labels); reviews a list of int32 arrays of word ranks,
        from 1 for the most frequent word; labels int32 of shape (n,), 1 for a positive review, 0 for a negative one.

    Source: https://keras.io/api/datasets/imdb/, whose layout the file has.
    """
    folder = data.find_folder(folder, FILE)
    if folder is None:
        with data.reading("IMDB", "Connect to the network, try --dataset synthetic"):
            return _read_file(keras.utils.get_file(FILE, ORIGIN, file_hash=SHA256))
    return _read_file(folder / FILE)


def synthetic():
    """Generates positive and negative word sequences that a network can tell apart: each kind has its favorite words.

    The same sequences every time, as for `cifar10.synthetic`.

    Returns:
        As `read`, with 20 to 299 words a review, of ranks from 1 to 1000.
    """
    say("Synthetic reviews, generated here: the accuracies are not IMDB results.")
    random = np.random.RandomState(0)
    rarer = 1 / np.arange(1, 1001)  # Zipf's law: a word is as frequent as its rank is low
    favorites = random.permutation(1000) % 2
    chances = [np.where(favorites == label, 3, 1) * rarer for label in range(2)]

    def draw(count):
        labels = random.randint(0, 2, count).astype(np.int32)
        return [1 + random.choice(1000, random.randint(20, 300), p=chances[label] / chances[label].sum()).astype(
            np.int32) for label in labels], labels

    return tuple(map(draw, data.SYNTHETIC))


class Reviews(data.Batches):
    """Batches of reviews and labels for Keras, (int32 of shape (batch, 200), int32 of shape (batch,)).

    A review begins with a mark for its start; one that is shorter than 200 is padded in front, so that its end, where
    the network answers, comes last.  `reviews` is a list of int arrays of word ranks; with `random_crop` an epoch
    shows a random 200 words in a row of every review instead of the last ones; the rest is as `data.Batches` takes it.
    """

    def __init__(self, reviews, *args, **kwargs):
        self.lengths = np.array([1 + len(review) for review in reviews])
        self.begins = np.cumsum(self.lengths) - self.lengths
        # All reviews in a row, so that their windows are gathered in one step.
        ranks = np.concatenate([part for review in reviews for part in ([START - OFFSET], review)]).astype(np.int32)
        self.words = np.where(ranks + OFFSET < VOCABULARY, ranks + OFFSET, UNKNOWN).astype(np.int32)
        self.spare = np.maximum(self.lengths - LENGTH, 0)  # words that a window leaves out
        super().__init__(self.windows(self.spare), *args, **kwargs)

    def crop(self, random):
        return self.windows(random.randint(0, self.spare + 1))

    def windows(self, firsts):
        """The 200 words of each review from these on, int32 of shape (n, 200)."""
        columns, missing = np.arange(LENGTH), np.maximum(LENGTH - self.lengths, 0)[:, None]
        places = (self.begins + firsts)[:, None] + np.maximum(columns - missing, 0)
        return np.where(columns < missing, np.int32(PADDING), self.words[places])


def _read_file(path):
    with data.reading(path, "Put the imdb.npz of Keras there"), zipfile.ZipFile(path) as archive:
        parts = [_read_array(archive, name) for name in ("x_train", "y_train", "x_test", "y_test")]
        return _checked(*parts[:2]), _checked(*parts[2:])


def _read_array(archive, name):
    """One array of an .npz.  numpy.load would unpickle the reviews, arrays of lists, and run what a pickle names."""
    with archive.open(name + ".npy") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"its {name} is of version {version}, not (1, 0)")
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
        if kind.hasobject:
            return np.asarray(data.Unpickler(file, encoding="latin1").load(), object).reshape(shape)
        return np.frombuffer(file.read(), kind).reshape(shape, order="F" if by_columns else "C")


def _checked(reviews, labels):
    if labels.shape != (len(reviews),) or labels.dtype.kind not in "iub":
        raise ValueError(f"its labels, of type {labels.dtype} and shape {labels.shape}, are not whole numbers, one for "
                         f"each of its {len(reviews)} reviews")
    arrays = []
    for review in reviews:
        with contextlib.suppress(ValueError):  # a list in a list
            array = np.asarray(review)
            if array.ndim == 1 and (array.dtype.kind in "iu" or not len(array)):
                arrays.append(array)
                continue
        raise ValueError(f"its review {len(arrays)} is not a list of word numbers")
    if not len(labels) or labels.min() < 0 or labels.max() >= CLASSES:
        raise ValueError(f"it has no reviews, or labels outside 0 to {CLASSES - 1}")
    low = min((array.min() for array in arrays if len(array)), default=1)
    high = max((array.max() for array in arrays if len(array)), default=1)
    limit = np.iinfo(np.int32).max - OFFSET
    if low < 1 or high > limit:
        raise ValueError(f"it has words from {low} to {high}, outside 1 to {limit}")
    return [array.astype(np.int32) for array in arrays], labels.astype(np.int32)
