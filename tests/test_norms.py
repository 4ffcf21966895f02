"""Section 5's norms: kernels, bad interpolants, SGD's minimum norm.  And section 2.2's coins."""

import shutil

from common import cifar10, label_noise, record
from importing import imported

import numpy as np
import pytest
from conftest import ROOT, one_sentence

NORMS, CENTERS, MINIMUM = (ROOT / "MLP1" / f"cifar10_{name}.py" for name in (
    "kernel_norms", "random_centers", "minimum_norm"))
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


def test_random_centers_fit_with_a_larger_norm_and_know_less(tmp_path, forks):
    process = forks.run(CENTERS, "--dataset", "synthetic", "--images", 300, "--out", tmp_path, picture=True)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_random_centers--synthetic--images-300.run.h5")
    assert (tmp_path / "cifar10_random_centers--synthetic--images-300.png").exists()
    assert (told["shares"] * 300).round().tolist() == [0, 1, 3, 30, 300]
    for norms, train_errors, errors in told["solutions"].values():
        assert (train_errors == 0).all() and (norms[1:] > 1.5 * norms[0]).all() and errors[-1] > errors[0]
    (images, labels), (new, true) = cifar10.synthetic()
    x, new = (cifar10.standardize(cifar10.central(part)).reshape(len(part), -1).astype(float)
              for part in (images[:600], new))
    kernels, y = imported(CENTERS.with_name("cifar10_gaussian_kernel.py")), np.eye(10)[labels[:300]]
    s = 0.5 * kernels.median_distance(x[:300])
    for centers, kind, place in (x[:300], "noise", 0), (x[300:], "other images", 4):
        found = told["solutions"][kind][:, place]
        alpha = np.linalg.solve(kernels.kernel(x[:300], centers, s), y)
        norm = np.sqrt(np.trace(alpha.T @ kernels.kernel(centers, centers, s) @ alpha))
        np.testing.assert_allclose(found[0], norm, rtol=1e-4)
        wrong = (kernels.kernel(new, centers, s) @ alpha).argmax(axis=1) != true
        assert found[2] == pytest.approx(wrong.mean(), abs=2e-3)


def test_random_centers_that_solve_nothing_are_refused(tmp_path, forks):
    options = "--dataset", "synthetic", "--out", tmp_path, "--images"
    for more, sentence in ([1], "Give 2 to "), ([50, "--bandwidth", 1e-3], "cannot be solved in float64"), (
            [50, "--bandwidth", 1e5], "cannot be solved in float64"):
        assert sentence in one_sentence(forks.run(CENTERS, *options, *more))
    assert not list(tmp_path.glob("*.h5"))


def test_noise_has_the_images_mean_and_covariance():
    random = np.random.RandomState(0)
    x = random.standard_normal((4000, 3)) @ [[1, 2, 0], [0, 1, 1], [0, 0, 3]] + [5, 6, 7]
    noise = imported(CENTERS).noise_like(x, random)
    np.testing.assert_allclose(noise.mean(axis=0), x.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(noise.T), np.cov(x.T), atol=0.7)
    assert abs(noise - x).max() > 1


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
