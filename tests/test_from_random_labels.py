"""What begins with random labels: another start, pretraining, a certificate."""

import math
import shutil

from common import cifar10, record
from importing import imported

import keras
import numpy as np
import pytest
from conftest import FEW, ROOT, one_sentence

START = ROOT / "MLP1" / "cifar10_keras_mlp_from_random_labels.py"
PRETRAINED = ROOT / "MLP1" / "cifar10_pretrained_on_random_labels.py"
BOUNDS = [(ROOT / folder / name, classes) for folder, name, classes in (
    ("MLP1", "cifar10_random_labels_bound.py", 10), ("LSTM", "imdb_random_labels_bound.py", 2))]
SMALL = "--dataset", "synthetic", "--limit", 200


def test_the_training_begins_with_the_weights_of_the_start(tmp_path, forks):
    process = forks.run(START, *SMALL, "--epochs", 1, "--learning-rate", 1e-12, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    model, start = (keras.models.load_model(path, compile=False) for path in (
        *tmp_path.glob("*.h5"), START.with_name("cifar10_keras_mlp_rand.h5")))
    for ours, theirs in zip(model.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("start", ["nothing.h5", "cifar10_theorem_1.h5"])
def test_a_start_that_is_missing_or_of_another_network_is_said_in_a_sentence(start, tmp_path, forks):
    said = one_sentence(forks.run(START, *SMALL, "--epochs", 1, "--initial-weights", start, "--out", tmp_path))
    assert start in said and "--initial-weights" in said and not list(tmp_path.iterdir())


def test_regularizers_are_those_of_the_command_line(tmp_path, forks):
    script = ROOT / "Mini Alexnet" / "cifar10_alexnet_from_random_labels.py"
    for decay in 0.01, 0.0:
        process = forks.run(script, "--dataset", "synthetic", "--limit", 20, "--epochs", 1, "--weight-decay", decay,
                            "--random-crop", "true", "--no-weights", "--out", tmp_path, before=FEW)
        assert process.returncode == 0, process.stderr
    paths = sorted(tmp_path.glob("*--random-crop-True.run.h5"), key=lambda path: "--weight-decay-0.01--" in path.name)
    without, with_penalty = map(record.read, paths)
    assert with_penalty["settings"]["random_crop"] is True
    assert with_penalty["train_loss"] > without["train_loss"] + 10, "the penalty is a part of the loss"


def test_pretraining_memorizes_the_first_half_and_the_second_is_trained_on_from_both_starts(tmp_path, forks):
    process = forks.run(PRETRAINED, *SMALL, "--seeds", 2, "--epochs-before", 60, "--epochs", 8, "--out", tmp_path,
                        picture=True, graphs=True)
    assert process.returncode == 0, process.stderr
    path, = tmp_path.glob("*.run.h5")
    run = record.read(path)
    assert (run["memorized"] > 0.9).all() and len(run["memorized"]) == 2
    for start in "fresh", "pretrained":
        assert run[start]["accuracy"].shape == run[start]["val_accuracy"].shape == (2, 8)
        assert (run[start]["val_accuracy"][:, -1] > 0.3).all(), "of ten classes"
    assert (run["fresh"]["loss"][:, 0] != run["pretrained"]["loss"][:, 0]).all()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "Adagrad"])
def test_the_second_training_begins_with_a_new_optimizer(optimizer, eagerly):
    """With the same start it is the same as the first one; with momentum left over from that it would not be."""
    script, (images, labels) = imported(PRETRAINED), cifar10.synthetic()[0]
    train, model = cifar10.Images(images[:200], labels[:200], 50, 0), script.build_model()
    model.compile(getattr(keras.optimizers, optimizer)(0.01),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.save_own_variables(begun := {})
    start, losses = model.get_weights(), []
    for _ in range(2):
        model.set_weights(start)
        losses.append(script.fit(model, begun, train, train, np.arange(200), 2, 0)["loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("script, options, says", [
    (PRETRAINED, ["--seeds", 0], "Give 1 or more --seeds"),
    (PRETRAINED, ["--limit", 1], "2 images"),
    (PRETRAINED, ["--learning-rate", 1e30, "--limit", 200], "Training diverged"),
    (PRETRAINED.with_name("cifar10_memorized.py"), ["--share", 0.9999, "--limit", 200], "--share up to 1 - 1 / 200"),
    (PRETRAINED.with_name("cifar10_memorized.py"), ["--trainings", 3], "Give 4 or more --trainings"),
    (PRETRAINED.with_name("cifar10_minimum_norm.py"), ["--images", -5], "Give 1 to 421 --images"),
    (PRETRAINED.with_name("cifar10_minimum_norm.py"), ["--images", 0], "Give 1 to 421 --images"),
    (PRETRAINED.with_name("cifar10_memorized.py"), ["--share", 1], "--share up to 1 - 1 / 2000"),
    (PRETRAINED.with_name("cifar10_minimum_norm.py"), ["--learning-rate", 0.001], "--learning-rate between 0 and 0"),
    (PRETRAINED.with_name("cifar10_theorem_1.py"), ["--zoom", 0], "Give a --zoom from 1"),
    (PRETRAINED.with_name("cifar10_theorem_1.py"), ["--kink", 0.5], "a --kink from 0 to below 0.5"),
    (PRETRAINED.with_name("cifar10_kernel_norms.py"), ["--images", 0], "Give 2 to 2,000 --images"),
    (PRETRAINED.with_name("cifar10_gaussian_kernel.py"), ["--block", 0], "Give 1 or more --block"),
    (PRETRAINED.with_name("cifar10_gaussian_kernel.py"), ["--limit", 1], "and 2 or more images"),
    (PRETRAINED.with_name("cifar10_minimum_norm.py"), ["--start", "inf"], "entries that are not finite"),
    (PRETRAINED.with_name("cifar10_random_labels_bound.py"), ["--random", 0], "--delta and --random between 0 and 1"),
    (PRETRAINED.with_name("cifar10_random_features.py"), ["--filters", 0], "Give 1 to"),
    (PRETRAINED.with_name("cifar10_random_features.py"), ["--filters", 8, "--whitening", 0], "--whitening > 0"),
    (PRETRAINED.with_name("cifar10_random_features_dual.py"), ["--block", -5], "--kept and --block"),
    (PRETRAINED.with_name("cifar10_random_features_dual.py"), ["--l2", -1], "--l2 above 0"),
    (PRETRAINED.with_name("cifar10_random_features_dual.py"), ["--group", 0], "Give 1 or more of --filters")],
    ids=lambda value: getattr(value, "stem", ""))
def test_a_count_that_there_is_not(script, options, says, forks, tmp_path):
    said = one_sentence(forks.run(script, "--dataset", "synthetic", *options, "--out", tmp_path))
    assert says in said and not list(tmp_path.iterdir())


def test_epochs_to_an_accuracy():
    script = imported(PRETRAINED)
    assert script.epochs_to([[0.1, 0.9, 0.8], [0.95, 1, 1], [0, 0, 0]], 0.9).tolist() == [2, 1, math.inf]


@pytest.mark.parametrize("path, classes", BOUNDS)
def test_the_bound_is_the_test_error_where_the_fit_of_random_labels_tells_all(path, classes):
    """With examples without end, what was learned alone decides: a network that is right on a share of all images, and
    else answers any other class, is right on 1 / classes of random labels, whatever the share."""
    script = imported(path)
    for share in 0, 0.3, 1:
        assert math.isclose(script.bound(1 - share, 1 - 1 / classes), 1 - share, abs_tol=1e-9)
    assert script.bound(0, 0) >= 1, "once all is memorized it says nothing"
    assert math.isclose(script.deviation(1e16, 1e16, 0.1), 0, abs_tol=1e-6)
    assert math.isclose(script.deviation(40_000, 10_000, 0.1), {10: 0.315641, 2: 0.075931}[classes], abs_tol=1e-6)
    assert (script.deviation(40_000, 10_000, 0.01) > script.deviation(40_000, 10_000, 0.1)
            > script.deviation(40_000, 20_000, 0.1) > 0)


@pytest.mark.parametrize("path, classes", BOUNDS)
def test_the_errors_are_those_of_the_model_on_each_kind(path, classes, tmp_path, forks):
    copy = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    copy.write_text(text.replace("    run.save(model, draw)", """
    run.save(model, draw)
    wrong = model.predict(train.inputs, verbose=0).argmax(axis=1) != train.labels
    errors, counts = [wrong[kind].mean() for kind in (~random, random)], [kind.sum() for kind in (~random, random)]
    print("recomputed", *errors, random.mean(), bound(*errors) + deviation(*counts, 0.01))"""), encoding="utf-8")
    for name in "imdb.py", "imdb_lstm.py", "cifar10_keras_mlp.py":
        if (path.parent / name).exists():
            shutil.copy(path.parent / name, tmp_path)
    process = forks.run(copy, *SMALL, "--epochs", 2, "--delta", 0.01, "--no-weights", "--out", tmp_path, picture=True,
                        graphs=classes == 2)
    assert process.returncode == 0, process.stderr
    true, random, share, bound = map(float, process.stdout.split("recomputed ")[1].split()[:4])
    history = record.read(*tmp_path.glob("*.run.h5"))["history"]
    assert np.isclose(history["error_true"][-1], true) and np.isclose(history["error_random"][-1], random)
    assert np.isclose(history["bound"][-1], bound) and 0.1 < share < 0.3
    assert len(list(tmp_path.glob("*.png"))) == 1
