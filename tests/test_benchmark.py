"""The benchmark's peers compute what our scripts do, so that speeds compare."""

import importlib.util
import json
import os
import sys

import benchmark
import pytest
from conftest import ROOT, run


def steps(network):
    """Trains our network and its peer three steps from the same weights, on the same few examples.

    Returns:
        (number of trainable parameters, losses) of ours, and the same of the peer.
    """
    import keras
    import numpy as np
    import peers
    import torch
    benchmark.EXAMPLES[network] = 8
    keras.utils.set_random_seed(0)
    # Keras and PyTorch add Adam's epsilon in different places; small steps keep that out of the loss.
    rate = 1e-4 if network == "LSTM" else 0.01
    ours = benchmark.our_model(network, rate)
    peer = peers.with_weights_of(ours, peers.NETWORKS[network]())
    train = benchmark.examples(network, 8)
    inputs = train.inputs
    ours.jit_compile = False
    step = peers.trainer(network, peer, torch.from_numpy(inputs), torch.from_numpy(train.labels).long(), 8, rate,
                         "float32", False)
    return ((sum(int(np.prod(variable.shape)) for variable in ours.trainable_variables),
             [float(ours.train_on_batch(inputs, train.labels)[0]) for _ in range(3)]),
            (sum(p.numel() for p in peer.parameters() if p.requires_grad), [step() for _ in range(3)]))


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_a_peer_has_our_parameters_and_our_loss():
    """In a process without TensorFlow: some versions of it and of PyTorch cannot be loaded side by side."""
    process = run(__file__, env=dict(os.environ, KERAS_BACKEND="torch", PYTHONPATH=str(ROOT)))
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    assert measured.keys() == benchmark.SCRIPTS.keys()
    for network, ((our_parameters, our_losses), (parameters, losses)) in measured.items():
        assert parameters == our_parameters, network
        assert losses == pytest.approx(our_losses, rel=1e-3), network


@pytest.mark.parametrize("options, says", [
    (["MLP9"], "no network MLP9"), (["--rounds", "0"], "--rounds is 1 or more"),
    (["--table", "--rounds", "3"], "each stand alone"), (["--pipeline", "--overhead"], "each stand alone")])
def test_a_benchmark_of_nothing_is_refused(monkeypatch, capsys, options, says):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *options])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--pipeline"], ["--overhead"], ["--gpu"], []])
def test_what_a_benchmark_needs_is_said_where_it_is_not_there(monkeypatch, capsys, options):
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *options])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "cannot be imported. On Linux or macOS: pip install -e '.[benchmark]'" in capsys.readouterr().err


@pytest.mark.parametrize("rounds, measured", [("2", True), ("3", False)])
def test_a_network_measured_again_on_a_gpu_keeps_the_others_or_is_refused(monkeypatch, tmp_path, rounds, measured):
    speeds = {"jax float32": {"per_second": 2.0}, "torch float32": {"per_second": 1.0}}
    before = {"gpus": {"Card": {"rounds": 2, "medians": {"MLP1": speeds},
                                "versions": dict.fromkeys(["keras", "jax", "torch"], "1")}}}
    (tmp_path / "Results").mkdir()
    (path := tmp_path / "Results" / "benchmark.json").write_text(json.dumps(before))
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--gpu", "MLP3", "--rounds", rounds])
    importlib.import_module("common.record")  # now, with the backend of the other tests
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # as `main` sets it, which is so taken back
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    for name, value in {"ROOT": tmp_path, "version": lambda name: "1", "gpu_name": lambda: "Card", "gpu_benchmark":
                        lambda networks, rounds: {"MLP3": {name: [told] for name, told in speeds.items()}}}.items():
        monkeypatch.setattr(benchmark, name, value)
    if measured:
        benchmark.main()
    else:
        with pytest.raises(SystemExit, match="another number of rounds. Measure all, or as those were"):
            benchmark.main()
    after = json.loads(path.read_text())
    assert set(after["gpus"]["Card"]["medians"]) == ({"MLP1", "MLP3"} if measured else {"MLP1"})


def test_a_gpu_s_table_has_the_best_of_each_and_their_ratio():
    speeds = {"jax float32": 50, "jax mixed_bfloat16": 90, "torch float32": 30, "torch-compiled bfloat16": 60}
    table = benchmark.gpu_table("Card", {"versions": {"jax": "1"}, "medians": {"MLP1": {
        name: {"per_second": value} for name, value in speeds.items()}}})
    assert "| MLP1 | 90 (jax mixed_bfloat16) | 60 (torch-compiled bfloat16) | **1.50** |" in table
    assert "Card; jax 1" in table


if __name__ == "__main__":
    print(json.dumps({network: steps(network) for network in benchmark.SCRIPTS}))
