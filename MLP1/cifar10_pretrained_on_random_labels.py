"""Pretraining on random labels on CIFAR-10.

MLP 1x512 memorizes most random labels of the first half of the training images, and is then trained on the true labels
of the second half, which it has not seen.  There is nothing to learn from random labels but the images: does that help?
Maennel et al., 2020, "What do neural networks learn when trained with random labels?", say that it can make the second
training faster, since the first layer takes on the images' principal directions.  Here it is slower at first, ahead
from epoch 18 of 30 on, and worse on test images throughout.
"""

import time

from cifar10_keras_mlp import build_model
from common import cifar10, experiment, label_noise, plot, say, speed

import keras
import numpy as np

SEEDS = 3             # networks, each with weights and an order of its own
EPOCHS_BEFORE = 60    # passes over the half with random labels
EPOCHS = 30           # passes over the half with true labels
BATCH_SIZE = 64       # examples in a step
LEARNING_RATE = 0.01  # constant, in both trainings


def fit(model, initial, train, fed, rows, epochs, seed, tested=None):
    """Trains on some rows of `train`, fed by `fed`, from the optimizer's `initial` state; returns Keras' history."""
    train.rows, train.shuffle_seed = rows, seed
    train.set_epoch(0)
    model.optimizer.load_own_variables(initial)
    mix = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: train.set_epoch(epoch))
    found = model.fit(fed, validation_data=tested, epochs=epochs, callbacks=[mix], verbose=0, shuffle=False).history
    if not np.isfinite(found["loss"]).all():
        raise SystemExit("Training diverged: the loss is no number. Try a smaller --learning-rate.")
    return found


def epochs_to(accuracies, fitted):
    """After how many epochs each row of accuracies, (seeds, epochs), first reaches a value; inf where it does not."""
    reached = np.asarray(accuracies) >= fitted
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, np.inf)


def draw(run, path):
    """Draws accuracy over the epochs on the true labels, mean and range of the seeds, from a fresh start and not."""
    figure, axes = plot.subplots(1, 2)
    for side, name, title in zip(axes, ("accuracy", "val_accuracy"), ("train", "test"), strict=True):
        for start, color, label in (("fresh", "C0", "from a fresh start"),
                                    ("pretrained", "C3", "pretrained on random labels of other images")):
            values = 100 * run[start][name]
            epochs = np.arange(1, values.shape[1] + 1)
            side.plot(epochs, values.mean(axis=0), color=color, label=label)
            side.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.3, linewidth=0)
        side.set(xlabel="epoch on true labels; shaded: the range of seeds", ylabel=f"{title} accuracy in %")
        side.grid(alpha=0.3)
        side.legend(fontsize=10)
    soon = [f"to {100 * fitted:g} % fitted: {epochs_to(run['fresh']['accuracy'], fitted).mean():.1f} fresh, "
            f"{epochs_to(run['pretrained']['accuracy'], fitted).mean():.1f} pretrained" for fitted in (0.5, 0.8)]
    plot.heading(figure, run["title"], f"epochs {'; '.join(soon)}")
    plot.save(figure, path)


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, BATCH_SIZE)
    if min(SEEDS, EPOCHS_BEFORE, EPOCHS) < 1 or LEARNING_RATE <= 0 or len(train.labels) < 2:
        raise SystemExit("Give 1 or more --seeds, --epochs-before and --epochs, a --learning-rate above 0, 2 images.")
    first, second = np.arange(len(train.labels) // 2 * 2).reshape(2, -1)  # as many in both, for the feed
    train.labels[first] = label_noise.corrupt_labels(train.labels[first], train.images[first], 1, run.seed)
    train.rows = first
    model = build_model()
    model.compile(keras.optimizers.SGD(LEARNING_RATE, momentum=0.9),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    model.optimizer.save_own_variables(initial := {})
    fed, tested = speed.feeds(model, train, test.for_evaluation(run.limit))
    began, histories, memorized = time.perf_counter(), {"fresh": [], "pretrained": []}, []
    for seed in ((run.seed * SEEDS + k) % 2**32 for k in range(SEEDS)):
        keras.utils.set_random_seed(seed)
        start = build_model().get_weights()
        for name, history in histories.items():
            model.set_weights(start)
            if name == "pretrained":
                memorized += fit(model, initial, train, fed, first, EPOCHS_BEFORE, seed)["accuracy"][-1:]
                say(f"Seed {seed}: {memorized[-1]:.2%} of the random labels are memorized")
            history.append(fit(model, initial, train, fed, second, EPOCHS, seed, tested))
            say(f"Seed {seed}, {name}: train {history[-1]['accuracy'][-1]:.2%}, "
                f"test {history[-1]['val_accuracy'][-1]:.2%}, {time.perf_counter() - began:.0f} s")
    run.write({name: {key: np.array([one[key] for one in history]) for key in history[0]}
               for name, history in histories.items()}
              | {"memorized": np.array(memorized), "seconds": time.perf_counter() - began}, draw)
