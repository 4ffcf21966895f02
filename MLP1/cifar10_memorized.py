"""Memorized images on CIFAR-10.

MLP 1x512 is trained many times, each time on another random part of the training images.  Memorization of an image is
how much more often networks give its label if trained on it than if not (Feldman and Zhang, 2020, arXiv:2008.03703).
"""

import kept
from cifar10_keras_mlp import build_model
from common import cifar10, experiment, plot, say, speed

import keras
import numpy as np
from cifar10_pretrained_on_random_labels import fit

TRAININGS = 50        # networks, each trained on images of its own
SHARE = 0.7           # fraction of the images that a network is trained on
EPOCHS = 20           # passes over these
BATCH_SIZE = 128      # examples in a step
LEARNING_RATE = 0.02  # of the first step; it falls to 0 by half a cosine
LABEL_NOISE = 0.0     # probability that a training label is redrawn from all classes
SHOWN = 6             # most and least memorized images of each class in the picture
CLASSES = "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"


def right_answers(model, initial, train, fed, every, rows, seed):
    """Trains new weights on some rows of `train`; returns which of all images get their fitted label, (n,) of bool."""
    keras.utils.set_random_seed(seed)
    for variable, new in zip(model.variables, build_model().variables, strict=True):  # those of random numbers, too
        variable.assign(new)
    fit(model, initial, train, fed, rows, EPOCHS, seed)
    return model.predict(every, verbose=0).argmax(axis=1) == train.labels


def memorization(chosen, right):
    """How much more often networks trained on an image give its label, 0 if all or none; (trainings, n) to (n,)."""
    known, other = ((right * part).sum(axis=0) / np.maximum(part.sum(axis=0), 1) for part in (chosen, ~chosen))
    return np.where(chosen.any(axis=0) & ~chosen.all(axis=0), known - other, 0)


def area_under_curve(scores, marked):
    """The probability that a marked example has a higher score than one that is not, ties counted half."""
    others = np.sort(scores[~marked])
    return np.mean([np.searchsorted(others, scores[marked], side) for side in ("left", "right")]) / len(others)


def draw(run, path):
    """Draws how many images have which score, and the most and the least memorized ones, a row for each class."""
    figure, (left, *right) = plot.subplots(1, 3, figsize=(12, 5.6))
    scores = run["image"]["memorization"]
    bins = np.arange(np.floor(20 * scores.min()) / 20 - 0.025, 1.05, 0.05)  # narrower ones would leave gaps
    left.hist(scores, bins, color="C7", label="all images")
    if "area" in run:
        left.hist(scores[run["image"]["mislabeled"]], bins, color="C3", label=f"wrong labels, AUC {run['area']:.3f}")
    left.set(xlabel="memorization score", ylabel="images", yscale="log")
    left.legend(loc="upper center")
    for axes, name in zip(right, ("most", "least"), strict=True):
        axes.imshow(run["shown"][name].reshape(10, -1, 32, 32, 3).swapaxes(1, 2).reshape(320, -1, 3))
        axes.set(xticks=[], yticks=range(16, 336, 32), yticklabels=CLASSES, title=f"{name} memorized, by label fitted")
    plot.heading(figure, run["title"], f"correlation of two halves of the trainings: {run['split_half']:.2f}")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, _ = cifar10.load(run, BATCH_SIZE, label_noise=LABEL_NOISE)
    n, most = len(labels := train.labels), np.bincount(train.labels, minlength=10).min()
    if TRAININGS < 4 or min(EPOCHS, LEARNING_RATE, SHARE) <= 0 or (1 - SHARE) * n < 1 or not 1 <= SHOWN <= most:
        raise SystemExit(f"Give 4 or more --trainings, 1 to {most} --shown, --share up to 1 - 1 / {n}, others above 0.")
    chosen = np.argsort(np.random.RandomState(run.seed).rand(TRAININGS, n), axis=1) < SHARE * n
    every, train.rows = speed.feed(train.for_evaluation()), np.flatnonzero(chosen[0])  # every image, not just rows
    model, before, loss = build_model(), kept.read(run), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, len(train) * EPOCHS)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.save_own_variables(initial := {})
    right = [np.unpackbits(bits, count=n).astype(bool) for bits in before.get("right", [])]
    fed, _ = speed.feeds(model, train)
    for seed, rows in list(enumerate(map(np.flatnonzero, chosen), run.seed * TRAININGS % 2**31))[len(right):]:
        right.append(right_answers(model, initial, train, fed, every, rows, seed))
        kept.write(run, right=np.packbits(right, axis=1))
        say(f"Training {len(right)} of {TRAININGS}: {right[-1].mean():.2%} right, {kept.seconds(run):.0f} s")
    scores, *halves = (memorization(chosen[part], np.stack(right)[part]) for part in np.s_[:, ::2, 1::2])
    results = {"image": {"memorization": scores.astype("float32")}, "split_half": np.corrcoef(halves)[0, 1]}
    if (wrong := train.mislabeled) is not None:
        results["image"]["mislabeled"], results["area"] = wrong, area_under_curve(scores, wrong)
    ranked = [np.flatnonzero(labels == label)[np.argsort(scores[labels == label])] for label in range(10)]
    results["shown"] = {"most": train.images[np.concatenate([rows[::-1][:SHOWN] for rows in ranked])],
                        "least": train.images[np.concatenate([rows[:SHOWN] for rows in ranked])]}
    run.write(results | {"seconds": kept.seconds(run)}, draw)
    kept.path(run).unlink(missing_ok=True)
