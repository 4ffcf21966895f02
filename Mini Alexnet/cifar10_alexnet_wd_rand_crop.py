"""Small Alexnet on CIFAR-10, random crop, weight decay.

The baseline with both regularizers: an L2 penalty, and a random window of every picture, drawn anew each epoch.
Paper: Table 1, "Alexnet", random crop, weight decay.
"""

from common import cifar10, experiment
from common.layers import LocalResponseNormalization

import keras
from keras import layers

PAPER = (99.9, 81.22)  # accuracy in %, train and test

EPOCHS = 60
BATCH_SIZE = 128
LEARNING_RATE = 0.01  # times 0.95 after every epoch
WEIGHT_DECAY = 5e-4   # L2 penalty on every kernel
PRECISION = "auto"    # of the training: bfloat16 where the processor computes in it, else float32


def build_model(weight_decay=WEIGHT_DECAY):
    """Maps pictures, (batch, 28, 28, 3), to class scores before the softmax, (batch, 10); 1,387,786 parameters."""
    l2 = keras.regularizers.L2(weight_decay)
    return keras.Sequential([
        keras.Input((28, 28, 3)),
        layers.Conv2D(64, 5, padding="same", activation="relu", kernel_regularizer=l2),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        LocalResponseNormalization(),
        layers.Conv2D(64, 5, padding="same", activation="relu", kernel_regularizer=l2),
        LocalResponseNormalization(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.Flatten(),
        layers.Dense(384, activation="relu", kernel_regularizer=l2),
        layers.Dense(192, activation="relu", kernel_regularizer=l2),
        layers.Dense(10, dtype="float32", kernel_regularizer=l2),
    ])


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE,
                           precision=PRECISION, weight_decay=WEIGHT_DECAY, paper=PAPER)
    train, test = cifar10.load(run, random_crop=True)
    model = build_model(run.weight_decay)
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test)
    run.save(model)
