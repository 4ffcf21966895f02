"""The measures of published networks: against dense matrices and by brute force on a small network."""

import itertools

import catalog
import measures
from common import layers as ours
from common import record

import keras
import numpy as np
import pytest
from conftest import FEW, ROOT
from keras import layers, ops


def small(scale=True):
    """Convolutions with padding and strides, batch norm with statistics of its own, two branches, pooling, dense."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 8, 2))
    x = layers.Conv2D(3, 3, padding="same", use_bias=scale)(inputs)
    x = layers.ReLU()(layers.BatchNormalization(scale=scale)(x))
    x = layers.Concatenate()([layers.Conv2D(2, 3, 2, padding="same")(x), layers.MaxPooling2D(2)(x)])
    x = layers.Conv2D(4, 2, activation="relu")(ours.LocalResponseNormalization()(x))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    random = np.random.RandomState(0)
    model.set_weights([values + random.uniform(0.1, 0.5, values.shape) for values in model.get_weights()])
    return model


def matrix(layer):
    """The linear map of a layer, written out: its outputs, without offsets, for each unit vector."""
    shape = layer.input.shape[1:]
    units = np.eye(np.prod(shape), dtype="float32").reshape(-1, *shape)
    return np.array(layer(units) - layer(0 * units[:1])).reshape(len(units), -1)


@pytest.mark.parametrize("scale", [True, False])
def test_a_folded_network_computes_the_same(scale):
    model, x = small(scale), np.random.RandomState(1).standard_normal((5, 6, 8, 2)).astype("float32")
    expected, before = model.predict(x, verbose=0), matrix(measures.weighted(model)[0])
    norm, = (layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    gamma = ops.convert_to_numpy(norm.gamma) if scale else 1
    factor = gamma / np.sqrt(ops.convert_to_numpy(norm.moving_variance) + norm.epsilon)
    measures.fold(model)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4)
    np.testing.assert_allclose(matrix(measures.weighted(model)[0]), before * np.tile(factor, 48), atol=1e-5)


def test_norms_are_those_of_the_linear_maps():
    model = small()
    for layer in measures.weighted(model):
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.linear
        singular = np.linalg.svd(matrix(layer), compute_uv=False)
        assert measures.spectral_norm(layer) == pytest.approx(singular[0], rel=1e-3)
        assert measures.frobenius_norm(layer) == pytest.approx(np.sqrt((singular**2).sum()), rel=1e-4)


def test_the_path_norm_is_a_sum_over_paths():
    model = keras.Sequential([keras.Input((3, 3, 1)), layers.Conv2D(2, 2),
                              ours.LocalResponseNormalization(), layers.Flatten(), layers.Dense(2)])
    model.layers[0].bias.assign([1.0, 2.0])
    first, last = matrix(model.layers[0]), ops.convert_to_numpy(model.layers[-1].kernel)
    paths = [first[i, j] * last[j, k] for i, j, k in itertools.product(range(9), range(8), range(2))]
    model.layers[0].activation = keras.activations.relu
    assert measures.path_norm(model) == pytest.approx(np.sqrt(np.sum(np.square(paths))), rel=1e-4)


def test_margins_and_what_noise_takes():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, use_bias=False)])
    model.layers[0].kernel.assign(np.eye(4))
    x, labels = 3 * np.eye(4, dtype="float32"), np.array([0, 1, 2, 0])
    assert measures.margins(model, x, labels).tolist() == [3, 3, 3, -3]
    for _ in range(2):
        assert measures.accuracy_under_noise(model, x, labels) == 0.75, "of the kernel's own size it takes more"
    np.testing.assert_array_equal(model.layers[0].kernel, np.eye(4), err_msg="the noise is gone")
    found, each = measures.measure(model, x, labels, [np.zeros((4, 4))])
    assert set(found) == set(measures.MEASURES) and each.tolist() == [3, 3, 3, -3]
    assert found["distance"] == 2 and found["margin_median"] == 3 and found["sharpness"] == 0
    assert found["spectral_product"] == pytest.approx(1) and found["margin_over_path"] == pytest.approx(3 / 2)


def test_rank_correlations():
    x, y = np.array([1, 2, 3, 4]), np.array([10, 30, 20, 40])
    assert measures.spearman(x, y) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert measures.kendall(x, y) == pytest.approx(4 / 6)
    assert measures.spearman(x, -x**3) == measures.kendall(x, -x**3) == pytest.approx(-1)
    assert measures.kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3)), "tau-b"


@pytest.mark.parametrize("script", ["MLP1/cifar10_keras_mlp_rand.py",
                                    "Mini Inception/cifar10_tf_inception_no_bn_rand_labels.py"])
def test_the_start_is_rebuilt(script, tmp_path, forks):
    """A training with next to no learning rate ends where it began."""
    process = forks.run(ROOT / script, "--dataset", "synthetic", "--limit", 16, "--epochs", 1, "--learning-rate", 1e-30,
                        "--seed", 3, "--out", tmp_path, before=FEW)
    assert process.returncode == 0, process.stderr
    file, = tmp_path.glob("*.h5")
    model = keras.models.load_model(file, compile=False)
    assert measures.distance(model, measures.start(ROOT / script, 3)) == 0
    assert measures.distance(model, measures.start(ROOT / script, 4)) > 1


def test_published_networks_started_where_their_seed_says():
    for row in catalog.row("MLP 1x512"), catalog.row("Mini Alexnet"), catalog.FASTER:
        model = keras.models.load_model(catalog.file_of(row), compile=False)
        seed = catalog.run_of(row)["settings"]["seed"]
        own, other = (measures.distance(model, measures.start(catalog.script_of(row), seed + k)) for k in (0, 1))
        assert own < 0.9 * other


def test_what_is_published_is_what_is_measured():
    found, bins = measures.read("measures"), measures.read("margins")
    assert set(found) == set(bins) == {row.name for row in measures.rows()}, "run Results/measures.py again"
    for row in catalog.row("MLP 1x512", "_rand"), catalog.row("Mini Alexnet"), catalog.FASTER:
        model, line = keras.models.load_model(catalog.file_of(row), compile=False), found[row.name][0]
        measures.fold(model)
        for name, value in measures.norms(model).items():
            assert line[name] == pytest.approx(value, rel=2e-3), (row.name, name)
        assert line["margin_over_path"] == pytest.approx(line["margin_median"] / line["path_norm"])
        assert sum(line["images"] for line in bins[row.name]) == measures.IMAGES


def test_pairs_are_alike_but_for_the_labels():
    rows = measures.rows()
    pairs, unlike = list(measures.pairs(rows)), list(measures.pairs(rows, "weight decay"))
    assert (len(pairs), len(unlike)) == (9, 4)
    for true, random in pairs:
        one, other = (record.read(catalog.file_of(row))["settings"] for row in (true, random))
        assert not one.get("label_noise") and other["label_noise"] == 1
        assert one.get("weight_decay") == other.get("weight_decay") and one["random_crop"] == other["random_crop"]
    for true, random in unlike:
        one, other = (record.read(catalog.file_of(row))["settings"] for row in (true, random))
        assert not one.get("label_noise") and other["label_noise"] == 1
        assert not one.get("weight_decay") and other["weight_decay"] > 0 and one["random_crop"] == other["random_crop"]


def test_another_backend_begins_with_other_weights(monkeypatch):
    monkeypatch.setattr(measures.keras.backend, "backend", lambda: "torch")
    with pytest.raises(SystemExit, match="was not trained with torch, which begins with other weights"):
        measures.main()
