"""Random labels as a certificate on CIFAR-10.

A fifth of the training images get random labels.  As long as MLP 1x512 fits the true labels and not yet the random
ones, it has learned something, and that bounds its test error, without a test image, if the assumption in `bound`
holds (RATT: Garg et al., 2021, arXiv:2105.00303).  Once the random labels are memorized, the bound says nothing.
Here, with ten classes, it is above 100 % from the first epoch on; without its deviation term, from the third on.
"""

import math

from cifar10_keras_mlp import build_model
from common import cifar10, experiment, label_noise, plot, record, speed

import keras
import numpy as np

EPOCHS = 60                 # passes over the training set
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
RANDOM = 0.2                # probability that a training label is redrawn from all classes
DELTA = 0.1                 # the bound of one epoch, chosen beforehand, is wrong with this probability at most


def bound(error_true, error_random, classes=cifar10.CLASSES):
    """The bound on the test error, from the errors on true and on random labels; `deviation` is to be added.

    Source: Garg et al., 2021, theorem 3, under their assumption 1: wrong labels are fitted at least as well on the
    images that the network was trained on as they would be on new ones.
    """
    return error_true + classes - 1 - classes * error_random


def deviation(true, random, delta, classes=cifar10.CLASSES):
    """Added to the bound, so that it holds with probability 1 - delta or more; `true`, `random` count examples."""
    factor = 2 * classes + math.sqrt(classes) + random / (true * math.sqrt(classes))
    return factor * math.sqrt(math.log(4 / delta) / (2 * random))


class Bound(keras.callbacks.Callback):
    """Adds to an epoch's logs the bound and both training errors; `random` marks the labels in use that are random."""

    def __init__(self, train, random):
        super().__init__()
        self.train, self.random, self.examples = train, random, speed.feed(train.for_evaluation())

    def on_epoch_end(self, epoch, logs=None):
        wrong = self.model.predict(self.examples, verbose=0).argmax(axis=1) != self.train.labels[self.train.rows]
        errors = {"error_true": wrong[~self.random].mean(), "error_random": wrong[self.random].mean()}
        logs |= errors | {"bound": bound(**errors) + deviation((~self.random).sum(), self.random.sum(), DELTA)}


def draw(run, path):
    """Draws the errors and the bound over the epochs."""
    (figure, axes), history = plot.subplots(), {name: np.array(values) for name, values in run["history"].items()}
    test = 1 - history[f"val_{record.accuracy_name(history)}"]
    expected = bound(history["error_true"], history["error_random"])
    for values, label, style in ((history["bound"], f"the bound, {100 - 100 * DELTA:g} % sure for one epoch", "C3-"),
                                 (expected, "the bound without its deviation term", "C3:"),
                                 (test, "test error", "C1-"),
                                 (history["error_random"], "error on random labels", "C4--"),
                                 (history["error_true"], "error on true labels", "C0--")):
        axes.plot(np.arange(1, len(test) + 1), 100 * values, style, label=label)
    axes.set(xlabel="epoch", ylabel="error in %", ylim=(0, 130))
    axes.axhline(100 - 100 / cifar10.CLASSES, color="gray", linewidth=0.8, label="error of guessing")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    k = history["bound"].argmin()
    plot.heading(figure, run["title"], f"lowest bound (epoch {k + 1}, in hindsight) {100 * history['bound'][k]:.1f} %, "
                 f"without deviation term {100 * expected[k]:.1f} %, test error {100 * test[k]:.1f} %")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, BATCH_SIZE)
    random = np.random.RandomState(run.seed).random_sample(len(train.labels)) < RANDOM
    if not 0 < random.mean() < 1 or not 0 < DELTA < 1:
        raise SystemExit("Give --delta and --random between 0 and 1. With few images a kind may be missing.")
    train.labels[random] = label_noise.corrupt_labels(train.labels[random], train.images[random], 1, run.seed)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[Bound(train, random[train.rows])])
    run.save(model, draw)
