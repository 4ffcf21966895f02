"""Mini Alexnet on CIFAR-10, begun from random labels.

The baseline, initialized with the weights of the model beside it that has memorized random labels.  From there the
true labels are fitted as well.  Is that a worse minimum, and do regularizers lead out of it (Liu et al., 2020,
"Bad global minima exist and SGD can reach them")?  Here it is, far worse, and --weight-decay 5e-4 with
--random-crop true leads more than half the way out.
"""

from pathlib import Path

from common import cifar10, data, experiment
from common.layers import LocalResponseNormalization

import keras
from keras import layers

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32
WEIGHT_DECAY = 0.0          # L2 penalty on every kernel: factor of its sum of squares, half of PyTorch's weight_decay
RANDOM_CROP = False         # whether an epoch shows a random window of every image, not the central one
INITIAL_WEIGHTS = "cifar10_alexnet_rand_labels.h5"  # a model's; a relative path begins at this script's folder


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
    train, test = cifar10.load(run, BATCH_SIZE, random_crop=RANDOM_CROP)
    model = build_model()
    with data.reading(INITIAL_WEIGHTS, "Put a model of this network there, or name one with --initial-weights", ""):
        start = keras.models.load_model(Path(__file__).parent / INITIAL_WEIGHTS, compile=False)
        model.set_weights(start.get_weights())
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
