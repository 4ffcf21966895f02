"""Random convolutional features on CIFAR-10, dual form.

The features of cifar10_random_features.py, 256,000 of them, from as many filters as the paper's: solved for one number
per image, not for one per feature; the Gram matrix is summed up some filters at a time.  Three hours on two cores.
Paper: section 5: 32,000 filters, test error 17 %, with an L2 penalty 15 %.
"""

import kept
from cholesky import add_products, need_memory, solve
from common import cifar10, data, experiment, plot, say

import numpy as np
from random_features import RandomFeatures

FILTERS = 32_000   # patches; each gives eight features
PATCH = 6          # height and width of a filter in pixels
CONTRAST = 10.0    # added to the variance of a patch, of pixels from 0 to 255, before its root divides the patch
WHITENING = 0.1    # added to the variances of the patches so divided
THRESHOLD = 0.25   # what a response must exceed to count
GROUP = 1000       # filters whose features are in memory at a time
KEPT = 4           # groups between two checkpoints on the disk, twice 12 GB, from which an interrupted run goes on
# With centered features K is singular without a penalty.  Far below SMALLEST, float32's rounding is larger.
SMALLEST = 5e-5    # in place of no penalty, in units of the training images' mean squared length
L2 = 0.03          # penalty, in the same units; chosen on training images held out
BLOCK = 2000       # test images whose products are computed at a time


def add_group(products, inputs, count):
    """Adds to `products`, (images, count), those of every image's features with the first `count` images' (among these
    only the lower half).  First standardizes `inputs`, the features, (images, features), on those images, in place."""
    inputs -= inputs[:count].mean(axis=0)
    inputs /= np.sqrt(np.einsum("ij,ij->j", inputs[:count], inputs[:count]) / count) + 1e-8  # std, but without a copy
    add_products(products[:count], inputs[:count].T)
    for first in range(count, len(inputs), BLOCK):
        products[first:first + BLOCK] += inputs[first:first + BLOCK] @ inputs[:count].T


def fit(products, labels, penalty):
    """Ridge regression on the labels' classes in its dual form; returns the outputs for training and test images.

    `products` come from `add_group`; those of the training images are overwritten.  `labels` are the training images';
    `penalty` is in units of the mean squared length of the training images' features, the mean of K's diagonal.
    """
    count, targets = len(labels), np.eye(cifar10.CLASSES, dtype="float32")[labels]
    mean, diagonal = targets.mean(axis=0), np.einsum("ii->i", products[:count])  # the last is a view
    diagonal += (added := penalty * diagonal.mean())
    coefficients = solve(products[:count], targets - mean)
    return targets - added * coefficients, products[count:] @ coefficients + mean  # the first is K alpha + mean, too


def draw(run, path):
    """Draws the errors without penalty, all but, and with it, beside the paper's test errors."""
    (figure, axes), error = plot.subplots(figsize=(6, 4.2)), run["error"]
    for split, color, shift in ("train", plot.TRAIN, -0.2), ("test", plot.TEST, 0.2):
        axes.bar_label(axes.bar(np.arange(2) + shift, 100 * error[split], 0.4, color=color, label=split), fmt="%.1f")
    settings = run["settings"]
    if run["provenance"].get("data") == cifar10.DIGEST and settings["limit"] is None and settings["filters"] == 32_000:
        axes.hlines([17, 15], np.arange(2), np.arange(2) + 0.4, "black", label="paper, test")
    axes.set(xticks=range(2), xticklabels=["hardly any penalty", "L2 penalty"], ylabel="error in %", ymargin=0.2)
    axes.set_title(run["title"], fontsize=11, parse_math=False)
    axes.legend(loc="upper center", ncols=3)
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, data.EVALUATION_BATCH)
    count, total = len(train.labels), len(train.labels) + len(test.labels)
    if min(FILTERS, GROUP, KEPT, BLOCK) < 1 or min(SMALLEST, L2) <= 0:
        raise SystemExit("Give 1 or more of --filters, --group, --kept and --block, --smallest and --l2 above 0.")
    need_memory(4 * total * count + 40 * total * GROUP + 2e9, "The Gram matrix", total * count * FILTERS / 5e11)
    kept.need_disk(run, 8 * total * count)
    features = RandomFeatures(train.images[:20000], run.seed, FILTERS, PATCH, CONTRAST, WHITENING, THRESHOLD)
    before = kept.read(run) or {"products": np.zeros((total, count), "float32"), "filters": 0}
    products = before.pop("products")
    for first in range(before["filters"], FILTERS, GROUP):
        done = min(first + GROUP, FILTERS)
        add_group(products, features(np.concatenate([train.images, test.images]), slice(first, done)), count)
        left = kept.seconds(run) / done * (FILTERS - done) / 60
        say(f"{done:,} of {FILTERS:,} filters, about {left:.0f} minutes for the rest")
        if done == FILTERS or done % (KEPT * GROUP) == 0:
            kept.write(run, products=products, filters=done)
    products, errors = None, []  # `fit` overwrites them, so loads them; two would not fit in memory
    for penalty in SMALLEST, L2:
        outputs = fit(np.load(kept.path(run))["products"], train.labels, penalty)
        errors.append([np.mean(y.argmax(1) != part.labels) for y, part in zip(outputs, (train, test), strict=True)])
    results = {"error": dict(zip(("train", "test"), np.transpose(errors), strict=True))}
    results |= {f"{split}_accuracy": 1 - both[1] for split, both in results["error"].items()}
    run.write(results | {"seconds": kept.seconds(run)}, draw)
    kept.path(run).unlink(missing_ok=True)
