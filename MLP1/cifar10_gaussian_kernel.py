"""Gaussian kernel on CIFAR-10, without regularization.

The linear model in the space of a Gaussian kernel that fits all training labels with the smallest norm: one solve of
K alpha = y, K_ij = exp(-|x_i - x_j|^2 / (2 s^2)), of norm sqrt(sum over classes of y^T alpha).  It fits true labels and
random ones; after true ones more than half of the test images are right, after random ones a tenth, by chance.
Paper: section 5, Gaussian kernel on pixels: train 100 %, test error 46 %; with --dataset mnist 1.2 %, norm 220.
"""

import time

from cholesky import need_memory, solve
from common import cifar10, data, experiment, label_noise, plot, say

import keras
import numpy as np

PAPER = (100.0, 54.0)  # accuracy in %, train and test

BANDWIDTH = 0.5  # s, as a fraction of the median distance between images
BLOCK = 2000     # rows of K that are worked on at a time


def distances(x, z):
    """|x_i - z_j|^2 of the rows of x and z, of shape (len(x), len(z))."""
    return np.einsum("ij,ij->i", x, x)[:, None] - 2 * x @ z.T + np.einsum("ij,ij->i", z, z)


def median_distance(x):
    """The median distance between the first 2,000 rows of x and the last 2,000."""
    return np.sqrt(np.median(distances(x[:2000], x[-2000:])))


def kernel(x, z, s):
    """exp(-|x_i - z_j|^2 / (2 s^2)) of the rows of x and z, of shape (len(x), len(z))."""
    return np.exp(distances(x, z) * x.dtype.type(-0.5 / s**2))


def load(run):
    """(rows of pixels, labels, images) of the training and test set: CIFAR-10 standardized, MNIST's pixels / 255."""
    if run.dataset != "mnist":
        return [(part.inputs.reshape(len(part.labels), -1), part.labels, part.images)
                for part in cifar10.load(run, data.EVALUATION_BATCH)]
    run.title = run.title.replace("CIFAR-10", "MNIST")
    folder = data.find_folder(run.data, "mnist.npz")
    remedy = "Put Keras' mnist.npz there" if folder else "Connect to the network, try --dataset synthetic"
    with data.reading(folder / "mnist.npz" if folder else "MNIST", remedy):
        parts = np.load(folder / "mnist.npz") if folder else dict(zip(
            ("x_train", "y_train", "x_test", "y_test"), sum(keras.datasets.mnist.load_data(), ()), strict=True))
        splits = [(parts[f"x_{name}"], parts[f"y_{name}"]) for name in ("train", "test")]
        data.identified(run, "c1af96f4ae1ec4fee523444c88a204a1", splits)  # that of Keras' mnist.npz
        return [(np.float32(images[:end].reshape(-1, 784) / 255), labels[:end].astype(int), images[:end])
                for (images, labels), end in zip(splits, (data.limited(run, len(splits[0][1])), None), strict=True)]


def draw(run, path):
    """Draws the four accuracies as bars."""
    figure, axes = plot.subplots(figsize=(7, 4.2))
    for place, (name, color) in enumerate((("train", plot.TRAIN), ("test", plot.TEST))):
        heights = [100 * run[f"{labels}{name}_accuracy"] for labels in ("", "random_")]
        axes.bar_label(axes.bar(np.arange(2) + 0.4 * place, heights, 0.38, label=name, color=color), fmt="%.2f")
        if "paper_test" in run:
            axes.plot([0.4 * place - 0.19, 0.4 * place + 0.19], 2 * [run[f"paper_{name}"]], "k:", label="paper" * place)
    axes.set(xticks=[0.2, 1.2], xticklabels=["true labels", "random labels"], ylabel="accuracy in %", ylim=(0, 110))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    plot.heading(figure, run["title"], f"norm {run['norm']:.0f}, with random labels {run['random_norm']:.0f}")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals(), others=("mnist", "synthetic"))
    (x, labels, images), (test_x, test_labels, _) = load(run)
    began, n = time.perf_counter(), len(x)
    if BLOCK < 1 or BANDWIDTH <= 0 or n < 2:
        raise SystemExit("Give 1 or more --block, a --bandwidth above 0, and 2 or more images.")
    need_memory(4 * n**2 + 12 * BLOCK * n, f"The kernel of {n:,} images", n**2 * (n / 3 + 3 * x.shape[1]) / 9e12)
    random_labels = label_noise.corrupt_labels(labels, images, 1, run.seed)
    s, k = BANDWIDTH * median_distance(x), np.empty((n, n), np.float32)
    for first in range(0, n, BLOCK):  # the lower half of K, all that `solve` reads
        k[first:first + BLOCK, :first + BLOCK] = kernel(x[first:first + BLOCK], x[:first + BLOCK], s)
        say(f"Kernel of {min(first + BLOCK, n):,} of {n:,} images")
    y = np.eye(10)[np.stack([labels, random_labels], axis=1)].reshape(n, 20)
    alpha = solve(k, y, BLOCK)
    norms = np.sqrt((y * alpha).reshape(n, 2, 10).sum(axis=(0, 2)))  # in the kernel's space
    results = {"seconds": time.perf_counter() - began, "width": s, "norm": norms[0], "random_norm": norms[1]}
    for split, rows, true in ("train", x, np.stack([labels, random_labels])), ("test", test_x, test_labels):
        say(f"Evaluating on the {split} images")
        scores = np.concatenate([kernel(rows[i:i + BLOCK], x, s) @ alpha for i in range(0, len(rows), BLOCK)])
        right = scores.reshape(-1, 2, 10).argmax(axis=2).T == true  # (2, images): true labels, random labels
        results[f"{split}_accuracy"], results[f"random_{split}_accuracy"] = right.mean(axis=1)
    run.write(results, draw)
