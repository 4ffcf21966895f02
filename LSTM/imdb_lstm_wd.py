"""LSTM on IMDB, weight decay.

The baseline with an L2 penalty: does the usual regularizer keep the network from fitting everything?
Paper: the rows of Table 1 with weight decay, asked of text.
"""

from common import experiment, imdb

import keras
from keras import layers

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 0.001  # times 0.95 after every epoch
WEIGHT_DECAY = 1e-5    # L2 penalty on every kernel and on the word vectors


def build_model(weight_decay=WEIGHT_DECAY):
    """Maps word numbers, (batch, 200), to class scores before the softmax, (batch, 2); 1,411,842 parameters."""
    l2 = keras.regularizers.L2(weight_decay)
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128, embeddings_regularizer=l2),
        layers.LSTM(128, kernel_regularizer=l2, recurrent_regularizer=l2),
        layers.Dense(imdb.CLASSES, kernel_regularizer=l2),
    ])


if __name__ == "__main__":
    run = experiment.start(__file__, __doc__, dataset="imdb", epochs=EPOCHS, batch_size=BATCH_SIZE,
                           learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    train, test = imdb.load(run)
    model = build_model(run.weight_decay)
    model.compile(
        optimizer=keras.optimizers.Adam(run.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test)
    run.save(model)
