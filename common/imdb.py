"""IMDB film reviews, positive or negative, as sequences of word numbers."""

import hashlib
import zipfile

from common import batches, files, pickles, synthetic

import keras
import numpy as np

FILE = "imdb.npz"
CLASSES = 2
LENGTH = 200         # words of a review that the network sees
VOCABULARY = 10_000  # numbers that a word can come as

# A word comes as its rank by frequency (1 is the most frequent) plus OFFSET; below are the numbers that are no words.
# As in https://keras.io/api/datasets/imdb/
PADDING, START, UNKNOWN, OFFSET = 0, 1, 2, 3

# What keras.datasets.imdb downloads
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz"
SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"


def load(run, random_crop=False, words="as written"):
    """Loads what the run asks for, as batches ready for `fit`.

    Args:
        run: an `experiment.Run`; its dataset, data, limit, label_noise, batch_size and seed are looked at.
        random_crop: train on 200 words in a row from anywhere in a review, drawn anew each epoch, instead of its last.
        words: "as written"; "shuffled", every review's words in a random order; "random", every review replaced by as
            many words drawn as often as they are in the training set.  The latter two are done once, to training and
            test reviews alike.

    Returns:
        (training, test), two `Reviews`.

    Raises:
        SystemExit: with a sentence, when the data cannot be had or are not what they should be.
    """
    if run.dataset == "synthetic":
        synthetic.announce("reviews", "IMDB")
        (reviews, labels), (test_reviews, test_labels) = synthetic.reviews()
    else:
        (reviews, labels), (test_reviews, test_labels) = read(run.data)
    # Each as many times as it occurs, whatever --limit leaves
    every_word = np.sort(np.concatenate(reviews)) if words == "random" else None
    reviews, labels = batches.asked_for(run, reviews, labels, CLASSES)
    if words != "as written":
        reviews, test_reviews = ([_replaced(review, words, run.seed, every_word) for review in split]
                                 for split in (reviews, test_reviews))
    run.settings |= {"random_crop": random_crop, "words": words}
    return (Reviews(reviews, labels, run.batch_size, random_crop, shuffle_seed=run.seed),
            Reviews(test_reviews, test_labels, batches.EVALUATION_BATCH))


def _replaced(review, words, seed, every_word):
    """A review with its words shuffled or random; as for random labels, a function of seed and review alone."""
    key = hashlib.blake2b(review.tobytes(), digest_size=4, key=int(seed).to_bytes(8, "little")).digest()
    random = np.random.RandomState(int.from_bytes(key, "little"))
    if words == "shuffled":
        return random.permutation(review)
    return every_word[random.randint(0, len(every_word), len(review))]


def read(folder=None):
    """Reads the whole data set: from a folder, else by the download that Keras' own loader makes.

    Args:
        folder: the one that holds imdb.npz.  None: `data` here or in the repository is tried, then the network.

    Returns:
        (training reviews, training labels), (test reviews, test labels); reviews a list of int32 arrays of word ranks,
        from 1 for the most frequent word; labels int32 of shape (n,), 1 for a positive review, 0 for a negative one.

    Raises:
        SystemExit: with a sentence that names the file at fault, or says that there is no network.

    Source: https://keras.io/api/datasets/imdb/, whose layout the file has.
    """
    folder = files.data_folder(folder, FILE, "leave --data out to download IMDB")
    return _read_file(_download() if folder is None else folder / FILE)


class Reviews(batches.Batches):
    """Batches of reviews and labels for Keras, (int32 of shape (batch, 200), int32 of shape (batch,)).

    A review begins with a mark for its start; one that is shorter than 200 is padded in front, so that its end, where
    the network answers, comes last.

    Args:
        reviews: list of int arrays of word ranks.
        random_crop: a random 200 words in a row of every review instead of the last ones.
        labels, batch_size, shuffle_seed: as `batches.Batches` takes them.
    """

    def __init__(self, reviews, labels, batch_size, random_crop=False, shuffle_seed=None):
        self.reviews, self.random_crop = reviews, random_crop
        self.lengths = np.array([1 + len(review) for review in reviews])
        self.begins = np.cumsum(self.lengths) - self.lengths
        # All reviews in a row, so that a batch is gathered in one step.
        ranks = np.concatenate([part for review in reviews for part in ([START - OFFSET], review)]).astype(np.int32)
        self.words = np.where(ranks + OFFSET < VOCABULARY, ranks + OFFSET, UNKNOWN).astype(np.int32)
        super().__init__(labels, batch_size, shuffle_seed)

    def draw_crops(self, random):
        self.firsts = np.maximum(self.lengths - LENGTH, 0)
        if self.random_crop:
            self.firsts = random.randint(0, self.firsts + 1)

    def inputs(self, rows):
        columns, missing = np.arange(LENGTH), np.maximum(LENGTH - self.lengths[rows], 0)[:, None]
        places = (self.begins + self.firsts)[rows, None] + np.maximum(columns - missing, 0)
        return np.where(columns < missing, np.int32(PADDING), self.words[places])

    def as_tested(self):
        return Reviews(self.reviews, self.labels, batches.EVALUATION_BATCH)


def _read_file(path):
    def wrong(what):
        return SystemExit(f"{path} {what}. Put the imdb.npz of Keras there, or give another folder with --data.")

    try:
        with zipfile.ZipFile(path) as archive:
            x_train, y_train, x_test, y_test = (_read_array(archive, name)
                                                for name in ("x_train", "y_train", "x_test", "y_test"))
    except FileNotFoundError:
        raise wrong("is missing") from None
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise wrong(f"is no IMDB data set: {error}") from None
    return _checked(x_train, y_train, wrong), _checked(x_test, y_test, wrong)


def _read_array(archive, name):
    """One array of an .npz.  numpy.load would unpickle the reviews, arrays of lists, and run what a pickle names."""
    with archive.open(name + ".npy") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"its {name} is of version {version}, not (1, 0)")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        if kind.hasobject:
            return np.asarray(pickles.load(file, encoding="latin1"), object).reshape(shape)
        return np.frombuffer(file.read(), kind).reshape(shape)


def _checked(reviews, labels, wrong):
    form = "is no IMDB data set: it needs x_train and x_test, lists of word numbers, and a label of 0 or 1 for each"
    if reviews.ndim != 1 or reviews.shape != labels.shape or labels.dtype.kind != "i":
        raise wrong(form)
    if not len(reviews):
        raise wrong("holds no reviews")
    try:
        arrays = [np.asarray(review) for review in reviews]
        fit = all(array.ndim == 1 and (array.dtype.kind == "i" or not len(array)) for array in arrays)
    except ValueError:
        fit = False
    if not fit:
        raise wrong(form)
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise wrong(f"has labels from {labels.min()} to {labels.max()}, outside 0 to {CLASSES - 1}")
    low, high = (bound([bound(array) for array in arrays if len(array)], default=1) for bound in (min, max))
    limit = np.iinfo(np.int32).max - OFFSET
    if low < 1 or high > limit:
        raise wrong(f"has words from {low} to {high}, outside 1 to {limit}")
    return [array.astype(np.int32) for array in arrays], labels.astype(np.int32)


def _download():
    try:
        return keras.utils.get_file(FILE, ORIGIN, file_hash=SHA256)
    except Exception as error:  # Keras raises a bare Exception where there is no network
        raise SystemExit(f"IMDB is neither in a folder data/ nor to be downloaded ({error}). Connect to the network, "
                         f"name the folder that holds {FILE} with --data, or try --dataset synthetic.") from None
