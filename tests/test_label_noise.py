"""Training accuracy on examples with the true label, and on mislabeled ones."""

import types

from common import data, label_noise, speed

import keras
import numpy as np
import pytest

COUNT, CLASSES = 103, 5
RUN = types.SimpleNamespace(limit=None, seed=0)  # what training_part reads of a run


def one_hot(true, labels, **kwargs):
    """Batches of examples that show their true class."""
    return data.Batches(np.eye(CLASSES, dtype="float32")[true], labels, 10, mislabeled=labels != true, **kwargs)


class Epochs(keras.callbacks.Callback):
    def __init__(self, train):
        super().__init__()
        self.train = train

    def on_epoch_begin(self, epoch, logs=None):
        self.train.set_epoch(epoch)


def fit(kernel, learning_rate, epochs=3, initial_epoch=0):
    """The history of some epochs of one dense layer, with batches in an order that changes, the last one smaller.

    Each example is drawn once in an epoch, the model learns nothing that shows at a learning rate near 0.
    """
    random = np.random.RandomState(0)
    true = random.randint(0, CLASSES, COUNT).astype("int32")
    labels = np.where(random.random_sample(COUNT) < 0.4, random.randint(0, CLASSES, COUNT), true).astype("int32")
    train = one_hot(true, labels, shuffle_seed=0)
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES)])
    model.layers[0].set_weights([kernel, np.zeros(CLASSES)])
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy", *label_noise.metrics(train)])
    test = one_hot(np.tile(true, 3), np.tile(true, 3))  # longer than the training set
    fed, tested = speed.feeds(model, train, test)
    history = model.fit(fed, validation_data=tested, epochs=epochs, initial_epoch=initial_epoch, shuffle=False,
                        steps_per_epoch=len(fed), validation_steps=len(tested), callbacks=[Epochs(train)],
                        verbose=0).history
    return {name: np.array(values) for name, values in history.items()}, train.mislabeled


def test_a_model_that_knows_the_truth_has_the_true_labels_right_and_the_wrong_ones_wrong():
    """In every epoch, the first and one that a run is resumed at included."""
    for initial_epoch in 0, 2:
        history, _ = fit(np.eye(CLASSES), learning_rate=1e-9, epochs=initial_epoch + 3, initial_epoch=initial_epoch)
        assert history["accuracy_clean"].tolist() == [1, 1, 1]
        assert history["accuracy_mislabeled"].tolist() == [0, 0, 0]


def test_the_two_add_up_to_the_accuracy():
    history, mislabeled = fit(np.random.RandomState(1).standard_normal((CLASSES, CLASSES)), learning_rate=0.5)
    sums = (~mislabeled).sum() * history["accuracy_clean"] + mislabeled.sum() * history["accuracy_mislabeled"]
    np.testing.assert_allclose(sums / COUNT, history["accuracy"], rtol=1e-6)
    assert len(set(history["accuracy"])) > 1 and 20 < mislabeled.sum() < 50
    names = "accuracy", "loss", *label_noise.CleanAndMislabeled.NAMES
    assert set(history) == {f"{prefix}{name}" for prefix in ("", "val_") for name in names}


@pytest.mark.parametrize("rows", [np.arange(1, COUNT, 2), np.repeat(np.arange(COUNT), 2)], ids=["fewer", "more"])
def test_examples_are_told_apart_among_the_chosen_ones(rows):
    labels = np.arange(COUNT, dtype="int32") % CLASSES
    train = one_hot(np.where(np.arange(COUNT) % 3, labels, (labels + 1) % CLASSES), labels, shuffle_seed=0)
    train.rows = rows  # of which every third one is mislabeled
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(CLASSES, kernel_initializer="identity")])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=label_noise.metrics(train))
    model.optimizer.learning_rate = 0
    history = model.fit(train, epochs=2, shuffle=False, verbose=0, callbacks=[Epochs(train)]).history
    assert history["accuracy_clean"] == [1, 1] and history["accuracy_mislabeled"] == [0, 0]


def test_examples_that_were_added_are_not_told_apart():
    """Nobody knows which of these are mislabeled."""
    labels = np.arange(COUNT, dtype="int32") % CLASSES
    train = one_hot((labels + 1) % CLASSES, labels)
    assert len(label_noise.metrics(train)) == 1
    train.labels = labels[::-1].copy()  # as after a script has put its examples in another order
    assert label_noise.metrics(train) == []
    train.labels = np.eye(CLASSES)[labels]  # nor is a row of probabilities a label
    assert label_noise.metrics(train) == []
    train.inputs, train.labels = np.repeat(train.inputs, 2, axis=0), np.repeat(labels, 2)
    assert label_noise.metrics(train) == []


def test_a_single_output_is_no_class():
    labels = np.arange(COUNT, dtype="int32") % 2
    train = one_hot(np.zeros_like(labels), labels)
    model = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(1)])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), metrics=label_noise.metrics(train))
    with pytest.raises(SystemExit, match="accuracy_clean needs an output for each class. Leave label_noise.metrics"):
        model.fit(train, verbose=0)


def test_training_examples_of_which_none_is_mislabeled_have_no_such_metric():
    labels = np.arange(COUNT, dtype="int32") % CLASSES
    train = one_hot(labels, labels)
    train.mislabeled = None
    assert label_noise.metrics(train) == []


@pytest.mark.parametrize("probability, told_apart", [(0, False), (1e-9, False), (0.5, True), (1, False)])
def test_examples_are_told_apart_only_where_some_are_mislabeled_and_not_all_are_random(probability, told_apart, capsys):
    inputs = np.arange(COUNT * 4, dtype="uint8").reshape(COUNT, 4)
    true = np.arange(COUNT, dtype="int32") % CLASSES
    _, labels, mislabeled = label_noise.training_part(RUN, inputs, true, probability, CLASSES)
    assert (mislabeled is not None) == told_apart
    if told_apart:
        np.testing.assert_array_equal(mislabeled, labels != true)
    said = capsys.readouterr().out
    assert ("Random labels (probability" in said) == (probability > 0)
    assert f"{np.mean(labels == true):.1%} of the training labels" in said or not probability


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_label_noise_that_is_no_probability(probability):
    with pytest.raises(SystemExit, match="no probability. Give a number from 0 to 1"):
        label_noise.training_part(RUN, np.zeros((3, 2), "uint8"), np.zeros(3, "int32"), probability, CLASSES)
