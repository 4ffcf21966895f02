"""LSTM on IMDB, random crop, weight decay.

The baseline with both regularizers: an L2 penalty, and a random window of every longer review, drawn in each epoch.
On images, in the paper: the rows of Table 1 with random crop and weight decay.
"""

import imdb
from common import experiment

import keras
from keras import layers

EPOCHS = 15                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.001       # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
WEIGHT_DECAY = 1e-5         # L2 penalty on every kernel and the word vectors: half of PyTorch's weight_decay


def build_model():
    """Maps word numbers, (batch, 200), to logits, (batch, 2); 1,411,842 parameters."""
    l2 = keras.regularizers.L2(WEIGHT_DECAY)
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128, embeddings_regularizer=l2),
        layers.LSTM(128, kernel_regularizer=l2, recurrent_regularizer=l2),
        layers.Dense(imdb.CLASSES, kernel_regularizer=l2),
    ])


if __name__ == "__main__":
    run = experiment.start(globals(), dataset="imdb")
    train, test = imdb.load(run, BATCH_SIZE, random_crop=True)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
