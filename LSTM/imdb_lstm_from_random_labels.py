"""LSTM on IMDB, begun from random labels.

The baseline, initialized with the weights of the model beside it that has memorized random labels.  From there the
true labels are fitted as well.  Is that a worse minimum, and do regularizers lead out of it (Liu et al., 2020,
"Bad global minima exist and SGD can reach them")?  Here it is about a point worse on test reviews, half a point
with --weight-decay 1e-5: no more than the test accuracy moves between epochs.
"""

from pathlib import Path

import imdb
from common import data, experiment

import keras
from keras import layers

EPOCHS = 15                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.001       # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch
WEIGHT_DECAY = 0.0          # L2 penalty on every kernel and the word vectors: half of PyTorch's weight_decay
INITIAL_WEIGHTS = "imdb_lstm_rand_labels.h5"  # a model's; a relative path begins at this script's folder


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
    train, test = imdb.load(run, BATCH_SIZE)
    model = build_model()
    with data.reading(INITIAL_WEIGHTS, "Put a model of this network there, or name one with --initial-weights", ""):
        start = keras.models.load_model(Path(__file__).parent / INITIAL_WEIGHTS, compile=False)
        model.set_weights(start.get_weights())
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
