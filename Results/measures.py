"""Which measure knows?  What a network's weights say of how well it generalizes, from the published .h5 files alone.

    python Results/measures.py                some minutes; in the end writes measures.csv and margins.csv, for draw.py

After Zhang et al. (2017) many measures were proposed that should tell a network that generalizes from one that has
memorized.  Bartlett, Foster and Telgarsky (2017): the margins of the training images over the product of the spectral
norms (here without the factor by which their bound corrects it); they showed it on one network, with true and with
random labels.  Neyshabur et al. (2017, "Exploring
generalization"): norms and path norms over the margin, and sharpness.  Nagarajan and Kolter (2017): the distance from
the start.  Jiang et al. (2020, "Fantastic generalization measures"): over thousands of networks with true labels, norms
correlate with the gap between training and test accuracy badly or the wrong way, sharpness best.

What came out here (figures: README.md): with random labels, and the same regularizers, path norm, product of Frobenius
norms and sharpness are larger in every pair, and the median margin is smaller, alone and over the path norm.  Over all
networks sharpness goes best with the gap, and norms badly: the path norm weakly, the others the wrong way.  Among those
with true labels, the only ones that Jiang et al. looked at, the median margin goes best, sharpness weakly, and both
products, and the margin over the spectral one, strongly the wrong way: the gap differs mostly between architectures,
and the networks of many layers, whose products are large, have the small gaps.
The margin over the spectral product is smaller with random labels, as Bartlett et al. say, in every pair whose learning
rate began the same; in the two where it began lower for random labels, Mini Inception with weight decay and without
batch norm, it is larger: it tells of the learning rate, too.  And no norm is universal: with weight decay on random
labels alone, most are smaller.

Batch norm is folded into the convolution before it.  A layer is the linear map that it is, from its input at its actual
size, with its padding and strides.  Products are over all layers with weights, those of parallel branches too; pooling
and local response normalization count as 1.  The path norm is the root of the outputs' sum for an image of ones, with
all weights squared, no offsets and no normalization, and pooling as it is; offsets are left out of all norms but
the distance from the start.
"""

import argparse
import csv
import functools
import runpy
import types

import catalog
import common.layers  # noqa: F401 - for Keras to load Mini Alexnet
import spreadsheets
from common import cifar10, say

import keras
import numpy as np
from keras import layers, ops

IMAGES = 2000        # training images, the first ones, for the margins
LOW = 10             # % of the images that have a smaller margin than the low one
BINS = 60            # of the margins' histograms
NOISE = 0.2          # sharpness: size of a layer's noise, as a fraction of its weights' root mean square
NOISE_IMAGES = 500   # training images, the first ones, for the sharpness
DRAWS = 3            # of the noise
VECTORS = 4          # of the power iteration: several converge sooner than one
TOLERANCE = 1e-4     # relative, of the spectral norm between two steps

# Measure: its name in pictures, and whether it is said to be larger (1) or smaller (-1) where the gap is larger
MEASURES = {"spectral_product": ("product of spectral norms", 1),
            "frobenius_product": ("product of Frobenius norms", 1),
            "path_norm": ("path norm", 1), "distance": ("distance from the start", 1),
            "margin_low": (f"margin, {LOW} % quantile", -1), "margin_median": ("margin, median", -1),
            "margin_over_spectral": ("median margin / spectral product", -1),
            "margin_over_path": ("median margin / path norm", -1), "sharpness": ("sharpness", 1)}


def rows():
    """The rows of the networks on CIFAR-10 that are here with their weights, those with coins for labels left out."""
    return [row for row in catalog.CIFAR10 + catalog.RANDOMNESS + catalog.REGULARIZED
            if catalog.model_of(row)]


def gap(row):
    """Points between the training accuracy, on the labels that were fitted, and the test accuracy of a row's run."""
    run = catalog.run_of(row)
    return 100 * (run["train_accuracy"] - run["test_accuracy"])


def pairs(rows, against=""):
    """Yields of these rows those of a network with true labels and with random ones, as (true, random).

    The regularizers are the same; but with `against`, one of them, that was used with the random labels alone.
    """
    there = {(row.network, "" if row == catalog.FASTER else row.variant): row for row in rows}
    for row in rows:
        parts = row.variant.split(", ")
        true = row.network, ", ".join(part for part in parts if part not in ("random labels", against))
        if "random labels" in parts and true in there and (not against or against in parts):
            yield there[true], row


def as_claimed(found, name, pairs):
    """In how many pairs a measure is larger, or smaller, for random labels, as it is said to be."""
    return sum((found[random.name][0][name] - found[true.name][0][name]) * MEASURES[name][1] > 0
               for true, random in pairs)


def fold(model):
    """Puts each batch norm's factor, gamma / sqrt(variance + epsilon), into the layer before: the same function."""
    for norm in model.layers:
        if isinstance(norm, layers.BatchNormalization):
            before = norm.input._keras_history.operation
            factor = ops.rsqrt(norm.moving_variance + norm.epsilon) * (norm.gamma if norm.scale else 1)
            norm.beta.assign(norm.beta - norm.moving_mean * factor)
            norm.moving_mean.assign(0 * norm.moving_mean)
            norm.moving_variance.assign(0 * norm.moving_variance + 1 - norm.epsilon)
            if norm.scale:
                norm.gamma.assign(0 * norm.gamma + 1)
            before.kernel.assign(before.kernel * factor)
            if before.use_bias:
                before.bias.assign(before.bias * factor)


def weighted(model):
    """The layers that have weights, batch norm left out."""
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


def spectral_norm(layer):
    """The largest singular value of a layer's linear map; of convolutions by power iteration, with its transpose."""
    if isinstance(layer, layers.Dense):
        return np.linalg.norm(layer.kernel, 2)
    how, norm = (layer.kernel, layer.strides, layer.padding), 0
    shape = VECTORS, *layer.input.shape[1:]
    x = np.random.RandomState(0).standard_normal(shape).astype("float32")
    while True:
        x = np.linalg.qr(x.reshape(VECTORS, -1).T)[0].T.reshape(shape)
        y = ops.conv(x, *how)
        before, norm = norm, np.linalg.norm(np.reshape(y, (VECTORS, -1)), 2)
        if norm <= before * (1 + TOLERANCE):
            return norm
        x = np.array(ops.conv_transpose(y, *how))  # exact where the size is a multiple of the strides, as it is here


def frobenius_norm(layer):
    """The root of the sum of squares of a layer's linear map, in which a filter appears once for every place."""
    if isinstance(layer, layers.Dense):
        return np.linalg.norm(layer.kernel)
    ones = ops.ones((1, *layer.input.shape[1:]))
    return np.sqrt(np.sum(ops.conv(ones, ops.square(layer.kernel), layer.strides, layer.padding)))


def path_norm(model):
    """The root of the sum, over all paths from an input to an output, of the products of squared weights."""
    def without_normalization(layer):
        if "LocalResponse" in type(layer).__name__:
            return layers.Identity(name=layer.name)
        as_it_starts = {"epsilon": 0} if isinstance(layer, layers.BatchNormalization) else {}  # which changes nothing
        return type(layer).from_config(layer.get_config() | as_it_starts)

    squared = keras.models.clone_model(model, clone_function=without_normalization)
    for of, to in zip(weighted(model), weighted(squared), strict=True):
        to.kernel.assign(ops.square(of.kernel))
        if to.use_bias:
            to.bias.assign(0 * to.bias)
    return np.sqrt(np.sum(squared(ops.ones((1, *model.input_shape[1:])))))


def start(script, seed):
    """The weights that a script's training starts from: nothing is drawn between the seed and the network."""
    keras.utils.set_random_seed(seed)
    return runpy.run_path(str(script))["build_model"]().trainable_variables


def distance(model, beginning):
    """The norm of the difference between a model's trainable weights, batch norm not folded, and those at its start."""
    return np.sqrt(sum(float(ops.sum(ops.square(now - then)))
                       for now, then in zip(model.trainable_variables, beginning, strict=True)))


def margins(model, images, labels):
    """By how much the logit of an image's label, the one that was fitted, is above the largest other one."""
    logits = model.predict(images, batch_size=250, verbose=0)
    own = np.eye(logits.shape[1], dtype=bool)[labels]
    return logits[own] - np.where(own, -np.inf, logits).max(axis=1)


def accuracy_under_noise(model, images, labels):
    """Training accuracy, from 0 to 1, under Gaussian noise on all kernels, relative to each; the mean of the draws."""
    random, kernels = np.random.RandomState(0), [layer.kernel for layer in weighted(model)]
    weights, accuracies = list(map(ops.convert_to_numpy, kernels)), []
    for _ in range(DRAWS):
        for kernel, values in zip(kernels, weights, strict=True):
            kernel.assign(values + NOISE * np.sqrt(np.mean(values**2)) * random.standard_normal(values.shape))
        accuracies.append(np.mean(margins(model, images, labels) > 0))
    for kernel, values in zip(kernels, weights, strict=True):
        kernel.assign(values)
    return np.mean(accuracies)


def norms(model):
    """The measures of a model, its batch norm folded, that no image is needed for."""
    return {"spectral_product": np.prod([float(spectral_norm(layer)) for layer in weighted(model)]),
            "frobenius_product": np.prod([float(frobenius_norm(layer)) for layer in weighted(model)]),
            "path_norm": float(path_norm(model))}


def measure(model, images, labels, beginning):
    """All measures of a model by their names, and its margins; folds the model's batch norm."""
    far = distance(model, beginning)
    fold(model)
    found, each = norms(model), margins(model, images, labels)
    low, median = np.percentile(each, (LOW, 50))
    return found | {"distance": far, "margin_low": low, "margin_median": median,
                    "margin_over_spectral": median / found["spectral_product"],
                    "margin_over_path": median / found["path_norm"],
                    "sharpness": np.mean(each[:NOISE_IMAGES] > 0) - accuracy_under_noise(
                        model, images[:NOISE_IMAGES], labels[:NOISE_IMAGES])}, each


def ranks(values):
    """Sign of each value's difference to each other one."""
    return np.sign(np.subtract.outer(values, values))


def spearman(x, y):
    """Rank correlation, equal values having their mean rank: a row's sum is linear in the rank."""
    return np.corrcoef(ranks(x).sum(axis=1), ranks(y).sum(axis=1))[0, 1]


def kendall(x, y):
    """Rank correlation of pairs, tau-b: those in the same order less those in the opposite one."""
    x, y = ranks(x), ranks(y)
    return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())


def read(name):
    """The lines of measures.csv or margins.csv, by the name of their run: lists of dicts, numbers as floats; of the
    models that are here."""
    lines = read_all(name)
    return {row.name: lines[row.name] for row in rows() if row.name in lines}


def read_all(name):
    """The same, of all models."""
    path, lines = catalog.ROOT / "Results" / f"{name}.csv", {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                lines.setdefault(line.pop("name"), []).append({key: float(value) for key, value in line.items()})
    return lines


@functools.cache
def examples(folder, label_noise, seed, transform=None):
    """The training images, and the labels to fit, that the margins are of."""
    run = types.SimpleNamespace(dataset="cifar10", data=folder, limit=IMAGES, seed=seed, provenance={})
    train, _ = cifar10.load(run, IMAGES, label_noise, transform=transform)
    return train.inputs, train.labels


def measured(row, folder=None):
    """All measures of a row's model by their names, and its margins; `folder` is where the data set is."""
    settings, script = catalog.run_of(row)["settings"], catalog.script_of(row)
    transform = settings.get("transform") and runpy.run_path(str(script))[settings["transform"]]
    return measure(keras.models.load_model(catalog.file_of(row), compile=False),
                   *examples(folder, settings.get("label_noise") or 0, settings["seed"], transform),
                   start(script, settings["seed"]))


def begins_alike(row):
    """Whether this backend begins with the weights that the row's model began with: each draws its own."""
    return keras.backend.backend() in catalog.run_of(row)["versions"]


def main():
    lines, bins = [], []
    if absent := sorted(read_all("measures").keys() - {row.name for row in rows()}):
        raise SystemExit(f"{len(absent)} of the models in Results/measures.csv are not here, {absent[0]}.h5 the first; "
                         f"their lines would be lost. {catalog.BRING_BACK}, or delete their lines.")
    for row in rows():
        if not begins_alike(row):
            raise SystemExit(f"{row.label} was not trained with {keras.backend.backend()}, which begins with other "
                             "weights. Set KERAS_BACKEND to what it was trained with.")
    for number, row in enumerate(rows(), 1):
        found, each = measured(row)
        lines.append([{"name": row.name}, found])
        counts, edges = np.histogram(each, BINS)
        bins += [[{"name": row.name, "from": low, "to": high, "images": int(count)}]
                 for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)]
        say(f"{number} of {len(rows())}, {row.label}: " + ", ".join(f"{name} {found[name]:.3g}" for name in MEASURES))
    for name, written in ("measures", lines), ("margins", bins):
        spreadsheets.write(catalog.ROOT / "Results" / f"{name}.csv", written)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
