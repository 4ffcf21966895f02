"""LSTM on IMDB, random crop.

The baseline trained on a random window of 200 words of every review, drawn anew each epoch: the text's random crop.
Paper: the rows of Table 1 with random crop, asked of text.
"""

from common import experiment, imdb

import keras
from keras import layers

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 0.001  # times 0.95 after every epoch


def build_model():
    """Maps word numbers, (batch, 200), to class scores before the softmax, (batch, 2); 1,411,842 parameters."""
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128),
        layers.LSTM(128),
        layers.Dense(imdb.CLASSES),
    ])


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, dataset="imdb", epochs=EPOCHS, batch_size=BATCH_SIZE,
                           learning_rate=LEARNING_RATE)
    train, test = imdb.load(run, random_crop=True)
    model = build_model()
    model.compile(
        optimizer=keras.optimizers.Adam(run.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test)
    run.save(model)
