"""What is solved for in one step: Theorem 1's network, the Gaussian kernel, random features, double descent."""

import importlib.util
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import cholesky
from common import cifar10, experiment, plot, record
from importing import imported

import keras
import numpy as np
import pytest
from conftest import ROOT, one_sentence, run

THEOREM, KERNEL, FEATURES, DUAL, DESCENT, NORMS, CENTERS = (ROOT / "MLP1" / f"cifar10_{name}.py" for name in (
    "theorem_1", "gaussian_kernel", "random_features", "random_features_dual", "double_descent", "kernel_norms",
    "random_centers"))
GABOR = ROOT / "MLP1" / "mnist_gabor_kernel.py"


@pytest.fixture
def random():
    return np.random.RandomState(0)


def test_theorem_1_solves_its_triangular_system(random):
    z, y = np.sort(random.standard_normal(300)), random.randint(0, 10, 300).astype(float)
    b, w = imported(THEOREM).fit(z, y)
    assert (b < z).all() and (b[1:] > z[:-1]).all(), "b_1 < z_1 < b_2 < z_2 ..."
    matrix = np.maximum(z[:, None] - b, 0)
    assert (np.triu(matrix, 1) == 0).all()
    np.testing.assert_allclose(matrix @ w, y, atol=1e-6)
    np.testing.assert_allclose(w, np.linalg.solve(matrix, y), rtol=1e-6, atol=1e-3)


def test_theorem_1_from_end_to_end(tmp_path, forks):
    process = forks.run(THEOREM, "--dataset", "synthetic", "--limit", "300", "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    file = tmp_path / "cifar10_theorem_1--synthetic--limit-300.h5"
    told = record.read(file)
    assert told["train_accuracy"] == 1 and told["weights"] == 2 * 300 + 2352
    model = keras.models.load_model(file, compile=False)
    np.testing.assert_allclose(model.predict(told["probe"]["inputs"], verbose=0), told["probe"]["outputs"], rtol=1e-4)


@pytest.mark.parametrize("block", [7, 50, 1000])
def test_the_blocked_solve_is_numpys(block, random):
    script = imported(KERNEL)
    x, y = random.standard_normal((100, 5)), random.standard_normal((100, 3))
    k = script.kernel(x, x, 0.5)
    np.testing.assert_allclose(k, np.exp(-((x[:, None] - x)**2).sum(axis=2) / 0.5), rtol=1e-6)
    expected = np.linalg.solve(k, y)
    np.testing.assert_allclose(script.solve(np.tril(k), y, block), expected, rtol=1e-6)


def test_the_order_of_the_images_does_not_matter_to_the_kernel(random):
    script = imported(KERNEL)
    x, y, new = random.standard_normal((100, 5)), random.randint(0, 10, 100), random.standard_normal((50, 5))
    order = random.permutation(100)

    def predictions(x, y):
        return script.kernel(new, x, 1.0) @ script.solve(script.kernel(x, x, 1.0), np.eye(10)[y])

    one, other = predictions(x, y), predictions(x[order], y[order])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_kernel_fits_true_and_random_labels(tmp_path, forks):
    process = forks.run(KERNEL, "--dataset", "synthetic", "--limit", "500", "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_gaussian_kernel--synthetic--limit-500.run.h5")
    assert told["train_accuracy"] == told["random_train_accuracy"] == 1
    assert told["test_accuracy"] > 0.9 and told["random_test_accuracy"] < 0.2


def test_the_kernel_on_mnist(tmp_path, forks, random):
    parts = {"x_train": random.randint(0, 256, (300, 28, 28)), "y_train": random.randint(0, 10, 300),
             "x_test": random.randint(0, 256, (20, 28, 28)), "y_test": random.randint(0, 10, 20)}
    np.savez(tmp_path / "mnist.npz", **{name: part.astype(np.uint8) for name, part in parts.items()})
    options = ["--dataset", "mnist", "--data", tmp_path, "--out", tmp_path]
    process = forks.run(KERNEL, *options)
    assert process.returncode == 0, process.stderr
    assert "not the published data set" in process.stdout
    told = record.read(tmp_path / "cifar10_gaussian_kernel--mnist.run.h5")
    assert told["train_accuracy"] == told["random_train_accuracy"] == 1 and "paper_test" not in told
    x, y = parts["x_train"].reshape(300, -1) / 255, np.eye(10)[parts["y_train"]]
    k = imported(KERNEL).kernel(x, x, told["width"])
    assert told["norm"] == pytest.approx(np.sqrt(np.trace(y.T @ np.linalg.solve(k, y))), rel=1e-3)
    assert told["title"].startswith("Gaussian kernel on MNIST,") and told["title"].endswith("(mnist)")
    np.savez(tmp_path / "mnist.npz", **{name: part[:, :5] if part.ndim == 3 else part for name, part in parts.items()})
    assert "mnist.npz cannot be read (cannot reshape" in one_sentence(forks.run(KERNEL, *options))
    (tmp_path / "mnist.npz").write_bytes(b"")
    assert "mnist.npz cannot be read (" in one_sentence(forks.run(KERNEL, *options))


def test_responses_are_the_magnitudes_of_convolutions_with_waves_under_a_bell(random):
    gabor = imported(ROOT / "MLP1" / "gabor.py")
    images, (down, right) = random.random((3, 13, 13)), np.mgrid[-8:9, -8:9]
    bell, expected = np.exp(-(down**2 + right**2) / (2 * 2**2)), []
    for wave in np.exp(2j * np.pi * right / 4), np.exp(2j * np.pi * down / 4):
        wavelet = bell / bell.sum() * (wave - (bell * wave).sum() / bell.sum())
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, ((0, 0), (8, 8), (8, 8))), (17, 17), (1, 2))
        lengths = abs((windows * wavelet[::-1, ::-1]).sum(axis=(3, 4)))[:, :12, :12]
        expected.append(lengths.reshape(3, 4, 3, 4, 3).mean(axis=(2, 4)).reshape(3, 16))
    found = gabor.responses(images, (4,), 2, 0.5, 3)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=2e-4)
    assert found.dtype == np.float32 and found.max() > 0.05
    np.testing.assert_allclose(gabor.wavelets(20, (4, 6), 8, 0.5)[:, 0, 0], 0, atol=1e-6)  # their sums
    assert gabor.responses(np.ones((1, 40, 40)), (4,), 8, 0.5, 4).reshape(8, 10, 10)[:, 3:7, 3:7].max() < 1e-3


def test_the_kernel_of_wavelets_and_the_penalty(tmp_path, forks, random):
    patterns, parts = random.randint(0, 256, (10, 28, 28)), {}
    for split, count in ("train", 200), ("test", 300):
        parts[f"y_{split}"] = random.randint(0, 10, count)
        noise = random.randint(0, 256, (count, 28, 28))
        parts[f"x_{split}"] = (0.25 * patterns[parts[f"y_{split}"]] + 0.75 * noise).astype(int)
    np.savez(tmp_path / "mnist.npz", **{name: part.astype(np.uint8) for name, part in parts.items()})
    options = "--data", tmp_path, "--out", tmp_path, "--penalty", 0.3
    interrupted = ("import kept\nwrite = kept.write\ndef stop(*run, **arrays):\n    write(*run, **arrays)\n"
                   "    raise SystemExit('stopped')\nkept.write = stop")
    assert "stopped" in one_sentence(forks.run(GABOR, *options, before=interrupted))
    process = forks.run(GABOR, *options, picture=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("Kernel of 200 of 200 images") == 3, "one of the four solutions was there"
    told, kernel = record.read(tmp_path / "mnist_gabor_kernel--penalty-0.3.run.h5"), imported(KERNEL)
    y, wavelets = np.eye(10)[parts["y_train"]], imported(GABOR).wavelets
    for kind, seen in ("pixels", lambda images: images.reshape(len(images), -1) / 255), ("wavelets", wavelets):
        x, new = (seen(parts[name]).astype(float) for name in ("x_train", "x_test"))
        s = {"pixels": 0.5, "wavelets": 0.35}[kind] * kernel.median_distance(x)
        k, new_k = kernel.kernel(x, x, s), kernel.kernel(new, x, s)
        for name, penalty in (kind, 0), (f"{kind}, penalty", 0.3):
            alpha = np.linalg.solve(k + penalty * np.eye(200), y)
            wrong = np.mean((new_k @ alpha).argmax(axis=1) != parts["y_test"])
            norm, train, test = told["solutions"][name]
            assert norm == pytest.approx(np.sqrt(np.trace(alpha.T @ k @ alpha)), rel=1e-3)
            assert train == 0 and test == pytest.approx(wrong, abs=0.011) and wrong < 0.8
    assert told["test_accuracy"] == 1 - told["solutions"]["wavelets"][2] and not list(tmp_path.glob(".*"))
    assert (tmp_path / "mnist_gabor_kernel--penalty-0.3.png").exists()
    said = one_sentence(forks.run(GABOR, "--data", tmp_path, "--out", tmp_path, "--pool", 29))
    assert "a --pool of 1 to 28 pixels" in said


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="what is free is known on Linux only")
def test_too_little_memory_is_said_before_the_work():
    with pytest.raises(SystemExit, match="The kernel takes 1000000000.0 GB of memory.*--limit"):
        cholesky.need_memory(1e18, "The kernel", 1)
    with pytest.raises(SystemExit, match="Take fewer filters, with --filters"):
        cholesky.need_memory(1e18, "The solve", 1, "filters, with --filters")


def test_what_does_not_fit_ends_before_the_work(tmp_path, forks):
    little = "import cholesky, pathlib\ncholesky.Path = lambda path: pathlib.Path({!r})"
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 9 kB\nMemAvailable:     100 kB\n", encoding="utf-8")
    for script, options in ((KERNEL, []), (FEATURES, ["--filters", "4"]), (DUAL, []), (DESCENT, ["--images", "20"]),
                            (NORMS, ["--images", "20", "--extra", "20"]), (CENTERS, ["--images", "20"]), (GABOR, [])):
        process = forks.run(script, "--dataset", "synthetic", "--limit", "100", *options, "--out", tmp_path,
                            before=little.format(str(memory)))
        assert "GB of memory, and 0.0 GB are free. Take fewer" in one_sentence(process), script
        assert process.stdout.splitlines()[-1].endswith(" minutes on two free cores"), "nothing was done yet"
    memory.write_text("MemTotal: 9 kB\n", encoding="utf-8")  # of old kernels
    process = forks.run(KERNEL, "--dataset", "synthetic", "--limit", "100", "--out", tmp_path,
                        before=little.format(str(memory)))
    assert process.returncode == 0, process.stderr


def test_what_is_not_finite_is_not_solved():
    for k, y in ((np.full((3, 3), np.nan), np.ones((3, 1))), (np.eye(3), np.full((3, 1), np.inf))):
        with pytest.raises(SystemExit, match="entries that are not finite in float64"):
            cholesky.solve(k, y)


def test_the_penalty_is_ridge_regressions(tmp_path, forks):
    process = forks.run(FEATURES, "--dataset", "synthetic", "--filters", "8", "--limit", "200", "--l2", "0.1", "--out",
                        tmp_path)
    assert process.returncode == 0, process.stderr
    path, = tmp_path.glob("*.run.h5")
    (images, labels), (new, true) = cifar10.synthetic()
    features = random_features(images[:200], 8)
    z, test_z = features(images[:200]).astype(float), features(new)
    mean, scale, targets = z.mean(axis=0), z.std(axis=0) + 1e-8, np.eye(10)[labels[:200]]
    z, test_z = (z - mean) / scale, (test_z - mean) / scale
    penalty = 0.1 * np.mean(np.sum(z**2, axis=1))
    w = np.linalg.solve(z.T @ z + penalty * np.eye(64), z.T @ (targets - targets.mean(axis=0)))
    assert record.read(path)["error"]["L2 penalty, test"][-1] == pytest.approx(
        np.mean((test_z @ w + targets.mean(axis=0)).argmax(axis=1) != true), abs=2e-3)


def test_filters_are_whitened_patches(random):
    """The response of a filter to its own patch is the length of that patch, divided by its contrast and whitened."""
    images = 30 * random.standard_normal((100, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)  # neighbors are the same
    features, draw = random_features(images, 200), np.random.RandomState(0)
    rows, tops, lefts = (draw.randint(0, high, 20_000) for high in (100, 27, 27))
    patches = np.stack([images[row, top:top + 6, left:left + 6].ravel()
                        for row, top, left in zip(rows, tops, lefts, strict=True)])
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= np.sqrt(patches.var(axis=1, keepdims=True) + 10)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    whitened = (patches[:200] - patches.mean(axis=0)) @ (directions / np.sqrt(variances + 0.1)) @ directions.T
    responses = (features.weights.T * patches[:200]).sum(axis=1) - features.offsets
    np.testing.assert_allclose(responses, np.linalg.norm(whitened, axis=1), rtol=1e-4)


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not here")
def test_random_features_on_jax(tmp_path):
    process = run(FEATURES, "--dataset", "synthetic", "--filters", "4", "--limit", "100", "--out", tmp_path,
                  env=os.environ | {"KERAS_BACKEND": "jax"})
    assert process.returncode == 0, process.stderr
    path, = tmp_path.glob("*.run.h5")
    assert (record.read(path)["error"]["L2 penalty, test"] < 0.9).all()


def test_random_features(tmp_path, forks):
    process = forks.run(FEATURES, "--dataset", "synthetic", "--filters", "64", "--limit", "600", "--out", tmp_path)
    assert process.returncode == 0, process.stderr
    told = record.read(tmp_path / "cifar10_random_features--synthetic--limit-600--filters-64.run.h5")
    assert told["error"]["filters"].tolist() == [2, 4, 8, 16, 32, 64]
    assert told["error"]["no penalty, train"][-1] <= told["error"]["L2 penalty, train"][-1] < 0.2
    assert told["test_accuracy"] > 0.5
    process = forks.run(FEATURES, "--dataset", "synthetic", "--filters", "64", "--limit", "400", "--out", tmp_path)
    assert "Give 1 to 50 --filters" in one_sentence(process)
    process = forks.run(FEATURES, "--dataset", "synthetic", "--filters", "64", "--patch", "32", "--out", tmp_path)
    assert "a --patch of 1 to 31 pixels" in one_sentence(process)


def random_features(images, filters, patch=6):
    return imported(ROOT / "MLP1" / "random_features.py").RandomFeatures(images, 0, filters, patch, 10, 0.1, 0.25)


def test_flat_patches_make_no_filters(random):
    images = np.ones((50, 32, 32, 3), "float32")
    images[::5, :, 16:] = random.standard_normal((10, 32, 16, 3))
    features = random_features(images, 30)
    assert features.weights.shape == (108, 30) and np.isfinite(features(images)).all()
    assert len(np.unique(features.weights.round(3), axis=1).T) > 25, "a flat patch gives always the same filter"
    with pytest.raises(SystemExit, match="patches that are not flat, for 30 filters"):
        random_features(np.ones((50, 32, 32, 3), "uint8"), 30)


@pytest.mark.parametrize("patch", [3, 6, 7, 25])
def test_features_are_averages_of_the_four_quarters(patch, random):
    """For each filter and quarter the means of what is above the threshold, and of what is below its negative."""
    images = random.randint(0, 256, (40, 32, 32, 3)).astype("uint8")
    features, side = random_features(images, 5, patch), 33 - patch
    windows = np.lib.stride_tricks.sliding_window_view(images, (patch, patch, 3), axis=(1, 2, 3)).astype(float)
    windows = windows.reshape(40, side, side, -1)
    windows -= windows.mean(axis=3, keepdims=True)
    windows /= np.sqrt(windows.var(axis=3, keepdims=True) + 10)
    responses, half = windows @ features.weights - features.offsets, (side + 1) // 2
    quarters = [responses[:, rows, columns] for rows in (slice(half), slice(side - half, side))
                for columns in (slice(half), slice(side - half, side))]
    expected = np.stack([[np.maximum(sign * quarter - 0.25, 0).mean(axis=(1, 2)) for sign in (1, -1)]
                         for quarter in quarters])
    np.testing.assert_allclose(features(images), expected.transpose(2, 3, 0, 1).reshape(40, -1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features(images, slice(1, 3)), features(images)[:, 8:24], rtol=1e-4, atol=1e-6)


def test_the_dual_form_is_the_primal_one(random):
    dual, labels, penalty = imported(DUAL), random.randint(0, 10, 40), 0.01
    x = random.standard_normal((50, 90)).astype("float32") + 3  # 40 training images and 10 test images
    products, centered = np.zeros((50, 40), "float32"), (x.astype("float64") - x[:40].mean(axis=0)) / x[:40].std(axis=0)
    for part in np.split(x.copy(), 3, axis=1):
        dual.add_group(products, part, 40)
    lower = np.tril_indices(50, m=40)
    np.testing.assert_allclose(products[lower], (centered @ centered[:40].T)[lower], atol=1e-3)
    targets = np.eye(10)[labels]
    added = penalty * np.mean(np.sum(centered[:40]**2, axis=1))
    weights = np.linalg.solve(centered[:40].T @ centered[:40] + added * np.eye(90),
                              centered[:40].T @ (targets - targets.mean(axis=0)))
    for found, part in zip(dual.fit(products, labels, penalty), (centered[:40], centered[40:]), strict=True):
        np.testing.assert_allclose(found, part @ weights + targets.mean(axis=0), atol=1e-3)


def test_more_random_features_than_images_and_an_interruption(tmp_path, forks):
    options = "--dataset", "synthetic", "--limit", 300, "--filters", 48, "--group", 8, "--kept", 2, "--out", tmp_path
    process = forks.run(DUAL, *options, picture=True)
    assert process.returncode == 0, process.stderr
    path, = tmp_path.glob("*.run.h5")
    whole = record.read(path)
    assert whole["error"]["train"][0] == 0 and whole["test_accuracy"] > 0.5
    assert {file.suffix for file in tmp_path.iterdir()} == {".h5", ".png"}
    path.unlink()
    copy = tmp_path / DUAL.name
    for name in "cholesky.py", "random_features.py", "kept.py":
        shutil.copy(DUAL.with_name(name), tmp_path)
    copy.write_text(DUAL.read_text(encoding="utf-8").replace(
        "        left = ", "        if first == 32:\n            raise SystemExit('stopped')\n        left = "),
        encoding="utf-8")
    assert "stopped" in one_sentence(forks.run(copy, *options)) and list(tmp_path.glob(".*.npz"))
    said = one_sentence(forks.run(DUAL, *options))
    assert "made with another code. Add --fresh to begin again, or --resume" in said
    process = forks.run(DUAL, *options, "--resume")
    assert process.returncode == 0 and "40 of 48 filters" in process.stdout and "32 of 48" not in process.stdout
    assert (record.read(path)["error"]["test"] == whole["error"]["test"]).all()


def test_what_is_kept_is_of_the_same_code_and_data(tmp_path):
    """Otherwise it is refused; else the arrays are there, and the seconds go on."""
    kept = imported(ROOT / "MLP1" / "kept.py")
    run = SimpleNamespace(stem=tmp_path / "x", settings={"seed": 0}, provenance={"script": "before"},
                          given=SimpleNamespace(fresh=False, resume=False))
    assert kept.read(run) == {}
    run.began -= 1000
    kept.write(run, a=np.ones(3))
    run.provenance["script"] = "edited"
    with pytest.raises(SystemExit, match="made with another code. Add --fresh to begin again, or --resume"):
        kept.read(run)
    run.given.resume = True
    assert list(kept.read(run)) == ["a"] and 1000 < kept.seconds(run) < 1100
    run.provenance["data"] = "another one"
    with pytest.raises(SystemExit, match=r"made with another data set. Add --fresh to begin again\.$"):
        kept.read(run)
    run.given.fresh = True
    assert kept.read(run) == {} and kept.seconds(run) < 100


@pytest.mark.parametrize("number", sorted(set(experiment.SIGNALS) - {signal.SIGINT}))
def test_what_ends_a_run_lets_it_delete_what_it_has_half_written(tmp_path, number):
    kept, before = imported(ROOT / "MLP1" / "kept.py"), {one: signal.getsignal(one) for one in experiment.SIGNALS}
    run = SimpleNamespace(stem=tmp_path / "x", settings={}, provenance={"script": ""},
                          given=SimpleNamespace(fresh=True))
    try:
        kept.read(run)
        with pytest.raises(SystemExit, match=str(128 + number)), record.replacing(kept.path(run)) as part:
            part.touch()
            signal.raise_signal(number)
        assert not list(tmp_path.iterdir())
        signal.signal(number, signal.SIG_IGN)  # as nohup does it
        kept.read(run)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_the_paper_s_errors_are_shown_beside_as_many_filters_as_it_had(monkeypatch, tmp_path):
    dual, stored = imported(DUAL), record.read(DUAL.with_suffix(".run.h5"))
    legends = []
    monkeypatch.setattr(plot, "save", lambda figure, path: legends.append(
        [text.get_text() for text in figure.axes[0].get_legend().get_texts()]))
    for filters in 32_000, 1000:
        dual.draw(stored | {"settings": stored["settings"] | {"filters": filters}}, tmp_path / "x.png")
    assert ["paper, test" in names for names in legends] == [True, False]


def test_a_disk_without_room_is_said_before_the_work(tmp_path, forks):
    full = "import shutil; shutil.disk_usage = lambda folder: type('', (), {'free': 5e3})"
    process = forks.run(DUAL, "--dataset", "synthetic", "--limit", "100", "--filters", "8", "--out", tmp_path,
                        before=full)
    assert "needs 0.0 GB for checkpoints, and 0.0 GB are free there. Make room" in one_sentence(process)
    assert "The Gram matrix: 2.0 GB of memory, about 0.0 minutes" in process.stdout


def test_the_smallest_weights_are_numpys(random):
    x, y, counts = random.standard_normal((30, 90)), random.standard_normal((30, 8)), [3, 20, 29, 30, 31, 60, 90]
    for count, w in zip(counts, imported(DESCENT).smallest(x, y, counts), strict=True):
        np.testing.assert_allclose(w, np.linalg.lstsq(x[:, :count], y, rcond=None)[0], atol=1e-6)


def test_double_descent(tmp_path, forks):
    options = "--dataset", "synthetic", "--out", tmp_path
    process = forks.run(DESCENT, *options, "--images", 200, "--draws", 2)
    assert process.returncode == 0, process.stderr
    assert process.stdout.index("GB of memory, about") < process.stdout.index("Draw 1 of 2")
    stem = "cifar10_double_descent--synthetic--images-200--draws-2"
    told = record.read(tmp_path / f"{stem}.run.h5")
    error, peak = told["error"], told["error"]["features"].tolist().index(200)
    assert (tmp_path / f"{stem}.png").exists() and error["test"].shape == error["train"].shape == (2, 20, 4)
    assert (error["train"][:, peak:] == 0).all(), "all labels are fitted, random ones too"
    errors = error["test"].mean(axis=(0, 2))
    low = errors[:peak].argmin()  # the textbook's valley
    assert 0 < low and abs(low + errors[low:].argmax() - peak) <= 1
    assert (np.diff(error["test"].mean(axis=0)[-1]) > 0).all(), "more noise, more error"
    for count in "--images", "--draws":
        said = one_sentence(forks.run(DESCENT, *options, count, 0))
        assert "Give 20 to 2,000 --images, 1 or more --draws" in said
