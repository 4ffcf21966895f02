"""Theorem 1 on CIFAR-10, random labels.

A network with one hidden layer and 2n + d weights fits any labels of n images of d values.  Here it is, without a
gradient step: c(x) = sum_j w_j max(<a, x> - b_j, 0).  A random direction a puts the images in a row, z_i = <a, x_i>,
and a kink b_j before each z_j bends c just so that it meets the label of image j.
Paper: section 4 and appendix C, Theorem 1.
"""

import time

from common import cifar10, data, experiment, plot, record, say

import keras
import numpy as np

LABEL_NOISE = 1.0  # probability that a training label is redrawn from all classes; test labels stay true
KINK = 0.25        # fraction of the way from an image to the next at which c bends; slopes would explode from 0.5 on
ZOOM = 12          # images in the right half of the picture


def fit(z, y):
    """Solves A w = y, A_ij = max(z_i - b_j, 0), for the rising z and the labels y of n images, float64 of shape (n,).

    A is lower triangular, so images are taken one by one: at the kink b_i the slope of c changes by w_i, and the new
    slope leads to the label y_i at z_i.  Returns b and w, of shape (n,).
    """
    steps = np.diff(z, prepend=z[0] - 1)
    slopes, slope = np.empty(len(z)), 0.0
    for i, rise in enumerate(np.diff(y, prepend=0.0)):
        slope += (rise / steps[i] - slope) / (1 - KINK)  # the old slope for KINK of the step, then this one
        slopes[i] = slope
    return z - (1 - KINK) * steps, np.diff(slopes, prepend=0.0)


def build_model(a, b, w):
    """Maps images, (batch, 28, 28, 3), to c, (batch, 1), which rounded is the label; 2n + d weights a, b, w.

    All hidden units share a, so a is a layer before theirs, which then only has n ones.  With slopes up to 3e9 terms of
    c come to some 1e12, so that float32 would lose the labels; this model computes in float64.
    """
    model = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten(dtype="float64"),
                              keras.layers.Dense(1, use_bias=False, dtype="float64"),
                              keras.layers.Dense(len(b), activation="relu", dtype="float64"),
                              keras.layers.Dense(1, use_bias=False, dtype="float64")])
    model.set_weights([a[:, None], np.ones((1, len(b))), -b, w[:, None]])
    return model


def draw(run, path):
    """Draws c over <a, x>: through all training labels, and through a few, beside the test images between them."""
    row, part = run["row"], run["part"]
    figure, (left, right) = plot.subplots(1, 2)
    left.plot(row["z"], row["y"], ",", alpha=0.3)
    left.set(xlabel="<a, x>", ylabel="label", title=f"the labels of {len(row['z']):,} images: c goes through all")
    right.plot(part["line"], part["c"], label="c")
    right.plot(part["z"], part["y"], "o", color="C0", label="training image, its label")
    right.plot(part["test_z"], part["test_y"], "x", color="C1", label="test image, its true label")
    right.set(xlabel="<a, x>", title=f"{len(part['z'])} of them")
    right.legend(fontsize=9)
    plot.heading(figure, run["title"], record.accuracies(run))
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    if keras.backend.backend() == "jax":  # which has no float64 unless asked
        __import__("jax").config.update("jax_enable_x64", True)
    train, test = cifar10.load(run, data.EVALUATION_BATCH, label_noise=LABEL_NOISE)
    if not 1 <= ZOOM <= 1000 or not 0 <= KINK < 0.5:
        raise SystemExit("Give a --zoom from 1 to 1000, and a --kink from 0 to below 0.5.")
    began, a = time.perf_counter(), np.random.RandomState(run.seed).standard_normal(28 * 28 * 3)
    (x, labels), (test_x, test_labels) = (train.inputs, train.labels), (test.inputs, test.labels)
    z, test_z = (images.reshape(len(images), -1).astype("float64") @ a for images in (x, test_x))
    order = np.argsort(z)
    if not np.diff(z[order]).all():
        raise SystemExit("Two images lie at the same place along a, where c has one value only. Give another --seed.")
    b, w = fit(z[order], labels[order].astype("float64"))
    say(f"Solved for {len(z):,} images, {2 * len(z) + len(a):,} weights, in {time.perf_counter() - began:.1f} s")
    model = build_model(a, b, w)
    results = {"weights": 2 * len(z) + len(a), "seconds": time.perf_counter() - began}
    for name, images, true in ("train", x, labels), ("test", test_x, test_labels):
        c = model.predict(images, batch_size=data.EVALUATION_BATCH, verbose=0)[:, 0]
        results[f"{name}_accuracy"] = np.mean(np.clip(np.rint(c), 0, 9) == true)
    few = order[len(z) // 2:len(z) // 2 + ZOOM]
    line = np.sort(np.concatenate([z[few], b[len(z) // 2:len(z) // 2 + ZOOM][1:]]))
    new = (test_z > line[0]) & (test_z < line[-1])
    results["row"] = {"z": z[order].astype("float32"), "y": labels[order].astype("uint8")}
    results["part"] = {"line": line, "c": np.maximum(line[:, None] - b, 0) @ w, "z": z[few], "y": labels[few],
                       "test_z": test_z[new], "test_y": test_labels[new]}
    run.write(results, draw, model)
