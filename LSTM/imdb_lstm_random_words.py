"""LSTM on IMDB, random words.

Every review, training and test, is replaced once by as many words, drawn at random by their frequency in training.
On images, in the paper: Figure 1, "Gaussian" (images of noise like the real ones in mean and variance).
"""

import imdb
from common import experiment

import keras
from keras import layers

EPOCHS = 15                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.001       # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch


def random_words(review, random, every_word):
    """As many words as the review has, each drawn from all words of the training set, int32 of shape (words,)."""
    return every_word[random.randint(0, len(every_word), len(review))]


def build_model():
    """Maps word numbers, (batch, 200), to logits, (batch, 2); 1,411,842 parameters."""
    return keras.Sequential([
        keras.Input((imdb.LENGTH,), dtype="int32"),
        layers.Embedding(imdb.VOCABULARY, 128),
        layers.LSTM(128),
        layers.Dense(imdb.CLASSES),
    ])


if __name__ == "__main__":
    run = experiment.start(globals(), dataset="imdb")
    train, test = imdb.load(run, BATCH_SIZE, transform=random_words)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
