"""Double descent of random features on CIFAR-10.

ReLU features of random projections of an image, not trained, and on them the minimum-norm least-squares output
layer.  With few features the test error falls and rises as textbooks have it; with as many as images it peaks, at
chance level whatever the label noise; elsewhere more noise is worse.  Then it falls again: without noise to that of the
first valley, with noise less far.
Belkin et al. (2019), arXiv:1812.11118; for deep networks, and label noise, Nakkiran et al. (2020), arXiv:1912.02292.
"""

import time

from cholesky import need_memory
from common import cifar10, data, experiment, label_noise, plot, say

import numpy as np

IMAGES = 4000  # training images
DRAWS = 5      # of the features
WIDTHS = 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 1, 1.02, 1.05, 1.1, 1.2, 1.4, 2, 3, 5  # x IMAGES
NOISE = 0, 0.1, 0.2, 0.4  # probabilities that a training label is redrawn from all classes


def features(images, projections):
    """max(images @ projections, 0), (n, pixels) by (pixels, count): float64, as near the peak it is almost singular."""
    return np.maximum(images @ projections, 0).astype(float)


def smallest(x, y, counts):
    """Yields for each of the rising counts the w of smallest norm among those of least |x[:, :count] w - y|^2."""
    low = x[:, :max([count for count in counts if count <= len(x)], default=0)]  # the features up to the peak
    moments, products, gram, done = low.T @ low, low.T @ y, 0, 0
    for count in counts:
        if count < len(x):  # x^T x w = x^T y, the matrix is a corner of the one for more features
            yield np.linalg.solve(moments[:count, :count], products[:count])
        elif count == len(x):
            yield np.linalg.solve(low, y)
        else:  # w = x^T a, x x^T a = y, the matrix grows by the products of the features that are new
            gram, done = gram + x[:, done:count] @ x[:, done:count].T, count
            yield x[:, :count].T @ np.linalg.solve(gram, y)


def wrong(x, w, labels):
    """For each label noise the number of labels, (n, 1) or (n, noises), that its weights get wrong: (noises,)."""
    return ((x[:, :len(w)] @ w).reshape(len(x), -1, 10).argmax(axis=2) != labels).sum(axis=0)


def draw(run, path):
    """Draws test and training error over the number of features, mean and standard deviation of the draws."""
    (figure, axes), found = plot.subplots(figsize=(10, 5)), run["error"]
    for split, line in ("test", ".-"), ("train", ":"):
        errors = 100 * np.asarray(found[split])  # (draws, features, noises)
        for k, (mean, spread) in enumerate(zip(errors.mean(axis=0).T, errors.std(axis=0).T, strict=True)):
            axes.plot(found["features"], mean, line, color=f"C{k}", label=f"{split}, label noise {found['noise'][k]:g}")
            axes.fill_between(found["features"], mean - spread, mean + spread, color=f"C{k}", alpha=0.25)
    axes.axvline(run["settings"]["images"], color="black", linestyle="--", linewidth=1, label="as many as images")
    axes.set(xscale="log", xlabel="random features", ylabel="error in %", ylim=(0, 100))
    for which in axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter:
        which(lambda value, _: f"{value:,.0f}" if f"{value:e}"[0] in "125" else "")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    plot.heading(figure, run["title"], f"mean and standard deviation (shaded) of {len(errors)} draws")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, data.EVALUATION_BATCH)
    if not 20 <= IMAGES <= len(train.labels) or DRAWS < 1 or min(WIDTHS) <= 0 or not 0 <= min(NOISE) <= max(NOISE) <= 1:
        raise SystemExit(f"Give 20 to {len(train.labels):,} --images, 1 or more --draws, WIDTHS above 0, NOISE 0 to 1.")
    counts = sorted({max(1, round(IMAGES * width)) for width in WIDTHS})
    x, images, most = train.inputs[:IMAGES].reshape(IMAGES, -1), train.images[:IMAGES], counts[-1]
    memory = 8 * most * (IMAGES + x.shape[1] + data.EVALUATION_BATCH) + 40 * IMAGES**2 + 1e9
    work = 2 * IMAGES**2 * most + 1.2 * most * x.shape[1] * (IMAGES + len(test.labels)) + 0.7 * len(counts) * IMAGES**3
    need_memory(memory, f"The work with {most:,} features", DRAWS * work / 4e10 / 60, "images, with --images")
    began, random = time.perf_counter(), np.random.RandomState(run.seed)
    fitted = np.stack([label_noise.corrupt_labels(train.labels[:IMAGES], images, p, run.seed) for p in NOISE], axis=1)
    y, errors = np.eye(10)[fitted].reshape(IMAGES, -1), {"train": [], "test": []}
    for number in range(1, DRAWS + 1):
        projections = random.standard_normal((x.shape[1], most)).astype("float32") / np.float32(x.shape[1]**0.5)
        weights = list(smallest(hidden := features(x, projections), y, counts))
        errors["train"].append([wrong(hidden, w, fitted) / IMAGES for w in weights])
        errors["test"].append(np.zeros((len(counts), len(NOISE))))
        for part, labels in map(test.__getitem__, range(len(test))):
            hidden = features(part.reshape(len(part), -1), projections)
            errors["test"][-1] += np.array([wrong(hidden, w, labels[:, None]) for w in weights]) / len(test.labels)
        say(f"Draw {number} of {DRAWS}, test error with label noise {NOISE[0]:g}: " + ", ".join(
            f"{error:.0%} with {count:,}" for count, error in zip(counts, errors["test"][-1][:, 0], strict=True)))
    results = {f"{split}_accuracy": 1 - np.mean(errors[split], axis=0)[-1, 0] for split in errors}
    results["error"] = errors | {"features": np.array(counts), "noise": np.array(NOISE)}
    run.write(results | {"seconds": time.perf_counter() - began}, draw)
