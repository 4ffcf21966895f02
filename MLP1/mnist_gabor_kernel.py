"""Gaussian kernel on MNIST, Gabor wavelets.

The solve of cifar10_gaussian_kernel.py, K alpha = y, on pixels, and on the magnitudes of their responses to Gabor
wavelets; each without a penalty and with one, (K + PENALTY I) alpha = y.
Paper: section 5: pixels 1.2 % test error, norm 220; Gabor wavelets 0.6 %, norm 390; a penalty improves neither.
"""

import kept
from cholesky import need_memory, solve
from cifar10_gaussian_kernel import kernel, load, median_distance
from common import experiment, plot, say

import gabor
import numpy as np

PAPER = (100.0, 99.4)  # accuracy in %, train and test, with wavelets and no penalty

WAVELENGTHS = 4, 6, 8  # of the wavelets, in pixels
DIRECTIONS = 8         # of the wavelets, over half a turn
WIDTH = 0.5            # standard deviation of a wavelet's bell, in wavelengths
POOL = 4               # height and width in pixels of the squares that the responses are averaged over
BANDWIDTH = 0.5        # s of the kernel on pixels, as a fraction of the median distance between images
NARROWER = 0.35        # the same on wavelets; with 0.5 float32 cannot solve it, images are too near to each other
PENALTY = 0.03         # added to the ones on the diagonal of K; chosen on training images held out
BLOCK = 2000           # images, or rows of K, that are worked on at a time


def wavelets(images):
    """The responses to gray images, (n, side, side) of 0 to 255: float32 of shape (n, values)."""
    say(f"Wavelets of {len(images):,} images")
    return np.concatenate([gabor.responses(images[i:i + BLOCK] / 255, WAVELENGTHS, DIRECTIONS, WIDTH, POOL)
                           for i in range(0, len(images), BLOCK)])


def solved(splits, bandwidth, penalty):
    """Fits the labels of the first of two (rows, labels); returns the norm, the training error and the test error."""
    (x, labels), n = splits[0], len(splits[0][1])
    s, k, y = bandwidth * median_distance(x), np.empty((n, n), "float32"), np.eye(10, dtype="float32")[labels]
    for first in range(0, n, BLOCK):  # the lower half of K, all that `solve` reads
        k[first:first + BLOCK, :first + BLOCK] = kernel(x[first:first + BLOCK], x[:first + BLOCK], s)
        say(f"Kernel of {min(first + BLOCK, n):,} of {n:,} images")
    np.einsum("ii->i", k)[:] += penalty
    alpha = solve(k, y, BLOCK)
    scores = [np.concatenate([kernel(rows[i:i + BLOCK], x, s) @ alpha for i in range(0, len(rows), BLOCK)])
              for rows, _ in splits]
    errors = [np.mean(found.argmax(axis=1) != true) for found, (_, true) in zip(scores, splits, strict=True)]
    return np.array([np.sqrt((alpha * (y - penalty * alpha)).sum()), *errors])


def draw(run, path):
    """Draws the test errors as bars, each with its norm, beside the paper's."""
    (figure, axes), places = plot.subplots(figsize=(9, 4.6)), np.arange(2)
    for shift, (words, ending) in zip((-0.2, 0.2), (("no penalty", ""), ("penalty", ", penalty")), strict=True):
        found = [run["solutions"][kind + ending] for kind in ("pixels", "wavelets")]
        bars = axes.bar(places + shift, [100 * error for _, _, error in found], 0.38, label=words)
        axes.bar_label(bars, [f"{100 * error:.2f}\nnorm {norm:.0f}" for norm, _, error in found])
    if "paper_test" in run:
        axes.hlines([1.2, 0.6], places - 0.39, places - 0.01, "black", "dotted", label="paper, no penalty")
    axes.set(xticks=places, xticklabels=["pixels", "Gabor wavelets"], ylabel="test error in %", ymargin=0.25)
    axes.legend()
    worst = max(error for _, error, _ in run["solutions"].values())
    plot.heading(figure, run["title"], f"training error {100 * worst:.2f} % at most")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals(), dataset="mnist")
    n, side = (loaded := load(run))[0][2].shape[:2]
    if min(DIRECTIONS, POOL, BLOCK, n - 1) < 1 or POOL > side or PENALTY < 0 or (
            min(BANDWIDTH, NARROWER, WIDTH) <= 0 or WIDTH > 2):
        raise SystemExit(f"Give 1 or more --directions and --block, a --pool of 1 to {side} pixels, a --width of up to "
                         "2, a --penalty of 0 or more, a --bandwidth and --narrower above 0, and 2 or more images.")
    values = len(WAVELENGTHS) * DIRECTIONS * (side / POOL)**2  # of an image's wavelets
    need_memory(4 * n**2 + 20 * BLOCK * n + 16 * n * values, f"The kernel of {n:,} images",
                4 * n**2 * (n / 3 + 1.5 * (side**2 + values)) / 9e12)
    solutions = kept.read(run)  # of an interrupted run
    seen = [(wavelets(images if images.ndim == 3 else images.mean(axis=3)), labels) for _, labels, images in loaded]
    pixels = [(rows, labels) for rows, labels, _ in loaded]
    for kind, splits, bandwidth in ("wavelets", seen, NARROWER), ("pixels", pixels, BANDWIDTH):
        for name, penalty in (kind, 0), (f"{kind}, penalty", PENALTY):
            if name not in solutions:
                solutions[name] = solved(splits, bandwidth, penalty)
                kept.write(run, **solutions)
            say("{}: norm {:.0f}, training error {:.2%}, test error {:.2%}".format(name, *solutions[name]))
    _, train, test = solutions["wavelets"]
    run.write({"solutions": solutions, "train_accuracy": 1 - train, "test_accuracy": 1 - test,
               "seconds": kept.seconds(run)}, draw)
    kept.path(run).unlink(missing_ok=True)
