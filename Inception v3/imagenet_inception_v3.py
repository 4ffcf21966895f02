"""Inception v3 on ImageNet.

True labels and no regularization at all: the baseline of the folder's other scripts.
Paper: Table 2, true labels, no data augmentation, no dropout, no weight decay.
"""

import imagenet
from common import experiment
from inception import rebuilt

import keras
from keras import layers

PAPER = (99.53, 59.80)  # top-1 accuracy in %, train and test

EPOCHS = 100                # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.05        # of the first epoch
LEARNING_RATE_DECAY = 0.97  # factor after every epoch: 0.94 after every two, as Szegedy et al. (2016), section 8
PRECISION = "auto"          # of the training; auto: mixed_bfloat16 where that is fast, else float32
IMAGE_SIZE = 299            # height and width in pixels, 75 at least


def build_model(image_size, classes):
    """Maps images, (batch, image_size, image_size, 3), to logits, (batch, classes)."""
    inception = rebuilt(keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(image_size, image_size, 3)))
    x = inception.output
    return keras.Model(inception.input, layers.Dense(classes, dtype="float32")(x))


if __name__ == "__main__":
    run = imagenet.start(globals())
    keras.config.set_dtype_policy(PRECISION)
    train, test, classes = imagenet.load(run, BATCH_SIZE, IMAGE_SIZE)
    model = build_model(IMAGE_SIZE, classes)
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # Weighted, as what fills up the last batch of a test on several devices has the weight 0
        weighted_metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
