"""The data: reading, standardization, crops, order, random labels, and all that can be wrong with a data folder."""

import io
import itertools
import pickle
import re
import shutil
import types

from common import cifar10, data, label_noise, speed
from importing import imported

import numpy as np
import pytest
from conftest import ROOT, write_batches


def asked(**changes):
    """What cifar10.load reads of a Run."""
    defaults = {"dataset": "cifar10", "data": None, "limit": None, "seed": 0, "provenance": {}}
    return types.SimpleNamespace(**(defaults | changes))


def test_standardization_is_tensorflows():
    tensorflow = pytest.importorskip("tensorflow")
    images = np.random.RandomState(0).randint(0, 256, (16, 28, 28, 3)).astype(np.uint8)
    images[0] = 7  # an image without any contrast
    images[1] = 7
    images[1, 0, 0, 0] = 8
    theirs = tensorflow.image.per_image_standardization(images / np.float32(255)).numpy()
    ours = cifar10.standardize(images)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_without_a_folder_data_here_is_read_or_else_what_keras_downloads(tiny_cifar10, tmp_path, monkeypatch):
    here, repository = tmp_path / "here", tmp_path / "repository"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(data, "__file__", str(repository / "common" / "data.py"))
    kept, expected = cifar10.keras.datasets.cifar10, cifar10.read(tiny_cifar10)
    monkeypatch.setattr(kept, "load_data", lambda: tuple((x, y[:, None].astype("uint8")) for x, y in expected))
    found = [cifar10.read()]
    monkeypatch.delattr(kept, "load_data")
    shutil.copytree(tiny_cifar10, repository / "data" / cifar10.FOLDER)
    found.append(cifar10.read())
    write_batches(here / "data" / cifar10.FOLDER, count=7)
    assert len(cifar10.read()[0][1]) == 35, "the working folder's comes first"
    for splits in found:
        for (images, labels), (stored, numbers) in zip(splits, expected, strict=True):
            np.testing.assert_array_equal(images, stored)
            assert labels.dtype == np.int32 and labels.tolist() == numbers.tolist()


def test_images_are_read_as_stored(tiny_cifar10):
    (images, numbers), (test_images, test_numbers) = cifar10.read(tiny_cifar10)
    assert images.shape == (100, 32, 32, 3) and test_images.shape == (20, 32, 32, 3)
    stored = pickle.loads((tiny_cifar10 / "data_batch_2").read_bytes())
    assert numbers[20:40].tolist() == stored[b"labels"]
    # The planes red, green and blue of 32 rows each: row 1, column 2, green.
    assert images[25, 1, 2, 1] == stored[b"data"][5, 1024 + 32 + 2]


def test_folder_above_will_do_too(tiny_cifar10):
    np.testing.assert_array_equal(cifar10.read(tiny_cifar10.parent)[0][0], cifar10.read(tiny_cifar10)[0][0])


def test_central_window():
    images = np.arange(2 * 32 * 32 * 3, dtype=np.uint32).reshape(2, 32, 32, 3).astype(np.uint8)
    batches = cifar10.Images(images, np.zeros(2, np.int32), 2)
    np.testing.assert_array_equal(batches[0][0], cifar10.standardize(images[:, 2:30, 2:30]))


def test_random_crop_draws_a_window_per_image_anew_each_epoch():
    images = np.random.RandomState(0).randint(0, 256, (300, 32, 32, 3)).astype(np.uint8)
    batches = cifar10.Images(images, np.arange(300, dtype=np.int32), 300, random_crop=True, shuffle_seed=0)

    def windows(epoch):
        batches.set_epoch(epoch)
        batch, rows = batches[0]
        found = {}
        for image, row in zip(batch, rows, strict=True):
            fits = [(top, left) for top in range(5) for left in range(5) if np.array_equal(
                image, cifar10.standardize(images[row:row + 1, top:top + 28, left:left + 28])[0])]
            found[row] = fits[0]
        return [found[row] for row in range(300)]

    first, second = windows(0), windows(1)
    assert len(set(first)) == 25, "every one of the 5 x 5 windows is drawn"
    assert np.mean([a == b for a, b in zip(first, second, strict=True)]) < 0.1
    assert windows(0) == first, "a resumed training must see the same windows"


def test_every_epoch_has_every_image_once_in_another_order():
    batches = cifar10.Images(np.zeros((50, 32, 32, 3), np.uint8), np.arange(50, dtype=np.int32), 8, shuffle_seed=3)

    def order(epoch):
        batches.set_epoch(epoch)
        return np.concatenate([batches[k][1] for k in range(len(batches))]).tolist()

    assert sorted(order(0)) == sorted(order(1)) == list(range(50))
    assert order(0) != order(1)
    assert order(1) == order(1)
    in_order = batches.for_evaluation()
    assert in_order[0][1].tolist() == list(range(50))


def test_another_seed_is_another_order_other_crops_and_other_labels(tiny_cifar10):
    def loaded(seed, epoch=0, **options):
        train, _ = cifar10.load(asked(data=tiny_cifar10, seed=seed), 8, **options)
        train.set_epoch(epoch)
        return train

    for one, other in itertools.combinations([loaded(seed, epoch) for seed in (0, 1) for epoch in (0, 1)], 2):
        assert (one.order != other.order).any(), "nor is one seed's second epoch the next one's first"
    one, other = (loaded(seed, random_crop=True).shown for seed in (0, 1))
    assert (one != other).any(axis=(1, 2, 3)).mean() > 0.8
    one, again, other = (loaded(seed, label_noise=1.0).labels for seed in (0, 0, 1))
    assert (one == again).all() and (one == other).mean() < 0.3


@pytest.mark.parametrize("rows", [np.arange(40) % 3 == 0, list(range(0, 40, 3)), slice(0, 40, 3)], ids=type)
def test_a_part_of_the_examples_is_numbers_a_mask_or_a_slice(rows):
    images = np.random.RandomState(0).randint(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    batches = cifar10.Images(images, np.arange(40, dtype=np.int32), 5, shuffle_seed=0)
    batches.rows = rows
    batches.set_epoch(0)
    assert sorted(np.concatenate([labels for _, labels in map(batches.__getitem__, range(3))])) == list(range(0, 40, 3))
    assert len(batches) == 3 and batches.for_evaluation()[0][1].tolist() == list(range(0, 40, 3))


@pytest.mark.parametrize("count", [30, 80])
def test_other_examples_in_the_place_of_those_loaded_are_all_used(count):
    """As after images were added, or left out."""
    batches = cifar10.Images(np.zeros((40, 32, 32, 3), np.uint8), np.zeros(40, np.int32), 8, shuffle_seed=0)
    batches.inputs, batches.labels = np.ones((count, 2), "f4"), np.arange(count, dtype=np.int32)
    batches.set_epoch(0)
    assert sorted(np.concatenate([labels for _, labels in map(batches.__getitem__, range(len(batches)))])) == list(
        range(count))


@pytest.mark.parametrize("random_crop", [False, True])
@pytest.mark.parametrize("count", [48, 50])  # in batches of 8: the last one is as large as the others, or smaller
def test_the_fast_feed_is_the_batches_to_the_bit(random_crop, count):
    images = np.random.RandomState(0).randint(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    batches = cifar10.Images(images, np.arange(count, dtype=np.int32), 8, random_crop=random_crop, shuffle_seed=3)
    fast = speed.feed(batches)
    if fast is batches:
        pytest.skip("this backend takes them as they are")
    assert fast.options().autotune.enabled is False, "or the end of an epoch waits for the thread that tunes"
    assert len(fast) == len(batches) == 6 + (count > 48)
    epochs = []
    for epoch in 0, 1:  # each with its own order
        batches.set_epoch(epoch)
        epochs.append([batches[k] for k in range(len(batches))])
        for batch, expected in zip(fast, epochs[-1], strict=True):
            assert batch[0].dtype == expected[0].dtype == np.float32 and batch[1].dtype == expected[1].dtype
            np.testing.assert_array_equal(batch[0], expected[0])
            np.testing.assert_array_equal(batch[1], expected[1])
    assert (epochs[0][0][1] != epochs[1][0][1]).any() and len(epochs[0][-1][1]) == (count % 8 or 8)


def test_the_fast_feed_of_what_is_evaluated_is_its_batches_to_the_bit(tiny_cifar10):
    train, test = cifar10.load(asked(data=tiny_cifar10), 8, random_crop=True)
    for batches in train.for_evaluation(), test, test.for_evaluation(7):
        for batch, expected in zip(speed.feed(batches), map(batches.__getitem__, range(len(batches))), strict=True):
            np.testing.assert_array_equal(batch[0], expected[0])
            np.testing.assert_array_equal(batch[1], expected[1])


def test_crops_of_what_is_not_there_any_more_are_refused(tiny_cifar10):
    train, _ = cifar10.load(asked(data=tiny_cifar10), 8, random_crop=True)
    train.inputs /= 2
    with pytest.raises(SystemExit, match="Change these by a layer"):
        train.set_epoch(0)
    with pytest.raises(SystemExit, match="give no random_crop"):
        cifar10.load(asked(data=tiny_cifar10), 8, random_crop=True, transform=lambda images, seed: images)


def test_evaluation_ignores_the_random_crop():
    images = np.random.RandomState(0).randint(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    batches = cifar10.Images(images, np.zeros(5, np.int32), 5, random_crop=True, shuffle_seed=0)
    np.testing.assert_array_equal(batches.for_evaluation()[0][0], cifar10.standardize(images[:, 2:30, 2:30]))


def test_a_transform_replaces_the_central_windows_of_both_splits_once(tiny_cifar10):
    plain = cifar10.load(asked(data=tiny_cifar10, seed=3), 8)

    def flipped(images, seed):
        assert images.shape[1:] == (28, 28, 3) and images.dtype == np.uint8 and seed == 3
        return images[:, :, ::-1]

    train, test = cifar10.load(asked(data=tiny_cifar10, seed=3), 8, transform=flipped)
    assert train.settings == {"batch_size": 8, "label_noise": 0, "random_crop": False, "transform": "flipped"}
    for one, other in zip(plain, (train, test), strict=True):
        np.testing.assert_allclose(one[0][0][:, :, ::-1], other[0][0], atol=1e-5)
        np.testing.assert_array_equal(one[0][1], other[0][1])


@pytest.mark.parametrize("transform", [lambda images, seed: images[..., :1], lambda images, seed: images[:, ::2, ::2],
                                       lambda images, seed: np.pad(images, ((0, 0), (0, 0), (0, 4), (0, 0)))],
                         ids=["gray", "smaller", "wider"])
def test_a_transform_may_change_size_and_channels(tiny_cifar10, transform):
    """What is larger than the window is cut to its center again."""
    (images, _), _ = cifar10.read(tiny_cifar10)
    train, _ = cifar10.load(asked(data=tiny_cifar10), 8, transform=transform)
    expected = transform(images[:, 2:30, 2:30], 0)
    left = max(expected.shape[2] - 28, 0) // 2
    np.testing.assert_array_equal(train.inputs, cifar10.standardize(expected[:, :, left:left + 28]))


# The transforms of Mini Inception's scripts

WINDOWS = np.random.RandomState(2).randint(0, 256, (300, 28, 28, 3)).astype(np.uint8)


def transform_of(name):
    return getattr(imported(ROOT / "Mini Inception" / f"cifar10_tf_inception_{name}.py"), name)


@pytest.mark.parametrize("name", ["shuffled_pixels", "random_pixels"])
def test_a_permutation_loses_no_pixel_and_moves_its_three_colors_together(name):
    def pixels(image):
        return sorted(map(tuple, image.reshape(-1, 3).tolist()))

    changed = transform_of(name)(WINDOWS, 0)
    assert changed.shape == WINDOWS.shape and changed.dtype == np.uint8
    for before, after in zip(WINDOWS[:10], changed[:10], strict=True):
        assert pixels(before) == pixels(after) and (before != after).any()


def test_shuffled_pixels_are_moved_alike_in_all_images_and_random_ones_are_not():
    images = np.arange(28 * 28 * 3).reshape(28, 28, 3) // 10
    two = np.stack([images, images + 1]).astype(np.uint8)
    shuffled, randomly = (transform_of(name)(two, 0).astype(int) for name in ("shuffled_pixels", "random_pixels"))
    assert (shuffled[1] - shuffled[0] == (two[1].astype(int) - two[0])[0, 0, 0]).mean() > 0.99  # 255 + 1 is 0
    assert (randomly[1] - randomly[0] == 1).mean() < 0.1


@pytest.mark.parametrize("name", ["shuffled_pixels", "random_pixels", "gaussian"])
def test_a_transform_depends_on_image_and_seed_not_on_place_or_number(name):
    transform = transform_of(name)
    whole = transform(WINDOWS[:50], 3)
    np.testing.assert_array_equal(transform(WINDOWS[:20], 3), whole[:20])
    np.testing.assert_array_equal(transform(WINDOWS[49::-1], 3), whole[::-1])
    assert (transform(WINDOWS[:50], 4) != whole).mean() > 0.8


def test_gaussian_noise_has_the_mean_and_variance_of_the_data_set():
    script = imported(ROOT / "Mini Inception" / "cifar10_tf_inception_gaussian.py")
    noise = script.gaussian(WINDOWS, 0).astype(float)
    for color in range(3):
        values = noise[..., color]
        assert abs(values.mean() - script.MEAN[color]) < 0.5 and abs(values.std() - script.DEVIATION[color]) < 0.5
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1


@pytest.mark.skipif(not (ROOT / "data" / cifar10.FOLDER).exists(), reason="the real data set is not here")
def test_gaussian_noise_is_made_with_the_figures_of_cifar10():
    script = imported(ROOT / "Mini Inception" / "cifar10_tf_inception_gaussian.py")
    (images, _), _ = cifar10.read(ROOT / "data")
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), script.MEAN, atol=0.05)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), script.DEVIATION, atol=0.05)


# Random labels

EXAMPLES = np.random.RandomState(0).randint(0, 256, (20000, 12)).astype(np.uint8)
TRUE = np.random.RandomState(1).randint(0, 10, 20000).astype(np.int32)


@pytest.mark.parametrize("probability", [0, 0.3, 0.5, 1])
def test_corruption_rate_and_chance_agreement(probability):
    fitted = label_noise.corrupt_labels(TRUE, EXAMPLES, probability, seed=0)
    # A corrupted label comes out true one time in ten; five standard deviations of slack.
    expected = 1 - 0.9 * probability
    slack = 5 * np.sqrt(expected * (1 - expected) / len(TRUE))
    assert abs(np.mean(fitted == TRUE) - expected) <= slack


def test_random_labels_are_uniform_and_independent_of_the_true_ones():
    fitted = label_noise.corrupt_labels(TRUE, EXAMPLES, 1, seed=0)
    counts = np.histogram2d(TRUE, fitted, bins=(10, 10))[0]
    assert fitted.dtype == TRUE.dtype
    expected = np.outer(counts.sum(axis=1), np.full(10, 0.1))
    # Chi-squared with 90 degrees of freedom: mean 90, standard deviation 13.4.
    assert ((counts - expected)**2 / expected).sum() < 90 + 5 * 13.4


def test_random_labels_are_the_same_everywhere():
    """These very labels were fitted by the published models: they must never change."""
    for seed, labels in (0, [4, 4, 8, 7, 9, 8, 9, 1, 6, 2, 4, 9]), (1, [5, 9, 0, 3, 6, 3, 2, 6, 2, 9, 8, 7]):
        assert label_noise.corrupt_labels(TRUE[:12], EXAMPLES[:12], 1, seed).tolist() == labels


def test_a_label_belongs_to_its_example_not_to_its_place():
    fitted = label_noise.corrupt_labels(TRUE, EXAMPLES, 0.7, seed=5)
    np.testing.assert_array_equal(label_noise.corrupt_labels(TRUE[::-1], EXAMPLES[::-1], 0.7, seed=5), fitted[::-1])


def test_labels_may_be_a_column():
    """As Keras' own loaders give them."""
    column = label_noise.corrupt_labels(TRUE[:, None], EXAMPLES, 0.7, seed=5)
    np.testing.assert_array_equal(column, label_noise.corrupt_labels(TRUE, EXAMPLES, 0.7, seed=5)[:, None])


def test_more_noise_keeps_the_labels_already_corrupted():
    some, more = (label_noise.corrupt_labels(TRUE, EXAMPLES, p, seed=0) for p in (0.3, 0.6))
    changed = some != TRUE
    np.testing.assert_array_equal(some[changed], more[changed])


def test_load_gives_random_labels_for_training_and_true_ones_for_testing(tiny_cifar10):
    (_, _), (_, true) = cifar10.read(tiny_cifar10)
    train, test = cifar10.load(asked(data=tiny_cifar10), 8, label_noise=1.0)
    assert test.labels.tolist() == true.tolist()
    assert np.mean(train.labels == cifar10.read(tiny_cifar10)[0][1]) < 0.4
    assert train.settings == {"batch_size": 8, "label_noise": 1.0, "random_crop": False}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_one_class_only_at_a_label_noise_too_small_for_a_wrong_label(tmp_path, capsys):
    folder = tmp_path / "cifar-10-batches-py"
    write_batches(folder)
    for path in folder.glob("data_batch_?"):
        path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()) | {b"labels": [3] * 20}, protocol=2))
    train, _ = cifar10.load(asked(data=folder), 8, label_noise=1e-9)
    assert capsys.readouterr().out.splitlines()[1:] == [  # after: not the published data set
        "Random labels (probability 1e-09, seed 0): 100.0% of the training labels are still the true ones."]
    assert train.mislabeled is None and label_noise.metrics(train) == [] and set(train.labels) == {3}


def test_mislabeled_are_the_examples_whose_label_is_not_the_true_one(tiny_cifar10):
    true = cifar10.read(tiny_cifar10)[0][1]
    some, _ = cifar10.load(asked(data=tiny_cifar10), 8, label_noise=0.5)
    assert some.mislabeled.tolist() == (some.labels != true).tolist() and 20 < some.mislabeled.sum() < 70
    for probability in 0, 1:  # none are, or nothing is to be told apart
        assert cifar10.load(asked(data=tiny_cifar10), 8, label_noise=probability)[0].mislabeled is None


# Generated images

def test_generated_images_are_the_same_every_time():
    (images, numbers), (test_images, _) = cifar10.synthetic()
    again = cifar10.synthetic()
    assert images.shape == (data.SYNTHETIC[0], 32, 32, 3) and test_images.shape == (data.SYNTHETIC[1], 32, 32, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, again[0][0])
    assert set(numbers.tolist()) == set(range(10))


def test_load_says_that_images_are_generated(capsys):
    cifar10.load(asked(dataset="synthetic"), 8)
    assert "Synthetic" in capsys.readouterr().out


# What can be wrong with a data folder

def refused(folder):
    with pytest.raises(SystemExit) as refusal:
        cifar10.read(folder)
    sentence = str(refusal.value)
    assert "--data" in sentence, "it says what to do"
    return sentence


def test_missing_folder(tmp_path):
    assert "No such file or directory" in refused(tmp_path / "no such folder")


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "cifar.zip").write_bytes(b"")
    assert re.search("Not a directory|No such file", refused(tmp_path / "cifar.zip")), "the last on Windows"


def test_a_data_set_still_packed(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    assert "Unpack CIFAR-10 (python version) there" in refused(tmp_path)


def test_empty_folder(tmp_path):
    assert "data_batch_1 cannot be read" in refused(tmp_path) and "No such file" in refused(tmp_path)


def test_truncated_batch(tiny_cifar10):
    path = tiny_cifar10 / "data_batch_4"
    path.write_bytes(path.read_bytes()[:5000])
    assert str(path) in refused(tiny_cifar10)


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", bytes(1000), b"\x80\x02}q\x00."],
                         ids=["empty", "a web page", "zeros", "another pickle"])
def test_no_batch(tiny_cifar10, content):
    (tiny_cifar10 / "test_batch").write_bytes(content)
    assert "test_batch cannot be read (" in refused(tiny_cifar10)


@pytest.mark.parametrize("call", [open, np.save], ids=["Python's", "NumPy's"])
def test_pickle_that_would_run_code_does_not_run(tiny_cifar10, tmp_path, call):
    class Evil:
        def __reduce__(self):
            return call, (str(tmp_path / "it ran"), "w")

    stream = io.BytesIO()
    pickle.dump({b"data": Evil(), b"labels": [0]}, stream, protocol=2)
    (tiny_cifar10 / "data_batch_1").write_bytes(stream.getvalue())
    assert "it asks to run" in refused(tiny_cifar10)
    assert not list(tmp_path.glob("it ran*"))


@pytest.mark.parametrize("wrong", [[10] + [0] * 19, [-1] + [0] * 19])
def test_labels_out_of_range(tmp_path, wrong):
    assert "'labels', from 0 to 9" in refused(write_batches(tmp_path / "cifar-10-batches-py", labels=wrong))


@pytest.mark.parametrize("changes", [{"labels": [0] * 7}, {"labels": ["cat"] * 20}, {"data": [1, 2, 3]},
                                     {"data": np.zeros((20, 3072))}, {"labels": [], "data": np.zeros((0, 3072), "u1")}])
def test_batch_of_another_form(tmp_path, changes):
    assert "data_batch_3" in refused(write_batches(tmp_path / "cifar-10-batches-py", **changes))


def test_no_network(tmp_path, monkeypatch):
    def unreachable():
        raise Exception("URL fetch failure on https://...: None -- [Errno -2] Name or service not known")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "__file__", str(tmp_path / "common" / "data.py"))  # no data/ beside it
    monkeypatch.setattr(cifar10.keras.datasets.cifar10, "load_data", unreachable)
    assert "network" in refused(None)


def test_limit_beyond_the_data(tiny_cifar10):
    for limit in -3, 0, 101:
        with pytest.raises(SystemExit, match=f"--limit {limit} is not from 1 to 100, the number of training examples"):
            cifar10.load(asked(data=tiny_cifar10, limit=limit), 8)
    train, test = cifar10.load(asked(data=tiny_cifar10, limit=30), 8)
    assert len(train.labels) == 30 and len(test.labels) == 20


def test_a_data_set_is_known_by_its_images_and_labels_whatever_their_order(tiny_cifar10, capsys):
    def digest(splits, known=""):
        run = asked(paper={"paper_train": 99})
        assert data.identified(run, known, splits) is splits
        assert bool(run.paper) == ("not the published data set" not in capsys.readouterr().out)
        return run.provenance["data"], bool(run.paper)

    training, test = cifar10.read(tiny_cifar10)
    found, compared = digest((training, test))
    assert not compared and digest((training, test), found) == (found, True)
    order = np.random.RandomState(0).permutation(len(training[1]))
    assert digest((tuple(part[order] for part in training), test), found) == (found, True)
    other_labels, other_pixel = training[1].copy(), training[0].copy()
    other_labels[0] = (other_labels[0] + 1) % 10
    other_pixel[0, 0, 0, 0] ^= 1
    for splits in ((training[0], other_labels), test), ((other_pixel, training[1]), test), (test, training):
        assert digest(splits, found)[0] != found
    if (ROOT / "data" / cifar10.FOLDER).is_dir():
        assert digest(cifar10.read(ROOT / "data"), cifar10.DIGEST) == (cifar10.DIGEST, True)
