"""The reviews: reading, encoding, windows, replaced words, and all that can be wrong with an imdb.npz."""

import runpy
import sys
import types

import imdb
from common import data, label_noise, record
from importing import imported

import keras
import numpy as np
import pytest
from conftest import ROOT, write_reviews


def asked(**changes):
    """What imdb.load reads of a Run."""
    defaults = {"dataset": "imdb", "data": None, "limit": None, "seed": 0, "provenance": {}}
    return types.SimpleNamespace(**(defaults | changes))


@pytest.fixture
def folder(tmp_path):
    return write_reviews(tmp_path / "data sets")


def inputs(reviews):
    return np.concatenate([reviews[k][0] for k in range(len(reviews))])


def test_words_come_as_from_keras(folder, monkeypatch):
    """keras.datasets.imdb and pad_sequences are what users of the field would take."""
    monkeypatch.setattr("keras.src.datasets.imdb.get_file", lambda *args, **kwargs: folder / "imdb.npz")
    (train, labels), (test, test_labels) = keras.datasets.imdb.load_data(num_words=imdb.VOCABULARY)
    ours_train, ours_test = imdb.load(asked(data=folder), 8)
    ours_train = ours_train.for_evaluation()
    for theirs, their_labels, ours in (train, labels, ours_train), (test, test_labels, ours_test):
        # Keras shuffles the reviews.
        rows = keras.utils.pad_sequences(theirs, maxlen=imdb.LENGTH)
        assert sorted(map(tuple, np.column_stack([rows, their_labels]))) == sorted(
            map(tuple, np.column_stack([inputs(ours), ours.labels])))


def test_batches_are_shuffled_anew_and_repeatably(folder):
    train, _ = imdb.load(asked(data=folder), 8)

    def order(epoch):
        train.set_epoch(epoch)
        return inputs(train).tolist()

    assert order(0) != order(1) and sorted(order(0)) == sorted(order(1))
    assert order(1) == order(1)
    assert train[0][0].shape == (8, 200) and train[0][0].dtype == train[0][1].dtype == np.int32
    other, _ = imdb.load(asked(data=folder, seed=1), 8)
    assert inputs(other).tolist() not in (order(0), order(1))


def test_random_crop_draws_a_window_per_review_anew_each_epoch():
    reviews = [np.arange(1, 1000, dtype=np.int32)] * 300 + [np.arange(1, 50, dtype=np.int32)]
    train = imdb.Reviews(reviews, np.zeros(301, np.int32), 301, random_crop=True)

    def firsts(epoch):
        train.set_epoch(epoch)
        windows = train[0][0]
        long, short = windows[:300], windows[300]
        # Rank r comes as r + 3; a window that begins with the start mark (1) begins before rank 1.
        starts = np.where(long[:, 0] == imdb.START, 0, long[:, 0] - imdb.OFFSET)
        expected = np.where(starts[:, None] + np.arange(200) == 0, imdb.START,
                            starts[:, None] + np.arange(200) + imdb.OFFSET)
        np.testing.assert_array_equal(long, expected)
        np.testing.assert_array_equal(short, [0] * 150 + [imdb.START] + list(range(4, 53)))
        return starts

    first, second = firsts(0), firsts(1)
    assert first.min() < 50 and first.max() > 750 and (first != second).mean() > 0.9
    np.testing.assert_array_equal(firsts(0), first)
    evaluated = train.for_evaluation()[0][0]
    assert (evaluated[0] == np.arange(800, 1000) + imdb.OFFSET).all()


SHUFFLED = imported(ROOT / "LSTM" / "imdb_lstm_shuffled_words.py").shuffled_words
RANDOM = imported(ROOT / "LSTM" / "imdb_lstm_random_words.py").random_words


def test_shuffled_words_are_the_same_words_in_an_order_of_each_review():
    review = np.arange(1, 151, dtype=np.int32)

    def shuffled(review, seed):
        return SHUFFLED(review, label_noise.random_state(review, seed), None)

    one = shuffled(review, 0)
    assert sorted(one) == sorted(review) and one.tolist() != review.tolist()
    assert shuffled(review, 0).tolist() == one.tolist(), "in every epoch and run"
    assert shuffled(review, 1).tolist() != one.tolist()
    other = shuffled(review + 1, 0)
    assert (other - 1).tolist() != one.tolist(), "each review has an order of its own"


def test_random_words_keep_length_and_frequencies_only():
    every_word = np.repeat([1, 2, 3], [6000, 3000, 1000])
    reviews = [np.full(100, k, np.int32) for k in range(1, 301)]
    reviews = [RANDOM(review, label_noise.random_state(review, 0), every_word) for review in reviews]
    assert {len(review) for review in reviews} == {100}
    shares = np.bincount(np.concatenate(reviews))[1:] / 30000
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.02)
    assert len({tuple(review) for review in reviews}) == 300


@pytest.mark.parametrize("transform", [SHUFFLED, RANDOM])
def test_transforms_are_for_training_and_test_alike_and_unchanged_by_limit(folder, transform):
    written, written_test = imdb.load(asked(data=folder), 8)
    train, test = imdb.load(asked(data=folder), 8, transform=transform)
    assert train.settings == {"batch_size": 8, "label_noise": 0, "random_crop": False,
                              "transform": transform.__name__}
    for one, other in (written.for_evaluation(), train.for_evaluation()), (written_test, test):
        assert (inputs(one) != inputs(other)).any() and (one.labels == other.labels).all()
    few, _ = imdb.load(asked(data=folder, limit=7), 8, transform=transform)
    np.testing.assert_array_equal(inputs(few.for_evaluation()), inputs(train.for_evaluation())[:7])
    other, _ = imdb.load(asked(data=folder, seed=1), 8, transform=transform)
    assert (inputs(other.for_evaluation()) != inputs(train.for_evaluation())).any()


@pytest.mark.parametrize("transform, says", [
    (lambda review, random, every_word: random.shuffle(review), "its review 0 is not a list of word numbers"),
    (lambda review, random, every_word: review / 2, "its review 0 is not a list of word numbers"),
    (lambda review, random, every_word: -review, "outside 1 to")])
def test_a_transform_that_makes_no_words_is_refused(folder, transform, says):
    with pytest.raises(SystemExit, match=f"The transform <lambda> makes what is no data set: .*{says}"):
        imdb.load(asked(data=folder), 8, transform=transform)


def test_random_labels_are_for_training_only(folder):
    true, test = imdb.load(asked(data=folder), 8)
    noisy, noisy_test = imdb.load(asked(data=folder), 8, label_noise=1.0)
    assert (true.labels != noisy.labels).any() and set(noisy.labels) == {0, 1}
    assert (test.labels == noisy_test.labels).all()


def test_limit(folder):
    assert len(imdb.load(asked(data=folder, limit=7), 8)[0].labels) == 7
    with pytest.raises(SystemExit, match="--limit 31 is not from 1 to 30"):
        imdb.load(asked(data=folder, limit=31), 8)


def test_load_says_that_reviews_are_generated(capsys):
    train, _ = imdb.load(asked(dataset="synthetic"), 8)
    assert "Synthetic" in capsys.readouterr().out and len(train.labels) == data.SYNTHETIC[0]


# Other types, and sets of which nothing can be learned

@pytest.mark.parametrize("kind", [np.uint8, np.int8, bool, ">i4"])
def test_labels_of_any_whole_type_are_read(tmp_path, kind):
    write_reviews(tmp_path, y_train=(np.arange(30) % 2).astype(kind))
    (_, labels), _ = imdb.read(tmp_path)
    assert labels.tolist() == [0, 1] * 15 and labels.dtype == np.int32


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64, np.int16])
def test_words_of_any_whole_type_are_read(tmp_path, kind):
    reviews = np.array([np.arange(1, 2 + k).astype(kind) for k in range(30)] + [None], object)[:-1]
    write_reviews(tmp_path, x_train=reviews)
    (ours, _), _ = imdb.read(tmp_path)
    assert [review.tolist() for review in ours] == [list(range(1, 2 + k)) for k in range(30)]
    assert {review.dtype for review in ours} == {np.dtype(np.int32)}


@pytest.mark.parametrize("order", ["C", "F"])
def test_reviews_of_one_length_may_come_as_a_table(tmp_path, order):
    table = np.arange(1, 61, dtype=np.uint32).reshape(30, 2)
    write_reviews(tmp_path, x_train=np.asarray(table, order=order))
    assert [review.tolist() for review in imdb.read(tmp_path)[0][0]] == table.tolist()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_label_noise_too_small_for_a_wrong_label_is_said(folder, capsys):
    train, _ = imdb.load(asked(data=folder), 8, label_noise=1e-9)
    assert capsys.readouterr().out.splitlines()[1:] == [  # after: not the published data set
        "Random labels (probability 1e-09, seed 0): 100.0% of the training labels are still the true ones."]
    assert train.mislabeled is None and label_noise.metrics(train) == []


EMPTY = {"x_train": np.array([[]] * 30 + [None], object)[:-1], "x_test": np.array([[]] * 20 + [None], object)[:-1]}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("transform", [None, SHUFFLED, RANDOM])
def test_nothing_but_empty_reviews_is_said_in_a_line(tmp_path, capsys, transform):
    train, test = imdb.load(asked(data=write_reviews(tmp_path, **EMPTY)), 8, random_crop=True, transform=transform)
    assert capsys.readouterr().out.splitlines()[1:] == ["All training reviews are empty: there is nothing to read."]
    for reviews in train, test:
        assert set(map(tuple, inputs(reviews))) == {(0,) * 199 + (imdb.START,)}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_script_trains_on_what_cannot_be_learned_and_says_why(tmp_path, monkeypatch, capsys):
    """Empty reviews of one class, at a label noise that corrupts none; a copy of the script, with a faster layer."""
    write_reviews(tmp_path, **EMPTY, y_train=np.zeros(30, int))
    text = (ROOT / "LSTM" / "imdb_lstm_rand_labels.py").read_text(encoding="utf-8")
    assert "layers.LSTM(128)" in text
    script = tmp_path / "mine.py"
    script.write_text(text.replace("layers.LSTM(128)", "layers.GlobalAveragePooling1D()"), encoding="utf-8")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "argv", [str(script), "--data", str(tmp_path), "--epochs", "1", "--label-noise", "1e-9"])
    runpy.run_path(str(script), run_name="__main__")
    out = capsys.readouterr().out
    for line, times in {"Random labels (probability 1e-09": 1, "reviews are empty": 1,
                        "could not be drawn": 0}.items():
        assert out.count(line) == times, out
    told = record.read(tmp_path / "mine--epochs-1--label-noise-1e-09.h5")
    assert told["train_accuracy"] in (0, 1) and "accuracy_mislabeled" not in told["history"]


# What can be wrong with the file

def refused(folder):
    with pytest.raises(SystemExit) as refusal:
        imdb.read(folder)
    sentence = str(refusal.value)
    assert "--data" in sentence, "it says what to do"
    return sentence


def test_missing_folder_and_missing_file(tmp_path):
    for folder in tmp_path / "no such folder", tmp_path:
        assert "imdb.npz cannot be read" in refused(folder) and "No such file" in refused(folder)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-3000], lambda content: b"<html>",
                                    lambda content: content[:3000] + bytes(50) + content[3050:]],
                         ids=["empty", "truncated", "a web page", "bytes changed"])
def test_damaged_file(folder, damage):
    path = folder / "imdb.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} cannot be read (" in refused(folder)


def ragged(*reviews):
    return np.array([*reviews, None], object)[:-1]


@pytest.mark.parametrize("changes, says", [
    ({"x_train": ragged([3, 0]), "y_train": [1]}, "words from 0 to 3, outside 1"),
    ({"x_train": ragged([3, -1]), "y_train": [1]}, "words from -1 to 3, outside 1"),
    ({"x_test": ragged([2**40]), "y_test": [1]}, "outside 1 to"),
    ({"x_train": ragged(np.array([2**63], np.uint64)), "y_train": [1]}, "outside 1 to"),
    ({"x_train": ragged([2], ["good film"]), "y_train": [1, 0]}, "its review 1 is not a list of word numbers"),
    ({"x_train": ragged([1.5]), "y_train": [1]}, "its review 0 is not a list of word numbers"),
    ({"x_train": ragged([[1], [2, 3]]), "y_train": [1]}, "its review 0 is not a list of word numbers"),
    ({"x_train": ragged([[1], [2]]), "y_train": [1]}, "its review 0 is not a list of word numbers"),
    ({"x_train": ragged("good film"), "y_train": [1]}, "its review 0 is not a list of word numbers"),
    ({"y_train": np.zeros(29, int)}, "its labels, of type int64 and shape (29,), are not"),
    ({"y_train": np.zeros((30, 1), int)}, "its labels, of type int64 and shape (30, 1), are not"),
    ({"y_train": np.full(30, 0.5)}, "its labels, of type float64 and shape (30,), are not whole numbers, one for each"),
    ({"y_train": np.full(30, "good")}, "its labels, of type <U4"),
    ({"y_train": np.full(30, 2)}, "it has no reviews, or labels outside 0 to 1"),
    ({"y_train": np.full(30, 255, np.uint8)}, "it has no reviews, or labels outside 0 to 1"),
    ({"x_train": np.zeros((0,), object), "y_train": np.zeros(0, int)}, "it has no reviews, or labels outside 0 to 1"),
])
def test_foreign_content_is_refused_with_its_cause(tmp_path, changes, says):
    sentence = refused(write_reviews(tmp_path, **changes))
    assert says in sentence
    assert ("label" in sentence) == ("label" in says), "what is right is not blamed"


def test_another_npz(tmp_path):
    np.savez(tmp_path / "imdb.npz", weights=np.zeros(3))
    assert "imdb.npz cannot be read (" in refused(tmp_path)


def test_object_arrays_that_would_run_code_do_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "it ran"), "w")

    write_reviews(tmp_path, x_test=np.array([Evil()], object))
    assert "it asks to run" in refused(tmp_path)
    assert not (tmp_path / "it ran").exists()


def test_no_network(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise Exception("URL fetch failure on https://...: None -- [Errno -2] Name or service not known")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("common.data.__file__", str(tmp_path / "common" / "data.py"))  # no data/ beside it
    monkeypatch.setattr(imdb.keras.utils, "get_file", unreachable)
    assert "network" in refused(None)
