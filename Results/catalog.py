"""What is published: every run, its picture, and the paper's figures for it."""

import functools
from pathlib import Path
from typing import NamedTuple

from common import record

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


class Row(NamedTuple):
    """A run in a table.

    Attributes:
        name: of the run's .h5 or .run.h5, without the ending, from the repository's folder.
        picture: in Results/, without the ending.
        paper: training and test accuracy in %, as the table shows them; of Table 1 they are in the run's file; empty
            where the paper has none.
        results: what the names of the run's accuracies begin with, where there are two sets of them.
    """
    name: str
    picture: str
    paper: tuple = ()
    results: str = ""

    @property
    def script(self):
        """The script of the run, from the repository's folder."""
        return self.name.split("--")[0] + ".py"


def _rows(stem, picture, variants):
    return [Row(stem + variant, picture + ("_rand_labels" if variant == "_rand" else variant)) for variant in variants]


INCEPTION, ALEXNET = "Mini Inception/cifar10_tf_inception", "Mini Alexnet/cifar10_alexnet"
MLP3, MLP1, LSTM = "MLP3/cifar10_keras_mlp3", "MLP1/cifar10_keras_mlp", "LSTM/imdb_lstm"

# In the order of the paper's Table 1
CIFAR10 = [*_rows(INCEPTION, "Inception_Cifar10", ["_wd_rand_crop", "_rand_crop", "_wd", "", "_rand_labels",
                                                   "_no_bn_wd", "_no_bn", "_no_bn_rand_labels"]),
           *_rows(ALEXNET, "Alexnet_Cifar10", ["_wd_rand_crop", "_rand_crop", "_wd", "", "_rand_labels"]),
           *_rows(MLP3, "MLP3_Cifar10", ["_wd", "", "_rand"]), *_rows(MLP1, "MLP1_Cifar10", ["_wd", "", "_rand"])]

# Of Figure 1 (a), what is not in Table 1
RANDOMNESS = _rows(INCEPTION, "Inception_Cifar10", ["_shuffled_pixels", "_random_pixels", "_gaussian"])

# The paper's appendix: random labels in spite of regularizers
REGULARIZED = [
    Row(INCEPTION + "_rand_labels_wd", "Inception_Cifar10_rand_labels_wd", ("100", "-")),
    Row(INCEPTION + "_rand_labels_rand_crop", "Inception_Cifar10_rand_labels_rand_crop", ("99.93", "-")),
    Row(INCEPTION + "_rand_labels_augmentation", "Inception_Cifar10_rand_labels_augmentation", ("99.28", "-")),
    Row(ALEXNET + "_rand_labels_wd", "Alexnet_Cifar10_rand_labels_wd", ("did not converge", "-")),
    Row(MLP3 + "_rand_wd", "MLP3_Cifar10_rand_labels_wd", ("100", "-")),
    Row(MLP1 + "_rand_wd", "MLP1_Cifar10_rand_labels_wd", ("99.21", "-"))]

# Sections 4 and 5: solved for, not trained; each script draws its own picture.
CLOSED_FORM = [Row("MLP1/cifar10_theorem_1", "cifar10_theorem_1", ("100", "-")),
               Row("MLP1/cifar10_gaussian_kernel", "cifar10_gaussian_kernel", ("100", "54")),
               Row("MLP1/cifar10_gaussian_kernel", "cifar10_gaussian_kernel", ("100", "-"), "random_"),
               Row("MLP1/cifar10_random_features", "cifar10_random_features", ("-", "85")),
               Row("MLP1/cifar10_random_features--filters-4000", "cifar10_random_features_4000", ("-", "85"))]

IMDB = _rows(LSTM, "LSTM_Imdb", ["", "_wd", "_rand_crop", "_wd_rand_crop", "_dropout", "_rand_labels",
                                 "_shuffled_words", "_random_words"])

TRAINED = CIFAR10 + RANDOMNESS + REGULARIZED + IMDB  # each by its script as it stands

# Trained on few and small images, and kept without their weights, which are 87 MB a file.  The paper's figures are for
# all of ImageNet (Table 2), top-1 and in brackets top-5.
INCEPTION_V3 = "Inception v3/imagenet_inception_v3"
IMAGENET = [Row(f"{INCEPTION_V3}--batch-size-125--learning-rate-0.003--image-size-75--tiny-imagenet-20",
                "Inception_v3_tiny_imagenet_20", ("99.53 (100.00)", "59.80 (80.38)")),
            Row(f"{INCEPTION_V3}_rand_labels--epochs-150--learning-rate-0.01--image-size-75--imagenet-1000",
                "Inception_v3_imagenet_1000_rand_labels", ("95.20 (99.14)", "0.11 (0.56)")),
            Row(f"{INCEPTION_V3}_rand_labels--batch-size-125--learning-rate-0.003--learning-rate-decay-0.98"
                "--image-size-75--tiny-imagenet-20", "Inception_v3_tiny_imagenet_20_rand_labels",
                ("95.20 (99.14)", "0.11 (0.56)"))]

TABLES = {"table 1": CIFAR10, "randomness": RANDOMNESS, "regularizers": REGULARIZED, "closed form": CLOSED_FORM,
          "text": IMDB, "imagenet": IMAGENET}  # by their marks in Results/README.md

# Network: its runs with true and with random labels
PAIRS = {"MLP 1x512": (MLP1, MLP1 + "_rand"), "MLP 3x512": (MLP3, MLP3 + "_rand"),
         "Mini Alexnet": (ALEXNET, ALEXNET + "_rand_labels"), "Mini Inception": (INCEPTION, INCEPTION + "_rand_labels"),
         "LSTM": (LSTM, LSTM + "_rand_labels")}

# Figure 1 (b) and (c).  Network: the label noise of its runs
NOISE = {"MLP 1x512": np.arange(11) / 10, "Mini Alexnet": np.arange(11) / 10,
         "Mini Inception": np.arange(0, 11, 2) / 10, "LSTM": np.arange(0, 11, 2) / 10}


def with_noise(network, noise):
    """The name of a network's run at a label noise from 0 to 1, all of one schedule."""
    true, random = PAIRS[network]
    if noise == 1:
        return random
    if noise == 0 and network != "Mini Inception":  # whose schedule for true labels is another one
        return true
    return f"{random}--label-noise-{noise}"


def names():
    """All runs that are trained, each once, the longest first."""
    rows = [row.name for row in TRAINED]
    swept = [with_noise(network, noise) for network, levels in NOISE.items() for noise in levels.tolist()]
    folders = ["Mini Inception", "LSTM", "Mini Alexnet", "MLP3", "MLP1"]
    return sorted(dict.fromkeys(rows + swept), key=lambda name: folders.index(name.split("/")[0]))


def file_of(name):
    """The run's file, with its model or without; None where it is not there, or, which is said, damaged."""
    path = next((path for ending in (".h5", ".run.h5") if (path := ROOT / (name + ending)).exists()), None)
    return path if path and _read(path) else None


def run_of(name):
    """The run, under the network's name of today: older files call the Mini networks small."""
    run = _read(file_of(name))
    return run | {"title": run["title"].replace("Small ", "Mini ")}


@functools.cache
def _read(path):
    try:
        return record.read(path)
    except SystemExit as error:
        print(f"{error}  It is left out.")
        return None
