"""Mini Inception on CIFAR-10 without batch norm, weight decay.

No batch normalization, and an L2 penalty on the weights.  The schedule is its own, so no other run here differs from it
in one of the two alone.
Paper: Table 1, "Inception w/o BatchNorm", weight decay.
"""

from common import cifar10, experiment

import keras
from keras import layers

PAPER = (100.0, 83.0)  # accuracy in %, train and test

EPOCHS = 40                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.1         # of the first epoch
LEARNING_RATE_DECAY = 0.92  # factor after every epoch; the paper's 0.95 takes more of them
WEIGHT_DECAY = 5e-4         # L2 penalty on every kernel: factor of its sum of squares, half of PyTorch's weight_decay
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,649,402 trainable parameters."""
    l2 = keras.regularizers.L2(WEIGHT_DECAY)

    def conv(x, filters, size, strides=1):
        x = layers.Conv2D(filters, size, strides, padding="same", kernel_regularizer=l2)(x)
        return layers.ReLU()(x)

    def inception(x, filters_1x1, filters_3x3):
        return layers.Concatenate()([conv(x, filters_1x1, 1), conv(x, filters_3x3, 3)])

    def downsample(x, filters):
        pool = layers.MaxPooling2D(3, strides=2, padding="same")
        return layers.Concatenate()([conv(x, filters, 3, strides=2), pool(x)])

    inputs = keras.Input((28, 28, 3))
    x = conv(inputs, 96, 3)      # 28 x 28
    x = inception(x, 32, 32)
    x = inception(x, 32, 48)
    x = downsample(x, 80)        # 14 x 14
    x = inception(x, 112, 48)
    x = inception(x, 96, 64)
    x = inception(x, 80, 80)
    x = inception(x, 48, 96)
    x = downsample(x, 96)        # 7 x 7
    x = inception(x, 176, 160)
    x = inception(x, 176, 160)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, dtype="float32", kernel_regularizer=l2)(x))


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
