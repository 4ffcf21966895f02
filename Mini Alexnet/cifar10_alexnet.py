"""Mini Alexnet on CIFAR-10.

Two convolutions with local response normalization and two dense layers: the network of TensorFlow's CIFAR-10 tutorial,
which normalizes before its second max-pooling, the paper's after it (appendix A).  The baseline of the other scripts.
Paper: Table 1, "Alexnet", no random crop, no weight decay.
"""

from common import cifar10, experiment
from common.layers import LocalResponseNormalization

import keras
from keras import layers

PAPER = (100.0, 76.07)  # accuracy in %, train and test

EPOCHS = 60                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.01        # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,387,786 parameters."""
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
        layers.Dense(10, dtype="float32"),
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
