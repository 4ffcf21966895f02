"""Mini Alexnet on CIFAR-10, weight decay.

The baseline with an L2 penalty on its weights: the training set is still fitted.
Paper: Table 1, "Alexnet", no random crop, weight decay.
"""

from common import cifar10, experiment
from common.layers import LocalResponseNormalization

import keras
from keras import layers

PAPER = (100.0, 77.36)  # accuracy in %, train and test

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
WEIGHT_DECAY = 5e-4         # L2 penalty on every kernel: factor of its sum of squares, half of PyTorch's weight_decay
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,387,786 parameters."""
    l2 = keras.regularizers.L2(WEIGHT_DECAY)
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
    run = experiment.start(globals())
    keras.config.set_dtype_policy(PRECISION)
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
