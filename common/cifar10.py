"""CIFAR-10 as the paper feeds it: central or random 28x28 windows, each standardized by itself."""

from common import batches, files, pickles, synthetic

import keras
import numpy as np

FOLDER = "cifar-10-batches-py"
BATCHES = [f"data_batch_{k}" for k in range(1, 6)]
CLASSES = 10
SIDE = 28  # of the window that the networks see, in pixels


def load(run, random_crop=False):
    """Loads what the run asks for, as batches ready for `fit`.

    Args:
        run: an `experiment.Run`; its dataset, data, limit, label_noise, batch_size and seed are looked at.
        random_crop: train on a random window of every picture, drawn anew each epoch, instead of the central one.

    Returns:
        (training, test), two `Pictures`.

    Raises:
        SystemExit: with a sentence, when the data cannot be had or are not what they should be.
    """
    if run.dataset == "synthetic":
        synthetic.announce("pictures", "CIFAR-10")
        (images, labels), (test_images, test_labels) = synthetic.pictures()
    else:
        (images, labels), (test_images, test_labels) = read(run.data)
    images, labels = batches.asked_for(run, images, labels, CLASSES)
    run.settings["random_crop"] = random_crop
    return (Pictures(images, labels, run.batch_size, random_crop, shuffle_seed=run.seed),
            Pictures(test_images, test_labels, batches.EVALUATION_BATCH))


def read(folder=None):
    """Reads the whole data set: from a folder in its "python version" layout, else by Keras' own download.

    Args:
        folder: the folder cifar-10-batches-py, or one that holds it.  None: `data` here or in the repository is
            tried, then the network.

    Returns:
        (training images, training labels), (test images, test labels); images uint8 of shape (n, 32, 32, 3), labels
        int32 of shape (n,), from 0 to 9.

    Raises:
        SystemExit: with a sentence that names the file at fault, or says that there is no network.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout".
    """
    folder = files.data_folder(folder, FOLDER, "leave --data out to download CIFAR-10")
    if folder is None:
        return _download()
    if (folder / FOLDER).is_dir():
        folder = folder / FOLDER
    parts = [_read_batch(folder / name) for name in BATCHES]
    training = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    return training, _read_batch(folder / "test_batch")


class Pictures(batches.Batches):
    """Batches of pictures and labels for Keras, (float32 of shape (batch, 28, 28, 3), int32 of shape (batch,)).

    Args:
        images: uint8 of shape (n, 32, 32, 3).
        random_crop: a random window of every picture instead of the central one.
        labels, batch_size, shuffle_seed: as `batches.Batches` takes them.
    """

    def __init__(self, images, labels, batch_size, random_crop=False, shuffle_seed=None):
        self.images, self.random_crop = images, random_crop
        # A view of every window of every picture: [picture, top, left] is one window.
        windows = np.lib.stride_tricks.sliding_window_view(images, (SIDE, SIDE, 3), axis=(1, 2, 3))[:, :, :, 0]
        middle = windows.shape[1] // 2
        if not random_crop:
            windows = np.ascontiguousarray(windows[:, middle:middle + 1, middle:middle + 1])
        self.windows = windows
        super().__init__(labels, batch_size, shuffle_seed)

    def draw_crops(self, random):
        count, tops, lefts = self.windows.shape[:3]
        self.tops, self.lefts = random.randint(0, tops, count), random.randint(0, lefts, count)

    def inputs(self, rows):
        return standardize(self.windows[rows, self.tops[rows], self.lefts[rows]])

    def batches(self):
        """The same batches in the form that `fit` takes the fastest.

        Making every batch in Python, or just handing it over, takes a good part of a perceptron's training time.  So
        where the windows stay the same, TensorFlow has them in its memory, gets one order for each epoch, and makes the
        batches beside the training, in one thread.
        """
        if keras.backend.backend() != "tensorflow" or self.random_crop:
            return super().batches()
        import tensorflow as tf

        windows = self.windows[:, 0, 0]
        mean, deviation = np.concatenate([_statistics(windows[first:first + batches.EVALUATION_BATCH])
                                          for first in range(0, len(windows), batches.EVALUATION_BATCH)], axis=1)
        pictures, mean, deviation, labels = map(tf.constant, (windows, mean, deviation, self.labels))

        def gather(rows):
            scaled = tf.cast(tf.gather(pictures, rows), tf.float32) * np.float32(1 / 255)
            return (scaled - tf.gather(mean, rows)) / tf.gather(deviation, rows), tf.gather(labels, rows)

        def rows_of_batches(order):
            size = self.batch_size
            return tf.data.Dataset.range(len(self)).map(lambda index: order[index * size:(index + 1) * size])

        orders = tf.data.Dataset.from_generator(lambda: [self.order], output_signature=tf.TensorSpec((None,), tf.int64))
        options = tf.data.Options()
        options.threading.max_intra_op_parallelism = 1
        gathered = orders.flat_map(rows_of_batches).map(gather).prefetch(4).with_options(options)
        return batches.untuned(gathered, len(self))

    def as_tested(self):
        return Pictures(self.images, self.labels, batches.EVALUATION_BATCH)


def standardize(images):
    """Scales every picture by itself to mean 0 and variance 1, as TensorFlow's per_image_standardization does.

    Args:
        images: uint8 of shape (n, height, width, 3).

    Returns:
        float32 of the same shape: (x - mean) / max(standard deviation, 1 / sqrt(number of values)), x = pixel / 255.

    Source: paper, appendix A; https://www.tensorflow.org/api_docs/python/tf/image/per_image_standardization
    """
    mean, deviation = _statistics(images)
    return (images * np.float32(1 / 255) - mean) / deviation


def _statistics(images):
    """Mean and standard deviation (at least 1 / sqrt(number of values)) of every picture / 255, (2, n, 1, 1, 1)."""
    flat = images.reshape(len(images), -1) * np.float32(1 / 255)
    mean = flat.mean(axis=1, keepdims=True)
    flat -= mean
    deviation = np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1])[:, None]
    return np.stack([mean, np.maximum(deviation, 1 / np.sqrt(flat.shape[1]), dtype=np.float32)])[..., None, None]


def _read_batch(path):
    def wrong(what):
        return SystemExit(f"{path} {what}. Unpack CIFAR-10 (python version) there anew, or give another folder with "
                          "--data.")

    try:
        with open(path, "rb") as file:
            batch = pickles.load(file, encoding="bytes")
    except FileNotFoundError:
        raise wrong("is missing") from None
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror})") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise wrong(f"is no CIFAR-10 batch: {error}") from None
    try:
        data, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
        fits = data.dtype == np.uint8 and data.shape == (len(labels), 3072) and labels.dtype.kind == "i"
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise wrong("is no CIFAR-10 batch: it needs 'data', bytes of shape (n, 3072), and n 'labels'")
    if not len(labels):
        raise wrong("holds no pictures")
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise wrong(f"has labels from {labels.min()} to {labels.max()}, outside 0 to {CLASSES - 1}")
    # Stored as three planes, red, green and blue.
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels.astype(np.int32)


def _download():
    try:
        training, test = keras.datasets.cifar10.load_data()
    except Exception as error:  # Keras raises a bare Exception where there is no network
        raise SystemExit(f"CIFAR-10 is neither in a folder data/ nor to be downloaded ({error}). "
                         f"Connect to the network, name the folder that holds {FOLDER} with --data, or try "
                         "--dataset synthetic.") from None
    return tuple((images, labels.reshape(-1).astype(np.int32)) for images, labels in (training, test))
