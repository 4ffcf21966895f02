"""Inception v3 on ImageNet, random crop.

The baseline with data augmentation: random crops of random size, mirrored and in other colours, anew each epoch.
Paper: Table 2, true labels, data augmentation, no dropout, no weight decay.
"""

from common import experiment, imagenet
from common.layers import rebuilt

import keras
from keras import layers

PAPER = (92.33, 72.95)  # top-1 accuracy in %, train and test

EPOCHS = 100
BATCH_SIZE = 64
LEARNING_RATE = 0.05
LEARNING_RATE_DECAY = 0.97  # factor after every epoch: 0.94 after every two, as Szegedy et al. (2016), section 8
PRECISION = "auto"    # of the training: bfloat16 where the processor computes in it, else float32
IMAGE_SIZE = 299      # height and width in pixels, 75 at least


def build_model(image_size=IMAGE_SIZE, classes=1000):
    """Maps pictures, (batch, image_size, image_size, 3), to class scores before the softmax, (batch, classes)."""
    inception = rebuilt(keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(image_size, image_size, 3)))
    x = inception.output
    return keras.Model(inception.input, layers.Dense(classes, dtype="float32")(x))


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, dataset="imagenet", epochs=EPOCHS, batch_size=BATCH_SIZE,
                           learning_rate=LEARNING_RATE, learning_rate_decay=LEARNING_RATE_DECAY,
                           precision=PRECISION, image_size=IMAGE_SIZE, paper=PAPER, distributed=True)
    train, test, classes = imagenet.load(run, random_crop=True)
    model = build_model(run.image_size, classes)
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")],
    )
    run.fit(model, train, test)
    run.save(model, run_apart=True)  # the weights are 87 MB
