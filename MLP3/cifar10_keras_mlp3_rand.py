"""MLP 3x512 on CIFAR-10, random labels.

Every training label is replaced, once and for all epochs, by a uniform draw from the ten classes: nothing is left to
learn, and still the network fits them.  The test labels stay true, so its test accuracy is chance.
Paper: Table 1, "MLP 3x512", random labels.
"""

from common import cifar10, experiment

import keras
from keras import layers

PAPER = (100.0, 10.48)  # accuracy in %, train and test

EPOCHS = 60
BATCH_SIZE = 128
LEARNING_RATE = 0.01  # times 0.95 after every epoch
PRECISION = "auto"    # of the training: bfloat16 where the processor computes in it, else float32
LABEL_NOISE = 1.0     # probability that a training label is replaced


def build_model():
    """Maps pictures, (batch, 28, 28, 3), to class scores before the softmax, (batch, 10); 1,735,178 parameters."""
    return keras.Sequential([
        keras.Input((28, 28, 3)),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, dtype="float32"),
    ])


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, epochs=EPOCHS, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE,
                           precision=PRECISION, label_noise=LABEL_NOISE, paper=PAPER)
    train, test = cifar10.load(run)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.SGD(run.learning_rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test)
    run.save(model)
