"""CIFAR-10 as the paper feeds it: central or random 28x28 windows, each standardized by itself."""

from common import data, say
from common import label_noise as noise

import keras
import numpy as np

FOLDER = "cifar-10-batches-py"
DIGEST = "534d2cf4bd81141f94f9e0a80e6a3a31"  # of the published data set, as of data.identified
CLASSES = 10
SIDE = 28  # of the window that the networks see, in pixels


def load(run, batch_size, label_noise=0, random_crop=False, transform=None):
    """Loads the images of a run, an `experiment.Run`; returns (training, test), two `Images`, ready for `fit`.

    `label_noise` is the probability that a training label is redrawn from all classes.  With `random_crop` an epoch
    shows a random window of every training image.  `transform`, a function of (images, seed), replaces the central
    windows, training and test, uint8 of shape (n, 28, 28, 3), once and for all, by images of pixels from 0 to 255, of
    any size, before each is standardized as ever.  Of images of more than 28 x 28 the center is used.
    """
    splits = synthetic() if run.dataset == "synthetic" else data.identified(run, DIGEST, read(run.data))
    (images, labels), (test_images, test_labels) = splits
    images, labels, mislabeled = noise.training_part(run, images, labels, label_noise, CLASSES)
    settings = {"batch_size": batch_size, "label_noise": label_noise, "random_crop": random_crop}
    if transform and random_crop:
        raise SystemExit("A transform replaces the central windows, so there is none to draw: give no random_crop.")
    if transform:
        images, test_images = (np.asarray(transform(central(part), run.seed)) for part in (images, test_images))
        settings["transform"] = getattr(transform, "__name__", type(transform).__name__)
    return (Images(images, labels, batch_size, run.seed, settings, mislabeled, random_crop),
            Images(test_images, test_labels, data.EVALUATION_BATCH))


def read(folder=None):
    """Reads the whole data set from a folder, cifar-10-batches-py or one that holds it, or downloads it as Keras does.

    Returns (training images, labels), (test images, labels): uint8 of shape (n, 32, 32, 3), int32 of shape (n,).
    Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout", python version.
    """
    folder = data.find_folder(folder, FOLDER)
    if folder is None:
        with data.reading("CIFAR-10", "Connect to the network, try --dataset synthetic"):
            splits = keras.datasets.cifar10.load_data()
        return tuple((images, labels.reshape(-1).astype(np.int32)) for images, labels in splits)
    folder = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    parts = [_read_batch(folder / f"data_batch_{k}") for k in range(1, 6)]
    training = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    return training, _read_batch(folder / "test_batch")


def _read_batch(path):
    with data.reading(path, "Unpack CIFAR-10 (python version) there again"), path.open("rb") as file:
        batch = data.Unpickler(file, encoding="bytes").load()
        pixels, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
        if (pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072) or not len(labels)
                or labels.dtype.kind != "i" or labels.min() < 0 or labels.max() >= CLASSES):
            raise ValueError("it needs 'data', bytes of shape (n, 3072), and n 'labels', from 0 to 9")
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels.astype(np.int32)


def synthetic(place_of="CIFAR-10"):
    """Generates images of ten classes, a pattern per class plus noise; always the same ones, returned as by `read`."""
    say(f"Synthetic images, generated here: the accuracies are not {place_of} results.")
    random = np.random.RandomState(0)
    patterns = random.standard_normal((10, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)

    def draw(count):
        labels = random.randint(0, 10, count).astype(np.int32)
        images = 128 + 10 * patterns[labels] + 45 * random.standard_normal((count, 32, 32, 3))
        return np.clip(images, 0, 255).astype(np.uint8), labels
    return tuple(map(draw, data.SYNTHETIC))


class Images(data.Batches):
    """Batches, float32 (batch, 28, 28, 3), or as a transform makes them, and int32 (batch,), of what `read` returns."""

    def __init__(self, images, *args, **kwargs):
        self.images = images
        super().__init__(standardize(central(images)), *args, **kwargs)

    def crop(self, random):
        windows = np.lib.stride_tricks.sliding_window_view(self.images, (SIDE, SIDE, 3), axis=(1, 2, 3))[:, :, :, 0]
        count, tops, lefts = windows.shape[:3]  # [image, top, left] is one window, of shape (28, 28, 3)
        return standardize(windows[np.arange(count), random.randint(0, tops, count), random.randint(0, lefts, count)])


def central(images):
    """The central windows, 28 x 28 or the whole if smaller, of images of shape (n, height, width, channels)."""
    top, left = (max(size - SIDE, 0) // 2 for size in images.shape[1:3])
    return images[:, top:top + SIDE, left:left + SIDE]


def standardize(images):
    """Scales every image by itself to mean 0 and variance 1: uint8 of shape (n, height, width, 3) to float32.

    x = pixel / 255 becomes (x - mean) / max(standard deviation, 1 / sqrt(number of values)).
    Source: paper, appendix A; https://www.tensorflow.org/api_docs/python/tf/image/per_image_standardization
    """
    scaled = np.multiply(images, np.float32(1 / 255), order="C")
    flat = scaled.reshape(len(images), -1)  # a view: the next lines change `scaled`
    flat -= flat.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.einsum("ij,ij->i", flat, flat) / flat.shape[1])  # root of each row's mean square
    flat /= np.maximum(deviation, 1 / np.sqrt(flat.shape[1]), dtype=np.float32)[:, None]
    return scaled
