"""LSTM on IMDB, dropout.

The baseline with the regularizer most used for text: each step drops half of what goes into and out
of the LSTM.
On images, in the paper: the rows of Table 2 with dropout.
"""

import imdb
from common import experiment

import keras
from keras import layers

EPOCHS = 15                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.001       # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
DROPOUT = 0.5               # fraction of the values that a training step sets to zero


def build_model():
    """Maps word numbers, (batch, 200), to logits, (batch, 2); 1,411,842 parameters."""
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128),
        layers.Dropout(DROPOUT),
        layers.LSTM(128),
        layers.Dropout(DROPOUT),
        layers.Dense(imdb.CLASSES),
    ])


if __name__ == "__main__":
    run = experiment.start(globals(), dataset="imdb")
    train, test = imdb.load(run, BATCH_SIZE)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
