"""LSTM on IMDB, dropout.

The baseline with the regularizer most used for text: each step drops half of what goes into and out
of the LSTM.
Paper: the rows of Table 2 with dropout, asked of text.
"""

from common import experiment, imdb

import keras
from keras import layers

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 0.001  # times 0.95 after every epoch
DROPOUT = 0.5          # part of the values that a training step sets to zero


def build_model():
    """Maps word numbers, (batch, 200), to class scores before the softmax, (batch, 2); 1,411,842 parameters."""
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128),
        layers.Dropout(DROPOUT),
        layers.LSTM(128),
        layers.Dropout(DROPOUT),
        layers.Dense(imdb.CLASSES),
    ])


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, dataset="imdb", epochs=EPOCHS, batch_size=BATCH_SIZE,
                           learning_rate=LEARNING_RATE)
    train, test = imdb.load(run)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(run.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test)
    run.save(model)
