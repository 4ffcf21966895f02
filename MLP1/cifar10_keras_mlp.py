"""MLP 1x512 on CIFAR-10.

A perceptron with one hidden layer of 512 units fits all but a few of the 50,000 training images, and gets
half of the new ones right: the baseline of the folder's other scripts.
Paper: Table 1, "MLP 1x512", no weight decay.
"""

from common import cifar10, experiment

import keras
from keras import layers

PAPER = (100.0, 50.51)  # accuracy in %, train and test

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
UNITS = 512                 # of the hidden layer


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
    train, test = cifar10.load(run, BATCH_SIZE)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
