"""Inception v3 on ImageNet, weight decay, random labels.

Random labels against an L2 penalty: does the regularizer keep the network from fitting them?
Paper: Table 2, random labels, no data augmentation, no dropout, weight decay.
"""

from common import experiment, imagenet
from common.layers import rebuilt

import keras
from keras import layers

PAPER = (87.81, 0.12)  # top-1 accuracy in %, train and test

EPOCHS = 100
BATCH_SIZE = 64
LEARNING_RATE = 0.05
LEARNING_RATE_DECAY = 0.97  # factor after every epoch: 0.94 after every two, as Szegedy et al. (2016), section 8
PRECISION = "auto"    # of the training: bfloat16 where the processor computes in it, else float32
WEIGHT_DECAY = 4e-5   # L2 penalty on every kernel
LABEL_NOISE = 1.0     # probability that a training label is drawn at random
IMAGE_SIZE = 299      # height and width in pixels, 75 at least


def build_model(image_size=IMAGE_SIZE, classes=1000, weight_decay=WEIGHT_DECAY):
    """Maps pictures, (batch, image_size, image_size, 3), to class scores before the softmax, (batch, classes)."""
    l2 = keras.regularizers.L2(weight_decay)
    inception = rebuilt(keras.applications.InceptionV3(
        weights=None, include_top=False, pooling="avg", input_shape=(image_size, image_size, 3)), kernel_regularizer=l2)
    x = inception.output
    return keras.Model(inception.input, layers.Dense(classes, kernel_regularizer=l2, dtype="float32")(x))


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, dataset="imagenet", epochs=EPOCHS, batch_size=BATCH_SIZE,
                           learning_rate=LEARNING_RATE, learning_rate_decay=LEARNING_RATE_DECAY,
                           precision=PRECISION, image_size=IMAGE_SIZE, paper=PAPER, weight_decay=WEIGHT_DECAY,
                           label_noise=LABEL_NOISE, distributed=True)
    train, test, classes = imagenet.load(run)
    model = build_model(run.image_size, classes, run.weight_decay)
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5")],
    )
    run.fit(model, train, test)
    run.save(model, run_apart=True)  # the weights are 87 MB
