"""MLP 1x512 on CIFAR-10, random labels.

Every training label is replaced, once and for all epochs, by a uniform draw from the ten classes: nothing is left to
learn, and still the network fits them.  The test labels stay true, so its test accuracy is chance.
Paper: Table 1, "MLP 1x512", random labels.
"""

from common import cifar10, experiment, label_noise

import keras
from keras import layers

PAPER = (99.34, 10.61)  # accuracy in %, train and test

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
UNITS = 512                 # of the hidden layer
LABEL_NOISE = 1.0           # probability that a training label is redrawn from all classes; test labels stay true


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,209,866 parameters."""
    return keras.Sequential([
        keras.Input((28, 28, 3)),
        layers.Flatten(),
        layers.Dense(UNITS, activation="relu"),
        layers.Dense(10, dtype="float32"),
    ])


if __name__ == "__main__":
    run = experiment.start(globals())
    train, test = cifar10.load(run, BATCH_SIZE, label_noise=LABEL_NOISE)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", *label_noise.metrics(train)],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
