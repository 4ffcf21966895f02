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
def test_a_peer_has_our_parameters_and_our_loss(network, monkeypatch):
    """The same count, and from the same weights on the same batches the same losses, training step by training step."""
    monkeypatch.setitem(benchmark.EXAMPLES, network, 32)
    keras.utils.set_random_seed(0)
    ours = benchmark.our_model(network)
    peer = peers.with_weights_of(ours, peers.NETWORKS[network]())
    assert sum(p.numel() for p in peer.parameters() if p.requires_grad) == sum(
        np.prod(variable.shape) for variable in ours.trainable_variables)

    train = benchmark.examples(network, 32)
    # Keras and PyTorch add Adam's epsilon in different places; small steps keep that out of the loss.
    inputs, rate = train.inputs(np.arange(32)), 1e-4 if network == "LSTM" else 0.01
    ours.optimizer.learning_rate = rate
    step = peers.trainer(network, peer, torch.from_numpy(inputs), torch.from_numpy(train.labels).long(), 32, rate,
                         "float32", False)
    ours.jit_compile = False
    for _ in range(3):
        loss, _ = ours.train_on_batch(inputs, train.labels)
        assert step() == pytest.approx(float(loss), rel=1e-3)
