"""What is published: every run, its script and its options, its picture, and the paper's figures for it."""

import functools
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from common import record

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT  # where the scripts are, should the runs be read from elsewhere
RENAMED = {"accuracy_wrong": "accuracy_mislabeled"}  # in the histories of older files
BRING_BACK = "Bring them back (git checkout, in a sparse clone git sparse-checkout disable)"  # published files


class Row(NamedTuple):
    """A run, as tables and pictures show it.

    Attributes:
        network: what it is called, as "Mini Inception".
        variant: what sets it apart from its network's plain run, as "random labels, weight decay"; empty for that one.
        script: path from the repository's folder.
        picture: in Results/, without the ending; empty where it has none of its own.
        data: the data set.
        options: of the command line, those that differ from the script's constants: name to value.
        part: name of the part of the data set, or of another data set, that it is on; empty for the whole of it.
        paper: training and test accuracy in %, as the paper prints them; empty where the run's file has them, or
            where the paper has none.
        paper_top_5: the same of top-5 accuracy.
        results: what the names of the run's accuracies begin with, where there are two sets of them.
        draws: whether the script has a function `draw` of its own for its picture.
        model: whether the run is published with its model although it has options.
    """
    network: str
    variant: str
    script: str
    picture: str
    data: str = "CIFAR-10"
    options: Mapping = {}
    part: str = ""
    paper: tuple = ()
    paper_top_5: tuple = ()
    results: str = ""
    draws: bool = False
    model: bool = False

    @property
    def stem(self):
        """The name of the run's files without their endings, put together as the script does it."""
        differing = [f"{name}-{value}" for name, value in self.options.items()] + [self.part.lower()] * bool(self.part)
        return "--".join([PurePosixPath(self.script).stem, *differing])

    @property
    def name(self):
        """The path of the run's files without their endings, from the repository's folder."""
        return str(PurePosixPath(self.script).with_name(self.stem))

    @property
    def title(self):
        """What its picture is called."""
        return ", ".join(filter(None, [f"{self.network} on {self.part or self.data}", self.variant]))

    @property
    def label(self):
        """What it is called beside runs on the same data set; MNIST's are beside those on CIFAR-10."""
        on = self.part or self.data * (self.data == "MNIST")
        return ", ".join(filter(None, [self.network + f" on {on}" * bool(on), self.variant]))


# Network: its script and its picture without their endings, and the data set
NETWORKS = {"Mini Inception": ("Mini Inception/cifar10_tf_inception", "Inception_Cifar10", "CIFAR-10"),
            "Mini Alexnet": ("Mini Alexnet/cifar10_alexnet", "Alexnet_Cifar10", "CIFAR-10"),
            "MLP 3x512": ("MLP3/cifar10_keras_mlp3", "MLP3_Cifar10", "CIFAR-10"),
            "MLP 1x512": ("MLP1/cifar10_keras_mlp", "MLP1_Cifar10", "CIFAR-10"),
            "LSTM": ("LSTM/imdb_lstm", "LSTM_Imdb", "IMDB"),
            "Inception v3": ("Inception v3/imagenet_inception_v3", "Inception_v3", "ImageNet")}

# What a script's name adds to its network's, and what that is called
VARIANTS = {"": "", "_wd": "weight decay", "_rand_crop": "random crop", "_wd_rand_crop": "random crop, weight decay",
            "_dropout": "dropout", "_no_bn": "without batch norm", "_no_bn_wd": "without batch norm, weight decay",
            "_from_random_labels": "begun from random labels",
            "_rand": "random labels", "_rand_labels": "random labels",
            "_no_bn_rand_labels": "without batch norm, random labels", "_rand_wd": "random labels, weight decay",
            "_rand_labels_wd": "random labels, weight decay", "_rand_labels_rand_crop": "random labels, random crop",
            "_rand_labels_augmentation": "random labels, augmentation", "_rademacher": "labels by a coin",
            "_shuffled_pixels": "shuffled pixels", "_random_pixels": "random pixels", "_gaussian": "Gaussian noise",
            "_shuffled_words": "shuffled words", "_random_words": "random words",
            "_wd_rand_labels": "weight decay, random labels",
            "_dropout_wd_rand_labels": "dropout, weight decay, random labels",
            "_rand_crop_dropout_wd": "random crop, dropout, weight decay"}
PICTURES = {"_rand": "_rand_labels", "_rand_wd": "_rand_labels_wd"}  # where their names end otherwise than the script's


def row(network, ending="", **fields):
    """The row of a network's script, by the script's ending; `fields` are those of `Row`."""
    script, picture, data = NETWORKS[network]
    return Row(**{"network": network, "variant": VARIANTS[ending], "script": script + ending + ".py", "data": data,
                  "picture": picture + PICTURES.get(ending, ending)} | fields)


def _rows(network, *endings):
    return [row(network, ending) for ending in endings]


# Of schedules that fall faster than the paper's, and kept with their models.  The runs with weight decay alone, and
# without batch norm alone, on true labels have the first one's schedule, and are compared with it.
FASTER = row("Mini Inception", variant="learning rate times 0.85", picture="Inception_Cifar10_faster",
             options={"epochs": 20, "learning-rate-decay": 0.85}, paper=("100.00", "85.75"), model=True)
FASTER_CROP = row("Mini Inception", "_rand_crop", variant="random crop, learning rate times 0.91",
                  picture="Inception_Cifar10_rand_crop_faster",
                  options={"epochs": 30, "learning-rate-decay": 0.91}, paper=("100.00", "89.31"), model=True)

# Without batch norm, true labels with the schedule and the initial weights of the random ones
NO_BN_TRUE = row("Mini Inception", "_no_bn_rand_labels", picture="", paper=("100.00", "82.00"),
                 variant="without batch norm, true labels, other schedule",
                 options={"epochs": 23, "label-noise": 0.0})

# In the order of the paper's Table 1, whose figures are in the runs' files
CIFAR10 = [*_rows("Mini Inception", "_wd_rand_crop", "_rand_crop"), FASTER_CROP, *_rows("Mini Inception", "_wd", ""),
           FASTER, *_rows("Mini Inception", "_rand_labels", "_no_bn_wd", "_no_bn"), NO_BN_TRUE,
           *_rows("Mini Inception", "_no_bn_rand_labels"),
           *_rows("Mini Alexnet", "_wd_rand_crop", "_rand_crop", "_wd", "", "_rand_labels"),
           *_rows("MLP 3x512", "_wd", "", "_rand"), *_rows("MLP 1x512", "_wd", "", "_rand")]


# Of Figure 1 (a), what is not in Table 1
RANDOMNESS = _rows("Mini Inception", "_shuffled_pixels", "_random_pixels", "_gaussian")

# Section 2.2: two classes, drawn by a coin
RADEMACHER = _rows("MLP 1x512", "_rademacher") + _rows("Mini Alexnet", "_rademacher")

# The paper's appendix: random labels in spite of regularizers
REGULARIZED = [row("Mini Inception", "_rand_labels_wd", paper=("100", "-")),
               row("Mini Inception", "_rand_labels_rand_crop", paper=("99.93", "-")),
               row("Mini Inception", "_rand_labels_augmentation", paper=("99.28", "-")),
               row("Mini Alexnet", "_rand_labels_wd", paper=("did not converge", "-")),
               row("MLP 3x512", "_rand_wd", paper=("100", "-")),
               row("MLP 1x512", "_rand_wd", paper=("99.21", "-")),
               row("MLP 1x512", "_rand_wd", variant="random labels, weight decay, learning rate times 0.97", picture="",
                   options={"epochs": 100, "learning-rate-decay": 0.97}, paper=("99.21", "-"))]

# Sections 4 and 5: solved for, not trained
THEOREM_1 = Row("Theorem 1", "random labels", "MLP1/cifar10_theorem_1.py", "cifar10_theorem_1", paper=("100", "-"),
                draws=True)
KERNEL = Row("Gaussian kernel", "without regularization", "MLP1/cifar10_gaussian_kernel.py", "cifar10_gaussian_kernel",
             paper=("100", "54"), draws=True)
FEATURES = Row("Random convolutional features", "1,000 filters", "MLP1/cifar10_random_features.py",
               "cifar10_random_features", paper=("-", "85"), draws=True)
MORE_FEATURES = FEATURES._replace(variant="dual form, 32,000 filters", script="MLP1/cifar10_random_features_dual.py",
                                  picture="cifar10_random_features_dual")
KERNEL_NORMS = Row("Norm and test error of Gaussian kernels", "20,000 images", "MLP1/cifar10_kernel_norms.py",
                   "cifar10_kernel_norms", draws=True)
MINIMUM_NORM = Row("SGD finds the solution of minimum norm", "two classes, 300 images", "MLP1/cifar10_minimum_norm.py",
                   "cifar10_minimum_norm", draws=True)
RANDOM_CENTERS = Row("Gaussian kernel", "random centers, 10,000 images", "MLP1/cifar10_random_centers.py",
                     "cifar10_random_centers", draws=True)
MNIST = KERNEL._replace(data="MNIST", part="MNIST", picture="cifar10_gaussian_kernel_mnist", paper=("100", "98.8"))
GABOR = Row("Gaussian kernel", "Gabor wavelets", "MLP1/mnist_gabor_kernel.py", "mnist_gabor_kernel", "MNIST",
            paper=("100", "99.4"), draws=True)
THEOREM_1_TRUE = THEOREM_1._replace(variant="true labels", options={"label-noise": 0.0}, picture="")
LARGER_START = MINIMUM_NORM._replace(variant="two classes, 300 images, start 0.2", options={"start": 0.2}, picture="")
KERNEL_RANDOM = KERNEL._replace(variant="without regularization, random labels", paper=("100", "-"), results="random_")
CLOSED_FORM = [THEOREM_1, THEOREM_1_TRUE, KERNEL, KERNEL_RANDOM, MNIST, GABOR, FEATURES, MORE_FEATURES,
               KERNEL_NORMS, RANDOM_CENTERS, MINIMUM_NORM]

# What the paper leaves open
DOUBLE_DESCENT = Row("Double descent of random features", "4,000 images", "MLP1/cifar10_double_descent.py",
                     "cifar10_double_descent", draws=True)
MEMORIZED = Row("Memorized images", "", "MLP1/cifar10_memorized.py", "cifar10_memorized", draws=True)
MEMORIZED_NOISY = MEMORIZED._replace(variant="label noise 0.1", options={"label-noise": 0.1},
                                     picture="cifar10_memorized_label_noise")
LARGE_BATCH = row("MLP 1x512", variant="batches of 1,024", options={"batch-size": 1024},
                  picture="MLP1_Cifar10_batch_1024")
PRETRAINED = Row("Pretraining on random labels", "", "MLP1/cifar10_pretrained_on_random_labels.py",
                 "cifar10_pretrained_on_random_labels", draws=True)
BOUNDS = [Row("Random labels as a certificate", network, script, PurePosixPath(script).stem, data, draws=True)
          for network, script, data in (("MLP 1x512", "MLP1/cifar10_random_labels_bound.py", "CIFAR-10"),
                                        ("LSTM", "LSTM/imdb_random_labels_bound.py", "IMDB"))]


def _starts(network, regularized, **options):
    """The rows of a network from a fresh start, plain and by its regularized script, and begun from random labels."""
    begun = row(network, "_from_random_labels")
    return row(network), row(network, regularized), begun, begun._replace(
        variant=f"{begun.variant}, {VARIANTS[regularized]}", picture=begun.picture + "_regularized",
        options={name.replace("_", "-"): value for name, value in options.items()})


# Network: a run from a start of its own and one with regularizers, and the two begun from random labels
STARTS = {"MLP 1x512": _starts("MLP 1x512", "_wd", weight_decay=5e-4),
          "MLP 3x512": _starts("MLP 3x512", "_wd", weight_decay=5e-4),
          "Mini Alexnet": _starts("Mini Alexnet", "_wd_rand_crop", weight_decay=5e-4, random_crop=True),
          "LSTM": _starts("LSTM", "_wd", weight_decay=1e-5)}
FROM_RANDOM_LABELS = [row for rows in STARTS.values() for row in rows[2:]]

# MLP 1x512 with fewer units and more, a fifth of the labels redrawn: the number of units to the row
WIDTHS = {2**k: row("MLP 1x512", "_rand", variant=f"{2**k:,} units, label noise 0.2", picture="",
                    options={"units": 2**k, "label-noise": 0.2}) for k in range(13)}
WIDTHS[512] = WIDTHS[512]._replace(variant="label noise 0.2", options={"label-noise": 0.2})

BEYOND = [DOUBLE_DESCENT, *FROM_RANDOM_LABELS, PRETRAINED, MEMORIZED, MEMORIZED_NOISY, *BOUNDS, LARGE_BATCH]

SENSELESS_TEXT = _rows("LSTM", "_shuffled_words", "_random_words")
IMDB = _rows("LSTM", "", "_wd", "_rand_crop", "_wd_rand_crop", "_dropout", "_rand_labels") + SENSELESS_TEXT

SENSELESS = RANDOMNESS + SENSELESS_TEXT  # images and texts that make no sense, or less
TRAINED = CIFAR10 + RANDOMNESS + RADEMACHER + REGULARIZED + IMDB + FROM_RANDOM_LABELS + [
    LARGE_BATCH, *WIDTHS.values()]

# Trained on few and small images, and kept without their weights, which are 87 MB a file and more.  The paper's
# figures are for all of ImageNet (Table 2).
FLOAT32 = {"precision": "float32"}  # as on a processor where bfloat16 is slow
TINY, TINY_RANDOM_LABELS = (
    row("Inception v3", part="tiny-imagenet-20", picture="Inception_v3_tiny_imagenet_20",
        options={"batch-size": 125, "learning-rate": 0.003, "image-size": 75}, paper=("99.53", "59.80"),
        paper_top_5=("100.00", "80.38")),
    row("Inception v3", "_rand_labels", part="tiny-imagenet-20", picture="Inception_v3_tiny_imagenet_20_rand_labels",
        options={"batch-size": 125, "learning-rate": 0.003, "learning-rate-decay": 0.98, "image-size": 75},
        paper=("95.20", "0.11"), paper_top_5=("99.14", "0.56")))
IMAGENET_1000, *IMAGENET_1000_REGULARIZED = (
    row("Inception v3", ending, part="imagenet-1000", picture=f"Inception_v3_imagenet_1000{ending}",
        options={"epochs": 150, "learning-rate": 0.01, **precision, "image-size": 75}, paper=paper, paper_top_5=top_5)
    for ending, precision, paper, top_5 in (
        ("_rand_labels", {}, ("95.20", "0.11"), ("99.14", "0.56")),
        ("_wd_rand_labels", FLOAT32, ("87.81", "0.12"), ("96.15", "0.50")),
        ("_dropout_wd_rand_labels", FLOAT32, ("91.18", "0.09"), ("97.95", "0.49"))))
TINY_WEIGHT_DECAY, TINY_RANDOM_CROP, TINY_REGULARIZED = (
    row("Inception v3", ending, part="tiny-imagenet-20", picture=f"Inception_v3_tiny_imagenet_20{ending}",
        options={"batch-size": 125, "learning-rate": 0.003, **FLOAT32, "image-size": 75}, paper=paper,
        paper_top_5=top_5)
    for ending, paper, top_5 in (("_wd", ("90.60", "67.18"), ("100.00", "86.44")),
                                 ("_rand_crop", ("92.33", "72.95"), ("99.17", "90.43")),
                                 ("_rand_crop_dropout_wd", ("92.18", "77.84"), ("99.21", "93.92"))))
IMAGENET = [TINY_REGULARIZED, TINY_RANDOM_CROP, TINY_WEIGHT_DECAY, TINY, *IMAGENET_1000_REGULARIZED[::-1],
            IMAGENET_1000, TINY_RANDOM_LABELS]

# By their marks in Results/README.md
TABLES = {"table 1": CIFAR10, "randomness": RANDOMNESS, "rademacher": RADEMACHER, "regularizers": REGULARIZED,
          "closed form": CLOSED_FORM, "beyond": BEYOND, "text": IMDB, "imagenet": IMAGENET}

# Network: its runs with true and with random labels
PAIRS = {network: (row(network), row(network, ending)) for network, ending in {
    "MLP 1x512": "_rand", "MLP 3x512": "_rand", "Mini Alexnet": "_rand_labels", "Mini Inception": "_rand_labels",
    "LSTM": "_rand_labels"}.items()}

# Figure 1 (b) and (c).  Network: the label noise of its runs
NOISE = {"MLP 1x512": np.arange(11) / 10, "Mini Alexnet": np.arange(11) / 10,
         "Mini Inception": np.arange(0, 11, 2) / 10, "LSTM": np.arange(0, 11, 2) / 10}
# What a network's runs of Figure 1 have otherwise than their script: a schedule with which fewer epochs are enough
FIGURE_1 = {"Mini Inception": {"learning-rate": 0.01}}
# Data set, as a run's settings name it: its training examples
EXAMPLES = {"cifar10": 50_000, "imdb": 25_000, "mnist": 60_000}
# Network and label noise: the epochs of a run of Figure 1 that ends once fitted, before its script's last one
ENDED = {("Mini Alexnet", 0.4): 31, ("Mini Alexnet", 0.5): 30, ("Mini Alexnet", 0.6): 31, ("Mini Alexnet", 0.7): 32,
         ("Mini Alexnet", 0.8): 33,
         ("Mini Inception", 0.0): 20, ("Mini Inception", 0.2): 22, ("Mini Inception", 0.4): 30,
         ("Mini Inception", 0.6): 24, ("Mini Inception", 0.8): 30, ("Mini Inception", 1.0): 30}

# Runs of a row with other seeds, of weights, order, crops and random labels: how many there are to be, seed 0 included
SEEDS = {"MLP 1x512": 5, "MLP 3x512": 5, "Mini Alexnet": 3, "Mini Inception": 3, "LSTM": 3}

# What a run takes on two cores, roughly; of a script that takes longer than others of its network by its path
MINUTES = {"Mini Inception": 75, "Mini Alexnet": 25, "LSTM": 16, "MLP 1x512": 4, "MLP 3x512": 3,
           "Mini Inception/cifar10_tf_inception.py": 110, "Mini Inception/cifar10_tf_inception_rand_crop.py": 110,
           "Mini Inception/cifar10_tf_inception_rand_labels_augmentation.py": 400,
           "Mini Inception/cifar10_tf_inception_rand_labels_rand_crop.py": 350,
           "Mini Inception/cifar10_tf_inception_no_bn_rand_labels.py": 130}


def alike(pair):
    """What two rows of a network, with true labels and with random ones, have in common, in words."""
    return pair[1].label.replace(", random labels", "")


def with_noise(network, noise):
    """The row of a network's run at a label noise from 0 to 1, all of one schedule."""
    true, random = PAIRS[network]
    noise, schedule = float(noise), FIGURE_1.get(network, {})
    ended = {"epochs": ENDED[network, noise]} if (network, noise) in ENDED else {}
    if noise in (0, 1) and not schedule:
        return random if noise else true
    name = {0: "true labels", 1: "random labels"}.get(noise, f"label noise {noise:g}")
    variant = ", ".join([name, *(f"{key.replace('-', ' ')} {value}" for key, value in schedule.items())])
    options = ended | schedule | ({"label-noise": noise} if noise < 1 else {})
    return random._replace(variant=variant, options=options, picture="")


def with_seed(row, seed):
    """The row of a run with another seed; of seed 0 it is the row itself."""
    return row._replace(options={**row.options, "seed": seed}, picture="", model=False) if seed else row


def seeds(row):
    """The rows of a run with each of its seeds that is here, the row itself first."""
    return [other for seed in range(SEEDS.get(row.network, 1)) if file_of(other := with_seed(row, seed))]


def accuracies(row, split):
    """The accuracy in % on "train" or "test", an array over the seeds that are here; empty where there is none."""
    runs, name = map(run_of, seeds(row)), f"{row.results}{split}_accuracy"
    return np.array([100 * run[name] for run in runs if name in run])


def swept():
    """The rows of Figure 1 (b) and (c), network by network."""
    return [with_noise(network, noise) for network, levels in NOISE.items() for noise in levels.tolist()]


def trained():
    """The rows of all runs that are trained, each once, what takes longest first."""
    rows = {row.name: row for row in TRAINED + swept()}
    return sorted(rows.values(), key=lambda row: -MINUTES.get(row.script, MINUTES[row.network]))


def shown():
    """The rows of the tables whose run is here, each run once."""
    return _once(sum(TABLES.values(), []))


def published():
    """The rows of all runs that are here, each once: the tables', those of the sweeps, other seeds'."""
    others = [other for row in TRAINED + swept() for other in seeds(row)]
    return _once(sum(TABLES.values(), []) + [LARGER_START] + swept() + others)


def with_true_labels():
    """The rows that were trained on true labels alone and tested after every epoch, a list by the data set's name."""
    rows = {}
    for row in published():
        run = run_of(row)
        other = run["settings"].get("label_noise") or row in RADEMACHER + BEYOND or "seed" in row.options
        if "val_accuracy" in run.get("history", {}) and not other:
            rows.setdefault(row.part or row.data, []).append(row)
    return rows


def _once(rows):
    first = {row.name: row for row in reversed(rows)}
    return [first.pop(row.name) for row in rows if row.name in first and file_of(first[row.name])]


def script_of(row):
    """The row's script."""
    return SCRIPTS / row.script


def endings(row):
    """How the row's published file may end; with options it is without its model unless the row says otherwise: other
    files with a model are a user's own trials."""
    return (".run.h5",) if row.options and not row.model else (".h5", ".run.h5")


def file_of(row):
    """The run's published file, with its model or without; None where there is none that can be read."""
    path = next((path for ending in endings(row) if (path := ROOT / (row.name + ending)).exists()), None)
    return path if path and read(path) else None


def model_of(row):
    """The run's published file with its model; None where there is none."""
    path = file_of(row)
    return None if path and path.name.endswith(".run.h5") else path


def run_of(row):
    """The run as of `record.read`, with today's title and names: older files have others."""
    return read(file_of(row)) | {"title": row.title}


def paper_of(row):
    """The paper's training and test accuracy in %, as it prints them; empty where it has none for this run."""
    run = run_of(row)
    return row.paper or tuple(f"{run[f'paper_{split}']:.2f}" for split in ("train", "test") if f"paper_{split}" in run)


@functools.cache
def read(path):
    """A run's file as `record.read` returns it, with today's names; None, and a sentence, if it cannot be read."""
    try:
        run = record.read(path)
    except SystemExit as error:
        print(f"{error}  It is left out.")
        return None
    if "history" in run:
        run["history"] = {RENAMED.get(name, name): values for name, values in run["history"].items()}
    return run
