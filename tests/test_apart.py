"""Accuracy on examples with true and with wrong labels, apart."""

from common import apart, data, speed

import keras
import numpy as np

COUNT, CLASSES = 103, 5


class OneHot(data.Batches):
    """Examples that show their true class."""

    def __init__(self, true, labels, **kwargs):
        self.true = true
        super().__init__(labels, 10, wrong=labels != true, **kwargs)

    def draw_crops(self, random):
        pass

    def inputs(self, rows):
        return np.eye(CLASSES, dtype="float32")[self.true[rows]]


class Epochs(keras.callbacks.Callback):
    def __init__(self, train):
        super().__init__()
        self.train = train

    def on_epoch_begin(self, epoch, logs=None):
        self.train.set_epoch(epoch)


def fit(kernel, learning_rate):
    """The history of three epochs of one dense layer, with batches in an order that changes, the last one smaller."""
    random = np.random.RandomState(0)
    true = random.randint(0, CLASSES, COUNT).astype("int32")
    labels = np.where(random.random_sample(COUNT) < 0.4, random.randint(0, CLASSES, COUNT), true).astype("int32")
    train = OneHot(true, labels, shuffle_seed=0)
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
    model.layers[0].set_weights([kernel, np.zeros(CLASSES)])
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    callbacks = [Epochs(train), apart.Apart(model, train)]
    speed.speed_up(model)
    test = OneHot(np.tile(true, 3), np.tile(true, 3))  # longer than the training set
    history = model.fit(train, validation_data=test, epochs=3, shuffle=False, callbacks=callbacks, verbose=0).history
    return {name: np.array(values) for name, values in history.items()}, train.wrong


def test_a_model_that_knows_the_truth_has_the_true_labels_right_and_the_wrong_ones_wrong():
    history, _ = fit(np.eye(CLASSES), learning_rate=1e-9)
    assert history["accuracy_clean"].tolist() == [1, 1, 1] and history["accuracy_wrong"].tolist() == [0, 0, 0]


def test_the_two_add_up_to_the_accuracy():
    history, wrong = fit(np.random.RandomState(1).standard_normal((CLASSES, CLASSES)), learning_rate=0.5)
    sums = (~wrong).sum() * history["accuracy_clean"] + wrong.sum() * history["accuracy_wrong"]
    np.testing.assert_allclose(sums / COUNT, history["accuracy"], rtol=1e-6)
    assert len(set(history["accuracy"])) > 1 and 20 < wrong.sum() < 50
    assert set(history) == {f"{prefix}{name}" for prefix in ("", "val_") for name in ("accuracy", "loss")} | {
        "accuracy_clean", "accuracy_wrong"}
