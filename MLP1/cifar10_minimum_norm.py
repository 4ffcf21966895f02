"""SGD finds the solution of minimum norm on CIFAR-10.

A linear model, two classes, fewer images than pixels: infinitely many weights fit all labels, X w = y.  A step of SGD,
w -= rate * (<w, x_i> - y_i) x_i, adds a multiple of an image.  So from zero w stays a combination of images, X^T alpha,
and just one of these fits, X X^T alpha = y: the solution of smallest norm.  From a random start the part of w that is
orthogonal to all images stays forever: it fits as well, and has a larger norm and a larger test error.  The loss cannot
tell them apart: it is 0 at both, of one curvature, 2 X^T X / n.  Under a minute, 2 GB; more images take more epochs.
Paper: section 5.
"""

import time

from cholesky import solve
from common import cifar10, data, experiment, plot, say

import numpy as np

CLASSES = 8, 6          # of CIFAR-10: ships, whose label is 1, and frogs, -1
IMAGES = 300            # training images, fewer than the 2,352 inputs, 28 x 28 pixels of three colors
EPOCHS = 1000           # passes over them, one image in a step
LEARNING_RATE = 0.0004  # below 2 / |x|^2 of every image, which is 2 / 2352
START = 0.1             # standard deviation of the random start's weights

STARTS = {"SGD from zero": "C0", "SGD from a random start": "C1"}


def minimum_norm(x, y):
    """The w of smallest norm with X w = y, X of shape (images, pixels): w = X^T alpha, where X X^T alpha = y."""
    return x.T @ solve(x @ x.T, y[:, None])[:, 0]


def sgd(x, y, w, random):
    """Trains weights w, (starts, pixels), in place, for one epoch on images x, (images, pixels), in random order."""
    for i in random.permutation(len(x)):
        w -= LEARNING_RATE * (w @ x[i] - y[i])[:, None] * x[i]


def draw(run, path):
    """Draws distance to the minimum-norm solution, loss and norm over the epochs, and the three solutions as images."""
    figure, (above, below) = plot.subplots(2, 3, figsize=(11, 7.6))
    solutions = run["solutions"]
    for axes, name in zip(above, ("distance", "loss", "norm"), strict=True):
        for (start, color), values in zip(STARTS.items(), run["curves"][name].T, strict=True):
            axes.plot(values, color=color, label=start)
        axes.set(xlabel="epoch", yscale="linear" if name == "norm" else "log")
        axes.grid(alpha=0.3)
    above[0].set(title="distance to the minimum-norm solution")
    above[0].axhline(run["unseen"], color="black", linestyle=":", label="part of the start that no image sees")
    above[1].set(title="training loss")
    above[2].set(title="norm of the weights", ylim=(0, None))
    above[2].axhline(solutions["norm"][0], color="black", linestyle=":", label="minimum norm")
    for axes, height in zip(above, (0.92, 1, 0.6), strict=True):  # where no curve is
        axes.legend(fontsize=8, loc="upper right", bbox_to_anchor=(1, height))
    for k, (axes, name) in enumerate(zip(below, ("minimum norm, solved for", *STARTS), strict=True)):
        weights = solutions["weights"][k].reshape(28, 28, 3)
        axes.imshow(0.5 + 0.5 * weights / np.abs(weights).max())
        axes.set(xticks=[], yticks=[], title=f"weights of {name}\nnorm {solutions['norm'][k]:.2f}, " + ", ".join(
            f"{split} {100 * solutions[split][k]:.1f} %" for split in ("train", "test")))
    plot.heading(figure, run["title"], "below: the weights as an image, each on a scale of its own")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    began, random, parts = time.perf_counter(), np.random.RandomState(run.seed), []
    for part in cifar10.load(run, data.EVALUATION_BATCH):
        rows = np.flatnonzero(np.isin(part.labels, CLASSES))
        parts += part.inputs[rows].reshape(len(rows), -1).astype(float), 2.0 * (part.labels[rows] == CLASSES[0]) - 1
    x, y, test_x, test_y = parts  # (images, pixels) and labels, 1 and -1
    if not 1 <= IMAGES <= min(len(x), x.shape[1] - 1) or not 0 < LEARNING_RATE < 2 / x.shape[1] or EPOCHS < 1:
        raise SystemExit(f"Give 1 to {min(len(x), x.shape[1] - 1):,} --images (no more are there, or inputs), a "
                         f"--learning-rate between 0 and {2 / x.shape[1]:.2g}, and 1 or more --epochs.")
    x, y = x[:IMAGES], y[:IMAGES]
    smallest, start = minimum_norm(x, y), START * random.standard_normal(x.shape[1])
    unseen = np.linalg.norm(start - minimum_norm(x, x @ start))  # of the part of start orthogonal to all images
    say(f"{EPOCHS * IMAGES:,} steps of SGD, about {EPOCHS * IMAGES * 1e-4:.0f} seconds")
    w, curves = np.stack([0 * start, start]), []
    for epoch in range(EPOCHS + 1):
        if epoch:
            sgd(x, y, w, random)
        distances = np.linalg.norm(w - smallest, axis=1)
        curves.append([distances, ((np.einsum("sp,np->sn", w, x) - y)**2).mean(axis=1), np.linalg.norm(w, axis=1)])
        if epoch % 100 == 0:
            say(f"Epoch {epoch:,} of {EPOCHS:,}: distance {distances[0]:.1e}, {distances[1]:.4f}")
    weights = np.stack([smallest, *w])
    train, test = (np.mean(weights @ part.T * labels > 0, axis=1) for part, labels in ((x, y), (test_x, test_y)))
    results = {"train_accuracy": train[1], "test_accuracy": test[1], "unseen": unseen}
    results["solutions"] = {"weights": weights, "norm": np.linalg.norm(weights, axis=1), "train": train, "test": test}
    results["curves"] = dict(zip(("distance", "loss", "norm"), np.moveaxis(curves, 1, 0), strict=True))
    run.write(results | {"seconds": time.perf_counter() - began}, draw)
