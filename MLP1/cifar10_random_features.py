"""Random convolutional features on CIFAR-10.

A hidden layer that is not trained (Coates and Ng, 2012): each filter is a whitened 6x6 patch of a training image, and
its response, positive and negative part, is averaged over each quarter.  One linear solve finds the classes' weights.
Paper: section 5: 32,000 filters, test error 17 %, with an L2 penalty 15 %, maybe of a Gaussian kernel on the features.
"""

import time

from cholesky import add_products, need_memory, solve
from common import cifar10, data, experiment, plot, say

import keras
import numpy as np

FILTERS = 1000    # patches; each gives eight features
PATCH = 6         # height and width of a filter in pixels
WHITENING = 0.01  # added to the variances of the patches, as a fraction of the largest one
L2 = 0.001        # penalty, as a fraction of the features' mean square; chosen on training images held out


def random_filters(images, random, count):
    """Patches from random places of random images, whitened: float32 of shape (PATCH, PATCH, 3, count)."""
    rows, tops, lefts = (random.randint(0, high, 20 * count)
                         for high in (len(images), images.shape[1] - PATCH + 1, images.shape[2] - PATCH + 1))
    patches = np.stack([images[row, top:top + PATCH, left:left + PATCH].ravel()
                        for row, top, left in zip(rows, tops, lefts, strict=True)])
    patches -= patches.mean(axis=1, keepdims=True)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    whiten = directions / np.sqrt(variances + WHITENING * variances[-1]) @ directions.T  # about covariance**-0.5
    filters = patches[np.ptp(patches, axis=1) > 0][:count] @ whiten  # flat patches, now all 0, have no direction
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)
    return (whiten @ filters.T).reshape(PATCH, PATCH, 3, count).astype("float32")  # for images that are not whitened


def features(images, filters):
    """Maps images, (batch, 28, 28, 3), to float64 of shape (batch, 8 * filters), each filter's eight in a row."""
    if filters.shape[-1] > 256:  # The responses of more to a batch of images are a GB and more.
        return np.hstack([features(images, half) for half in np.array_split(filters, 2, axis=-1)])
    responses, half = keras.ops.conv(images, filters), (images.shape[1] - len(filters) + 1) // 2  # 11 of 23 responses
    parts = [keras.ops.average_pool(keras.ops.relu(sign * responses), half, half) for sign in (1, -1)]
    both = keras.ops.convert_to_numpy(keras.ops.stack(parts, axis=-1)).astype("float64")  # (batch, 2, 2, filters, 2)
    return both.transpose(0, 3, 1, 2, 4).reshape(len(both), -1)


def draw(run, path):
    """Draws the errors over the number of filters, with and without the penalty, beside the paper's test errors."""
    (figure, axes), error = plot.subplots(figsize=(8, 4.2)), run["error"]
    for name, color, paper in ("no penalty", "C0", 17), ("L2 penalty", "C1", 15):
        for split, line in ("test", "o-"), ("train", "o--"):
            axes.plot(error["filters"], 100 * error[f"{name}, {split}"], line, color=color, label=f"{name}, {split}")
        if run["settings"]["dataset"] == "cifar10":
            axes.axhline(paper, color=color, linestyle=":", label=f"paper, {name}, test, 32,000 filters: {paper} %")
    axes.set(xscale="log", xlabel="filters", ylabel="error in %", ylim=(0, None),
             xticks=error["filters"], xticklabels=error["filters"])
    axes.set_title(run["title"], parse_math=False)
    axes.minorticks_off()
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = (batches.for_evaluation() for batches in cifar10.load(run, data.EVALUATION_BATCH))
    n, size = len(train.labels), 8 * FILTERS
    if not 0 < size <= n or not 0 < PATCH <= 25 or WHITENING <= 0 or L2 < 0:
        raise SystemExit(f"Give 1 to {n // 8} --filters, a --patch of 1 to 25 pixels, --whitening > 0, --l2 >= 0.")
    need_memory(16 * size**2 + 2e9, f"The solve for {size:,} features", n * FILTERS / 6e6, "filters, with --filters")
    gram, moments, began = np.zeros((size, size)), np.zeros((size, 10)), time.perf_counter()
    filters = random_filters(train.inputs[:20000], np.random.RandomState(run.seed), FILTERS)
    for number, (images, labels) in enumerate(map(train.__getitem__, range(len(train))), 1):
        x = features(images, filters)
        add_products(gram, x)
        moments += x.T @ np.eye(10)[labels]
        say(f"Features of batch {number} of {len(train)}")
    counts, weights = np.array(sorted({max(1, FILTERS // part) for part in (32, 16, 8, 4, 2, 1)})), []
    diagonal, squares = np.einsum("ii->i", gram), np.diag(gram).copy()  # the first is a view
    for count in counts:  # Above 107 filters, 6 * 6 * 3 - 1, features depend on others: 1e-8 stands for no penalty.
        for penalty in 1e-8, L2:
            diagonal[:] = squares + penalty * squares.mean()
            weights.append(solve(gram[:8 * count, :8 * count].copy(), moments[:8 * count]))
    results = {"error": {"filters": counts}}
    for split, batches in ("train", train), ("test", test):
        wrong = sum(np.array([(x[:, :len(w)] @ w).argmax(axis=1) != labels for w in weights]).sum(axis=1)
                    for images, labels in map(batches.__getitem__, range(len(batches)))
                    for x in [features(images, filters)])
        errors = wrong.reshape(-1, 2).T / len(batches.labels)
        results["error"] |= {f"no penalty, {split}": errors[0], f"L2 penalty, {split}": errors[1]}
        results[f"{split}_accuracy"] = 1 - errors[1, -1]
    run.write(results | {"seconds": time.perf_counter() - began}, draw)
