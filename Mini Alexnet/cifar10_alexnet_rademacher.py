"""Mini Alexnet on CIFAR-10, labels by a coin.

The network's Rademacher complexity: how well can its outputs agree with coins?  Each image, training and test, gets
class 0 or 1 by a coin of its own (label -1 or +1), and the network two logits; its answer h(x), -1 or +1, is the class
of the larger one.  The largest mean of label * h(x) over the training images that any weights reach, on average over
coins, is the empirical Rademacher complexity, at most 1.  What a training reaches, 2 * accuracy - 1, is a lower bound
of it, but for chance, about 1 / sqrt(50,000), as the coins are thrown once.  At 1, bounds built on it say nothing.  On
test images the mean is about 0.
Paper: section 2.2.
"""

from common import cifar10, experiment, label_noise, say
from common.layers import LocalResponseNormalization

import keras
from keras import layers

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 2); 1,386,242 parameters."""
    return keras.Sequential([
        keras.Input((28, 28, 3)),
        layers.Conv2D(64, 5, padding="same", activation="relu"),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        LocalResponseNormalization(),
        layers.Conv2D(64, 5, padding="same", activation="relu"),
        LocalResponseNormalization(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.Flatten(),
        layers.Dense(384, activation="relu"),
        layers.Dense(192, activation="relu"),
        layers.Dense(2, dtype="float32"),
    ])


if __name__ == "__main__":
    run = experiment.start(globals())
    keras.config.set_dtype_policy(PRECISION)
    train, test = cifar10.load(run, BATCH_SIZE)
    for part in train, test:  # a coin for each image, a function of the seed and of the image alone
        part.labels = label_noise.corrupt_labels(part.labels, part.images, 1, run.seed, classes=2)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    results = run.save(model)
    say(f"Rademacher complexity, at least: the mean of label * h(x) = {2 * results['train_accuracy'] - 1:.4f}")
