"""Mini Inception on CIFAR-10 without batch norm, random labels.

Every training label is replaced, once and for all epochs, by a uniform draw from the ten classes: nothing is left to
learn, and still the network fits them.  The test labels stay true, so its test accuracy is chance.  Its initial weights
and its schedule are not those of cifar10_tf_inception_no_bn.py: the run to compare with is --epochs 23 --label-noise 0.
Paper: Table 1, "Inception w/o BatchNorm", random labels.
"""

import math

from common import cifar10, experiment, label_noise

import keras
from keras import layers

PAPER = (100.0, 10.12)  # accuracy in %, train and test

EPOCHS = 72                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 128            # examples in a step
LEARNING_RATE = 0.01        # of the first epoch; the paper's 0.1 was not tried here
LEARNING_RATE_DECAY = 0.97  # factor after every epoch; the paper's is 0.95
LABEL_NOISE = 1.0           # probability that a training label is redrawn from all classes; test labels stay true
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32


def build_model():
    """Maps images, (batch, 28, 28, 3), to logits, (batch, 10); 1,649,402 trainable parameters."""
    def conv(x, filters, size, strides=1):
        # With filters of mean zero and this variance different images keep different features, as with batch norm; with
        # Glorot's or He's, all images get nearly the same ones.  Brock et al. (2021, sec. 4), arXiv:2101.08692.
        initializer = keras.initializers.VarianceScaling(2 / (1 - 1 / math.pi))
        convolution = layers.Conv2D(filters, size, strides, padding="same", kernel_initializer=initializer)
        x = convolution(x)
        convolution.kernel.assign(convolution.kernel - keras.ops.mean(convolution.kernel, axis=(0, 1, 2)))
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
    return keras.Model(inputs, layers.Dense(10, kernel_initializer="zeros", dtype="float32")(x))


if __name__ == "__main__":
    run = experiment.start(globals())
    keras.config.set_dtype_policy(PRECISION)
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
