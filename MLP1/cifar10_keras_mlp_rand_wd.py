"""MLP 1x512 on CIFAR-10, random labels, weight decay.

Random labels with an L2 penalty on the weights: the network still fits nearly all of them.
Paper: appendix, random labels with regularizers, "MLP 1x512", weight decay: 99.21 % of the training labels.
"""

from common import cifar10, experiment, label_noise

import keras
from keras import layers

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
UNITS = 512                 # of the hidden layer
LABEL_NOISE = 1.0           # probability that a training label is redrawn from all classes; test labels stay true
WEIGHT_DECAY = 5e-4         # L2 penalty on every kernel: factor of its sum of squares, half of PyTorch's weight_decay


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,209,866 parameters."""
    l2 = keras.regularizers.L2(WEIGHT_DECAY)
    return keras.Sequential([
        keras.Input((28, 28, 3)),
        layers.Flatten(),
        layers.Dense(UNITS, activation="relu", kernel_regularizer=l2),
        layers.Dense(10, dtype="float32", kernel_regularizer=l2),
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
