"""MLP1/cifar10_memorized.py: its scores, counted a second time, and its runs."""

import runpy
import shutil
import sys

from common import cifar10, data, label_noise, record
from importing import imported

import keras
import numpy as np
import pytest
from conftest import ROOT

PATH = ROOT / "MLP1" / "cifar10_memorized.py"
SCRIPT = imported(PATH)


def test_scores_are_counted_as_defined():
    random = np.random.RandomState(0)
    chosen, right = random.random_sample((30, 7)) < 0.7, random.random_sample((30, 7)) < 0.5
    for image, score in enumerate(SCRIPT.memorization(chosen, right)):
        when_in = [right[k, image] for k in range(30) if chosen[k, image]]
        when_out = [right[k, image] for k in range(30) if not chosen[k, image]]
        assert np.isclose(score, sum(when_in) / len(when_in) - sum(when_out) / len(when_out))
    always, never = np.ones((3, 1), bool), np.zeros((3, 1), bool)
    for chosen in always, never:
        assert SCRIPT.memorization(chosen, always).tolist() == [0], "what is not known counts for nothing"


def test_the_area_under_the_curve_is_that_of_all_pairs():
    random = np.random.RandomState(0)
    scores, marked = random.randint(0, 5, 40), random.random_sample(40) < 0.3
    pairs = [(one > other) + 0.5 * (one == other) for one in scores[marked] for other in scores[~marked]]
    assert np.isclose(SCRIPT.area_under_curve(scores, marked), np.mean(pairs))


def test_a_training_is_the_same_whatever_was_trained_before_it(monkeypatch):
    """Also with layers that draw random numbers, as a copy may have."""
    def build_model():
        return keras.Sequential([keras.Input((28, 28, 3)), keras.layers.Flatten(), keras.layers.Dropout(0.5),
                                 keras.layers.Dense(10)])

    monkeypatch.setattr(SCRIPT, "build_model", build_model)
    monkeypatch.setattr(SCRIPT, "EPOCHS", 1)
    images, labels = cifar10.synthetic()[1]
    train = data.Batches(cifar10.standardize(cifar10.central(images[:60])), labels[:60], 20, 0)
    model, every, found = build_model(), train.for_evaluation(), []
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.save_own_variables(initial := {})
    for seed in 1, 2, 1:
        SCRIPT.right_answers(model, initial, train, train, every, np.arange(40), seed)
        found.append(model.get_weights()[0])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


def test_an_interrupted_run_is_resumed(tmp_path, monkeypatch, capsys):
    kept, savez = tmp_path / "kept", np.savez

    def save(path, **arrays):
        savez(path, **arrays)
        if len(arrays["right"]) == 2:  # what an interruption after the second training leaves
            shutil.copy(path, kept)

    def told(script=PATH):
        monkeypatch.setattr(sys, "argv", [str(script), "--dataset", "synthetic", "--limit", "300", "--trainings", "4",
                                          "--epochs", "30", "--learning-rate", "0.1", "--label-noise", "0.2",
                                          "--out", str(tmp_path)])
        runpy.run_path(str(script), run_name="__main__")
        path, = tmp_path.glob("*.run.h5")
        return record.read(path), capsys.readouterr().out

    monkeypatch.setattr(np, "savez", save)
    whole, said = told()
    assert "Training 1 of 4" in said and not list(tmp_path.glob(".*.npz"))
    assert whole["image"]["memorization"].shape == whole["image"]["mislabeled"].shape == (300,)
    wrong = whole["image"]["mislabeled"]
    assert whole["image"]["memorization"][wrong].mean() > 0.4 and whole["area"] > 0.8, "trained on the chosen images"
    assert whole["shown"]["most"].shape == whole["shown"]["least"].shape == (60, 32, 32, 3)
    (images, labels), _ = cifar10.synthetic()
    labels = label_noise.corrupt_labels(labels[:300], images[:300], 0.2, 0)
    for label in range(10):
        scores = whole["image"]["memorization"][labels == label]
        for name, extreme in ("most", scores.max()), ("least", scores.min()):
            row, = np.flatnonzero((images[:300] == whole["shown"][name][6 * label]).all(axis=(1, 2, 3)))
            assert labels[row] == label and whole["image"]["memorization"][row] == extreme, name
    checkpoint = tmp_path / f".{next(tmp_path.glob('*.run.h5')).name.removesuffix('.run.h5')}.checkpoint.npz"
    shutil.copy(kept, checkpoint)
    edited = tmp_path / PATH.name  # in place of an option, which would be in the name
    edited.write_text(PATH.read_text(encoding="utf-8").replace("SHARE = 0.7 ", "SHARE = 0.8 "), encoding="utf-8")
    with pytest.raises(SystemExit, match="made with another share and another code. Add --fresh to begin again.$"):
        told(edited)
    resumed, said = told()
    assert "Training 3 of 4" in said and "Training 2 of 4" not in said
    np.testing.assert_array_equal(resumed["image"]["memorization"], whole["image"]["memorization"])
    assert resumed["area"] == whole["area"]
    with np.load(kept) as before:
        assert resumed["seconds"] > before["seconds"] > 0
