"""Mini Inception on CIFAR-10.

Inception modules with batch normalization, the paper's strongest network: the baseline of the folder's other scripts.
Paper: Table 1, "Inception", no random crop, no weight decay.
"""

from common import cifar10, experiment
from common.layers import BatchNormalization

import keras
from keras import layers

PAPER = (100.0, 85.75)  # accuracy in %, train and test

EPOCHS = 53                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.1         # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,649,402 trainable parameters."""
    def conv(x, filters, size, strides=1):
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        x = BatchNormalization(scale=False)(x)
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
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))


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
