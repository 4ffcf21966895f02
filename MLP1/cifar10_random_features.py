"""Random convolutional features on CIFAR-10.

A hidden layer that is not trained (Coates and Ng, 2012): each filter is a whitened 6x6 patch of a training image; what
exceeds a threshold in its responses, and in their negatives, is averaged over each quarter of an image.  One linear
solve finds the classes' weights.  It sees the whole images, 32x32, as bytes: `images`, not the networks' `inputs`.
Paper: section 5: 32,000 filters, test error 17 %, with an L2 penalty 15 %.
"""

import time

from cholesky import add_products, need_memory, solve
from common import cifar10, data, experiment, plot, say

import numpy as np
from random_features import RandomFeatures

FILTERS = 1000    # patches; each gives eight features
PATCH = 6         # height and width of a filter in pixels
CONTRAST = 10.0   # added to the variance of a patch, of pixels from 0 to 255, before its root divides the patch
WHITENING = 0.1   # added to the variances of the patches so divided
THRESHOLD = 0.25  # what a response must exceed to count
L2 = 0.03         # penalty, in units of the training images' mean squared length; chosen on training images held out


def draw(run, path):
    """Draws the errors over the number of filters, with and without the penalty, beside the paper's test errors."""
    (figure, axes), error = plot.subplots(figsize=(8, 4.2)), run["error"]
    for name, color, paper in ("no penalty", "C0", 17), ("L2 penalty", "C1", 15):
        for split, line in ("test", "o-"), ("train", "o--"):
            axes.plot(error["filters"], 100 * error[f"{name}, {split}"], line, color=color, label=f"{name}, {split}")
        if run["provenance"].get("data") == cifar10.DIGEST and run["settings"]["limit"] is None:
            axes.axhline(paper, color=color, linestyle=":", label=f"paper, {name}, test, 32,000 filters: {paper} %")
    axes.set(xscale="log", xlabel="filters", ylabel="error in %", ylim=(0, None),
             xticks=error["filters"], xticklabels=error["filters"])
    axes.set_title(run["title"], parse_math=False)
    axes.minorticks_off()
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, data.EVALUATION_BATCH)
    n, size, batch = len(train.labels), 8 * FILTERS, data.EVALUATION_BATCH
    if not 0 < size <= n or L2 < 0:
        raise SystemExit(f"Give 1 to {n // 8} --filters, --l2 >= 0.")
    need_memory(16 * size**2 + 2e9, f"The solve for {size:,} features", n * FILTERS / 6e6, "filters, with --filters")
    began, targets = time.perf_counter(), np.eye(10)[train.labels]
    features = RandomFeatures(train.images[:20000], run.seed, FILTERS, PATCH, CONTRAST, WHITENING, THRESHOLD)

    def batches(part):
        for rows in np.split(np.arange(len(part.labels)), range(batch, len(part.labels), batch)):
            yield rows, features(part.images[rows]).astype(float)

    gram, moments, sums = np.zeros((size, size)), np.zeros((size, 10)), np.zeros(size)
    for rows, x in batches(train):
        add_products(gram, x)
        moments += x.T @ (targets[rows] - targets.mean(axis=0))
        sums += x.sum(axis=0)
        say(f"Features of {rows[-1] + 1:,} of {n:,} images")
    mean, diagonal = sums / n, np.einsum("ii->i", gram)  # the last is a view
    gram -= np.outer(sums, mean)  # here and below as if the features had been standardized before
    scale = np.sqrt(np.maximum(diagonal / n, 0)) + 1e-8
    gram /= scale
    gram /= scale[:, None]
    moments /= scale[:, None]
    counts, weights = np.array(sorted({max(1, FILTERS // part) for part in (32, 16, 8, 4, 2, 1)})), []
    squares = diagonal.copy()
    for count in 8 * counts:
        for penalty in 1e-8, L2:  # 1e-8 stands for none, lest filters that are alike make the system singular
            diagonal[:] = squares + penalty * squares[:count].sum() / n
            weights.append(solve(gram[:count, :count].copy(), moments[:count]))
    results = {"error": {"filters": counts}}
    for split, part in ("train", train), ("test", test):
        wrong = 0
        for rows, x in batches(part):
            x = (x - mean) / scale
            wrong += np.array([(x[:, :len(w)] @ w + targets.mean(axis=0)).argmax(axis=1) != part.labels[rows]
                               for w in weights]).sum(axis=1)
        errors = wrong.reshape(-1, 2).T / len(part.labels)
        results["error"] |= {f"no penalty, {split}": errors[0], f"L2 penalty, {split}": errors[1]}
        results[f"{split}_accuracy"] = 1 - errors[1, -1]
    run.write(results | {"seconds": time.perf_counter() - began}, draw)
