"""Our layers against TensorFlow's own operations."""

from common.layers import BatchNormalization, LocalResponseNormalization

import keras
import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow")
backend_is_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow")


@backend_is_tensorflow
@pytest.mark.parametrize("scale", [1, 30])  # at 30, the sums matter: alpha is small
def test_local_response_normalization_is_tensorflows(scale):
    x = tensorflow.constant(scale * np.random.RandomState(0).standard_normal((2, 5, 4, 16)).astype(np.float32))
    weights = np.random.RandomState(1).standard_normal(x.shape).astype(np.float32)
    values, gradients = [], []
    for norm in LocalResponseNormalization(), lambda x: tensorflow.nn.local_response_normalization(
            x, depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75):
        with tensorflow.GradientTape() as tape:
            tape.watch(x)
            y = norm(x)
            total = tensorflow.reduce_sum(y * weights)
        values.append(y.numpy())
        gradients.append(tape.gradient(total, x).numpy())
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_fused_batch_normalization_is_keras_own(training, scale):
    x = 3 + 2 * np.random.RandomState(0).standard_normal((8, 6, 5, 4)).astype(np.float32)
    ours, theirs = (kind(scale=scale) for kind in (BatchNormalization, keras.layers.BatchNormalization))
    for norm in ours, theirs:
        norm.build(x.shape)
        norm.beta.assign([1, 2, 3, 4])
        norm.moving_mean.assign([3, 3, 2, 2])
    np.testing.assert_allclose(ours(x, training=training), theirs(x, training=training), rtol=1e-4, atol=1e-4)
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        # The fused kernel averages n / (n - 1) times the variance, as is unbiased.
        np.testing.assert_allclose(our, their, rtol=1e-3)


@pytest.mark.parametrize("shape, options", [((8, 5), {}), ((8, 6, 5, 4), {"center": False}),
                                            ((8, 6, 5, 4), {"trainable": False}), ((8, 4, 4, 4), {"axis": 1}),
                                            ((8, 6, 5, 4), {"dtype": "float64"})], ids=str)
def test_a_tweaked_batch_normalization_is_keras_own(shape, options):
    x = 3 + 2 * np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    ours, theirs = (kind(**options) for kind in (BatchNormalization, keras.layers.BatchNormalization))
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), rtol=1e-4, atol=1e-4)
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-6)


def test_a_saved_batch_normalization_loads_without_us(tmp_path):
    model = keras.Sequential([keras.Input((6, 5, 4)), BatchNormalization(scale=False)])
    model.save(tmp_path / "model.h5")
    loaded = keras.models.load_model(tmp_path / "model.h5").layers[0]
    assert type(loaded) is keras.layers.BatchNormalization and not loaded.scale
