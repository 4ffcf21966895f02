"""LSTM on IMDB, shuffled words.

The words of each review, training and test, stand in an order drawn at random, once: only the bag of words is left.  Of
a review of more than 200 words the network then sees 200 from all over it, where the baseline sees the last 200.
On images, in the paper: Figure 1, "random pixels" (each image's pixels in an order of its own).
"""

import imdb
from common import experiment

import keras
from keras import layers

EPOCHS = 15                 # passes over the training set at most; it ends once fitted
BATCH_SIZE = 64             # examples in a step
LEARNING_RATE = 0.001       # of the first epoch
LEARNING_RATE_DECAY = 0.95  # factor after every epoch


def shuffled_words(review, random, every_word):
    """The words of a review, int32 of shape (words,), in a random order."""
    return random.permutation(review)


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
    train, test = imdb.load(run, BATCH_SIZE, transform=shuffled_words)
    model = build_model()
    rate = keras.optimizers.schedules.ExponentialDecay(LEARNING_RATE, len(train), LEARNING_RATE_DECAY, staircase=True)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    run.fit(model, train, test, EPOCHS, callbacks=[experiment.StopOnceFitted()])
    run.save(model)
