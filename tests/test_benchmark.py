"""The benchmark's peers compute what our scripts do, so that speeds compare."""

import sys

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")
sys.path.insert(0, str(__import__("pathlib").Path(__file__).parent))

import benchmark  # noqa: E402
import peers  # noqa: E402


@pytest.mark.parametrize("network", benchmark.SCRIPTS)
def test_a_peer_has_our_parameters_and_our_loss(network):
    """The same count, and from the same weights on the same batches the same losses, training step by training step."""
    from common import cifar10

    script = benchmark.script_of(network)
    keras.utils.set_random_seed(0)
    ours = script.build_model()
    peer = peers.with_weights_of(ours, peers.NETWORKS[network]())
    assert sum(p.numel() for p in peer.parameters() if p.requires_grad) == sum(
        np.prod(variable.shape) for variable in ours.trainable_variables)

    images, labels = benchmark.pictures(32)
    images = cifar10.standardize(images[:, 2:30, 2:30])
    ours.compile(keras.optimizers.SGD(0.01, momentum=peers.MOMENTUM),
                 keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    step = peers.trainer(peer, torch.from_numpy(images), torch.from_numpy(labels).long(), 32, 0.01, "float32", False)
    for _ in range(3):
        assert step() == pytest.approx(float(ours.train_on_batch(images, labels)), rel=1e-3)
