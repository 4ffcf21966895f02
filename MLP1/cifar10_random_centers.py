"""Gaussian kernel on CIFAR-10, random centers.

Almost any n centers c_j give a function that fits n images: sum of alpha_j exp(-|x - c_j|^2 / (2 s^2)), with
K alpha = y, K_ij = exp(-|x_i - c_j|^2 / (2 s^2)).  With the images themselves as centers it is the one with the
smallest norm.  Here a share of the centers is drawn instead: noise with the images' mean and covariance, or other
training images.  All fit the same labels; but with some random centers the norm is far larger, and the answers for
new images are little more than guesses.
Paper: section 5: solutions that fit, but with random centers, have a larger norm and a large test error.
"""

import time

from cholesky import need_memory
from cifar10_gaussian_kernel import kernel, median_distance
from common import cifar10, data, experiment, plot, say

import numpy as np

IMAGES = 10_000  # training images that are fitted; the other images that are centers follow on them
BANDWIDTH = 0.5  # s, as a fraction of the median distance between images
SHARES = 0.001, 0.01, 0.1, 1  # of the centers that are drawn; the others are the images fitted


def noise_like(x, random):
    """Gaussian noise of the shape of x, (n, values), with the mean and the covariance of the rows of x."""
    return x.mean(axis=0) + random.standard_normal((len(x), len(x))) @ (x - x.mean(axis=0)) / np.sqrt(len(x))


def solved(centers, s, fitted, test):
    """Fits the labels of `fitted`, (rows, labels), with these centers; returns the norm, and the errors on both."""
    k, y = kernel(fitted[0], centers, s), np.eye(10)[fitted[1]]
    try:
        alpha = np.linalg.solve(k, y)
    except np.linalg.LinAlgError:
        alpha = np.full_like(y, np.nan)
    if not abs((outputs := k @ alpha) - y).max() < 1e-3:
        raise SystemExit("K alpha = y cannot be solved in float64: two images are all but equal, or the --bandwidth is "
                         "too small or too large.")
    errors = [np.mean(scores.argmax(axis=1) != labels)
              for scores, labels in ((outputs, fitted[1]), (kernel(test[0], centers, s) @ alpha, test[1]))]
    return np.sqrt((alpha * (kernel(centers, centers, s) @ alpha)).sum()), *errors


def draw(run, path):
    """Draws test error over norm, a color for each kind of random centers, a point for each share of them."""
    figure, axes = plot.subplots(figsize=(9, 5))
    for (kind, (norms, _, errors)), style, up in zip(run["solutions"].items(), ("C0o", "C1s"), (9, -17), strict=True):
        axes.plot(norms, 100 * errors, style, label=kind)
        for share, norm, error in zip(run["shares"], norms, 100 * errors, strict=True):
            axes.annotate(f"{100 * share:g} %", (norm, error), (0, up), ha="center", color=style[:2],
                          textcoords="offset points")
    axes.axhline(90, color="black", linestyle=":", label="chance")
    axes.set(xscale="log", xlabel="norm of the solution", ylabel="test error in %", ylim=(0, 100))
    axes.legend(loc="lower right", title="random centers, and their share")
    worst = max(errors.max() for _, errors, _ in run["solutions"].values())
    plot.heading(figure, run["title"], f"training error {100 * worst:.2f} % at most")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, data.EVALUATION_BATCH)
    if not 2 <= IMAGES <= len(train.labels) // 2 or BANDWIDTH <= 0:
        raise SystemExit(f"Give 2 to {len(train.labels) // 2:,} --images, a --bandwidth above 0.")
    need_memory((40 * IMAGES + 1e5) * max(IMAGES, len(test.labels)), f"The kernel of {IMAGES:,} images",
                (IMAGES / 1e4)**3 * (1 + 2 * len(SHARES)), "images, with --images")
    began = time.perf_counter()
    x, others, new = (part.reshape(len(part), -1).astype(float) for part in (
        train.inputs[:IMAGES], train.inputs[IMAGES:2 * IMAGES], test.inputs))
    s, splits = BANDWIDTH * median_distance(x), [(x, train.labels[:IMAGES]), (new, test.labels)]
    own, solutions = solved(x, s, *splits), {}
    counts = [max(1, round(share * IMAGES)) for share in SHARES]
    for kind, drawn in ("noise", noise_like(x, np.random.RandomState(run.seed))), ("other images", others):
        found = [own]
        for count in counts:
            found.append(solved(np.concatenate([drawn[:count], x[count:]]), s, *splits))
            say("{}, {:,} of {:,} centers: norm {:.0f}, training error {:.2%}, test error {:.2%}".format(
                kind, count, IMAGES, *found[-1]))
        solutions[kind] = np.transpose(found)
    _, train_error, test_error = solutions["noise"][:, -1]
    run.write({"shares": np.array([0, *counts]) / IMAGES, "solutions": solutions, "train_accuracy": 1 - train_error,
               "test_accuracy": 1 - test_error, "seconds": time.perf_counter() - began}, draw)
