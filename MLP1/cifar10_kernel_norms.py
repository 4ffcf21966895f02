"""Norm and test error of Gaussian kernels on CIFAR-10.

Of all functions that fit the labels, that with K alpha = y has the smallest norm, sqrt(sum over classes of y^T alpha).
Does the norm tell how wrong it is on new images?  Fitted here, on raw pixels / 255 and on standardized images: true
labels; random ones; and the bad interpolant, from the same K: IMAGES true labels, and wrong ones on EXTRA images more.
All fit.  For one K, labels with a larger norm have a larger error.  But more true labels have a larger norm and a
smaller error, and a narrow kernel has a smaller norm and a larger error: by itself the norm predicts nothing.
Paper: section 5, MNIST: norm 220 and 1.2 % test error on pixels, 390 and 0.6 % after a Gabor wavelet transform.
"""

import time

from cholesky import need_memory, solve
from cifar10_gaussian_kernel import kernel, median_distance
from common import cifar10, data, experiment, label_noise, plot, say

import numpy as np

IMAGES = 10_000  # training images that keep their labels in the bad interpolant
EXTRA = 10_000   # further training images: the bad interpolant gives a quarter, half, all of them wrong labels
BANDWIDTH = 0.5  # s, as a fraction of the median distance between images
NARROW = 3       # the narrow kernel has s / NARROW: it is K**(NARROW**2); fitted to IMAGES true labels
BLOCK = 2000     # rows of K that are worked on at a time

PIXELS = {"raw": lambda images: images / np.float32(255), "standardized": cifar10.standardize}
KINDS = {"true": ("true labels", "C0o-"), "wrong": ("bad interpolant: true labels, then wrong ones", "C3o-"),
         "random": ("random labels", "C7o-"), "narrow": ("true labels, narrow kernel", "C0D")}


def wrong_labels(labels, images, seed):
    """For each image one of the nine classes that it is not of, drawn as `label_noise.corrupt_labels` draws."""
    return (labels + 1 + label_noise.corrupt_labels(labels, images, 1, seed, classes=9)) % 10


def solved(k, test_k, fitted, test_labels):
    """Fits each column of `fitted`, labels, (images, kinds); returns norms, training and test errors, (3, kinds)."""
    y = np.eye(10)[fitted].reshape(len(k), -1)
    alpha = solve(k.copy(), y, BLOCK)
    errors = [(scores.reshape(len(scores), -1, 10).argmax(axis=2) != labels).mean(axis=0)
              for scores, labels in ((k @ alpha, fitted), (test_k @ alpha, test_labels[:, None]))]
    return np.array([np.sqrt((y * alpha).sum(axis=0).reshape(-1, 10).sum(axis=1)), *errors])


def draw(run, path):
    """Draws test error over norm, a line for each kind of labels, a point for each number of images."""
    figure, (panels,) = plot.subplots(1, len(PIXELS), figsize=(11, 5.4), squeeze=False)
    for axes, pixels in zip(panels, PIXELS, strict=True):
        for kind, (name, style) in KINDS.items():
            norms, _, errors = run[pixels][kind]
            axes.plot(norms, 100 * errors, style, label=name)
            for count, norm, error in zip(run[pixels]["images"], norms, 100 * errors, strict=False):
                axes.annotate(f"{count:,}", (norm, error), (0, -16 if kind == "true" else 7), ha="center", fontsize=8,
                              textcoords="offset points")
        axes.set(xlabel="norm of the solution", ylabel="test error in %", ylim=(0, 100), title=f"{pixels} pixels")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", title="numbers: images fitted")
    worst = max(np.max(run[pixels][kind][1]) for pixels in PIXELS for kind in KINDS)
    plot.heading(figure, run["title"], f"training error {100 * worst:.2f} % at most")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, data.EVALUATION_BATCH)
    n, began = IMAGES + EXTRA, time.perf_counter()
    if min(IMAGES - 1, BLOCK) < 1 or EXTRA < 0 or n > len(train.labels) or min(BANDWIDTH, NARROW) <= 0:
        raise SystemExit(f"Give 2 to {len(train.labels):,} --images, --extra ones included, and others above 0.")
    counts, true, images = IMAGES + EXTRA * np.array([0, 1, 2, 4]) // 4, train.labels[:n], train.images[:n]
    memory = 4 * n * (max(2 * n, n + 2 * IMAGES**2 // n) + 2 * len(test.labels) + 3 * BLOCK) + 16 * 2352 * (
        n + len(test.labels))
    work = 2 * (2352 * n * (n + 2 * len(test.labels)) + sum(counts.astype(float)**3) / 3)
    need_memory(memory, f"The kernel of {n:,} images", work / 4e10 / 60, "images, with --images and --extra")
    fitted = np.stack([true, true, label_noise.corrupt_labels(true, images, 1, run.seed)], axis=1)
    fitted[IMAGES:, 1] = wrong_labels(true[IMAGES:], images[IMAGES:], run.seed)
    results = {}
    for pixels, scale in PIXELS.items():
        x, new = (scale(cifar10.central(part)).reshape(len(part), -1) for part in (images, test.images))
        s, k = BANDWIDTH * median_distance(x), np.empty((n, n), "float32")
        for first in range(0, n, BLOCK):
            k[first:first + BLOCK, :first + BLOCK] = kernel(x[first:first + BLOCK], x[:first + BLOCK], s)
            k[:first, first:first + BLOCK] = k[first:first + BLOCK, :first].T
            say(f"{pixels} pixels: kernel of {min(first + BLOCK, n):,} of {n:,} images")
        test_k = np.concatenate([kernel(new[i:i + BLOCK], x, s) for i in range(0, len(new), BLOCK)])
        found = np.stack([solved(k[:m, :m], test_k[:, :m], fitted[:m], test.labels) for m in counts], axis=2)
        narrow = solved(k[:IMAGES, :IMAGES]**NARROW**2, test_k[:, :IMAGES]**NARROW**2, fitted[:IMAGES, :1], test.labels)
        results[pixels] = dict(images=counts, narrow=narrow, true=found[:, 0], wrong=found[:, 1], random=found[:, 2])
        say(f"{pixels} pixels, (norm, training error, test error): {results[pixels]}")
    _, results["train_accuracy"], results["test_accuracy"] = 1 - results[pixels]["true"][:, -1]
    run.write(results | {"seconds": time.perf_counter() - began}, draw)
