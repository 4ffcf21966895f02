"""Section 5's norms: kernels, bad interpolants, SGD's minimum norm.  And section 2.2's coins."""

import shutil

from common import cifar10, label_noise, record
from importing import imported

import numpy as np
import pytest
from conftest import ROOT, one_sentence

NORMS, MINIMUM = (ROOT / "MLP1" / f"cifar10_{name}.py" for name in ("kernel_norms", "minimum_norm"))
COINS = [ROOT / "MLP1" / "cifar10_keras_mlp_rademacher.py", ROOT / "Mini Alexnet" / "cifar10_alexnet_rademacher.py"]


def test_the_norm_is_that_of_the_weights():
    """In the space of a linear kernel the solution's weights can be written down: w = X^T alpha, X w = y."""
    script, random = imported(NORMS), np.random.RandomState(0)
    x, new, labels = random.standard_normal((40, 60)), random.standard_normal((5, 60)), random.randint(0, 10, (40, 2))
    k = x @ x.T
    norms, train_errors, _ = script.solved(k, new @ x.T, labels, random.randint(0, 10, 5))
    np.testing.assert_allclose(k, x @ x.T, err_msg="K is needed again")
    for kind, norm in enumerate(norms):
        y = np.eye(10)[labels[:, kind]]
        alpha = np.linalg.solve(k, y)
        w = np.linalg.lstsq(x, y, rcond=None)[0]
        np.testing.assert_allclose(norm**2, (w**2).sum(), rtol=1e-8)
        np.testing.assert_allclose(norm**2, np.trace(alpha.T @ k @ alpha), rtol=1e-8)
    assert (train_errors == 0).all()


def test_wrong_labels_are_wrong_and_keyed_by_content():
    script, random = imported(NORMS), np.random.RandomState(0)
    images, labels = random.randint(0, 256, (2000, 4, 4, 3)).astype(np.uint8), random.randint(0, 10, 2000)
    wrong, order = script.wrong_labels(labels, images, 1), random.permutation(2000)
    assert (wrong != labels).all() and set(wrong) == set(range(10))
    np.testing.assert_array_equal(script.wrong_labels(labels[order], images[order], 1), wrong[order])


def test_the_bad_interpolant_fits_and_has_the_larger_norm(tmp_path, forks):
    process = forks.run(NORMS, "--dataset", "synthetic", "--images", 300, "--extra", 300, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.index("GB of memory, about") < process.stdout.index("raw pixels: kernel of")
    stem = "cifar10_kernel_norms--synthetic--images-300--extra-300"
    told = record.read(tmp_path / f"{stem}.run.h5")
    assert (tmp_path / f"{stem}.png").exists()
    for pixels in "raw", "standardized":
        found = told[pixels]
        assert found["images"].tolist() == [300, 375, 450, 600]
        for kind in "true", "wrong", "random", "narrow":
            assert (found[kind][1] == 0).all(), f"{pixels} pixels, {kind}: the training labels are fitted"
        assert found["wrong"][0, 0] == pytest.approx(found["true"][0, 0]), "no wrong labels yet"
        assert (found["wrong"][0, 1:] > found["true"][0, 1:]).all(), "norm"
        assert found["wrong"][2, -1] > found["true"][2, -1], "test error"
        assert (np.diff(found["true"][0]) > 0).all(), "more labels to fit, larger norm"


def test_the_kinds_of_labels_are_told_by_name_whatever_their_order_and_the_pixels(tmp_path, forks):
    copy, text = tmp_path / NORMS.name, NORMS.read_text(encoding="utf-8")
    copy.write_text(text.replace("KINDS = {", 'KINDS = {"random": ("random labels", "C7o-"), ').replace(
        ', "standardized": cifar10.standardize}', "}"), encoding="utf-8")
    assert copy.read_text(encoding="utf-8").count("standardized") < text.count("standardized")
    for name in "cholesky.py", "cifar10_gaussian_kernel.py":
        shutil.copy(NORMS.with_name(name), tmp_path)
    process = forks.run(copy, "--dataset", "synthetic", "--images", 100, "--extra", 100)
    assert process.returncode == 0, process.stderr
    path, = tmp_path.glob("*.run.h5")
    told = record.read(path)
    assert path.with_suffix("").with_suffix(".png").exists() and "standardized" not in told
    assert told["raw"]["true"][2, -1] < 0.5 < told["raw"]["random"][2, -1]
    assert told["test_accuracy"] == 1 - told["raw"]["true"][2, -1]


def test_what_cannot_fit_is_said_in_a_sentence(tmp_path, forks):
    options = "--dataset", "synthetic", "--out", tmp_path
    assert "Give 2 to 2,000 --images, --extra ones included" in one_sentence(forks.run(NORMS, *options))
    assert "Give 1 to 421 --images" in one_sentence(forks.run(MINIMUM, *options, "--images", 1500))


def test_the_minimum_norm_is_numpys():
    script, random = imported(MINIMUM), np.random.RandomState(0)
    x, y = random.standard_normal((20, 50)), random.choice([-1.0, 1.0], 20)
    np.testing.assert_allclose(script.minimum_norm(x, y), np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-10)


def test_sgd_finds_the_minimum_norm_from_zero_and_from_nowhere_else():
    script, random = imported(MINIMUM), np.random.RandomState(0)
    x, y, start = random.standard_normal((20, 50)), random.choice([-1.0, 1.0], 20), random.standard_normal(50)
    script.LEARNING_RATE, w = 0.01, np.stack([0 * start, start])
    for _ in range(1000):
        script.sgd(x, y, w, random)
    np.testing.assert_allclose(w @ x.T, [y, y], atol=1e-6, err_msg="both fit")
    smallest = np.linalg.lstsq(x, y, rcond=None)[0]
    unseen = start - np.linalg.pinv(x) @ x @ start  # the part of the start that is orthogonal to all examples
    np.testing.assert_allclose(w, [smallest, smallest + unseen], atol=1e-6)
    assert np.linalg.norm(w[1]) > np.linalg.norm(w[0]) + 1


def test_minimum_norm_from_end_to_end(tmp_path, forks):
    process = forks.run(MINIMUM, "--dataset", "synthetic", "--images", 60, "--epochs", 400, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_minimum_norm--synthetic--images-60--epochs-400.run.h5")
    zero, elsewhere = told["curves"]["distance"][-1]
    assert zero < 1e-4 and elsewhere == pytest.approx(told["unseen"], rel=1e-4) and elsewhere > 1
    assert (told["solutions"]["train"] == 1).all()
    smallest, from_zero, from_elsewhere = told["solutions"]["norm"]
    assert from_zero == pytest.approx(smallest, rel=1e-4) and from_elsewhere > smallest


def test_coins_are_balanced_and_keyed_by_content():
    images, labels = cifar10.synthetic()[0]
    def throw(labels, images, seed=0):
        return label_noise.corrupt_labels(labels, images, 1, seed, classes=2)

    coins, order = throw(labels, images), np.random.RandomState(0).permutation(2000)
    assert set(coins) == {0, 1} and abs(coins.mean() - 0.5) < 0.05
    np.testing.assert_array_equal(throw(labels[order], images[order]), coins[order])
    assert abs(np.mean(coins == throw(labels, images, seed=1)) - 0.5) < 0.05, "another seed"
    for label in range(10):
        assert abs(coins[labels == label].mean() - 0.5) < 0.15, "coins tell nothing of the class"


def test_the_mlp_fits_coins(tmp_path, forks):
    process = forks.run(COINS[0], "--dataset", "synthetic", "--limit", 300, "--epochs", 15, "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_keras_mlp_rademacher--synthetic--limit-300--epochs-15.h5")
    assert told["train_accuracy"] == 1 and abs(told["test_accuracy"] - 0.5) < 0.06
    assert "= 1.0000\n" in process.stdout
