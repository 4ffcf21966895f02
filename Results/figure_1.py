"""Figure 1 (b) and (c) of the paper: from true to random labels.

    python Results/figure_1.py            draws Figure_1b.png and Figure_1c.png from the runs that are there
    python Results/figure_1.py --train    first trains what is missing; resumes when interrupted

A run counts as fitted once its training accuracy, averaged over each epoch, reaches 98 %, interpolated between
epochs.  Label noise P replaces each training label with probability P by a uniform draw from all classes, which can be
the true one: P = 0.5 changes about 45 % of ten classes' labels.  The test labels are never changed.
"""

import subprocess
import sys

import draw
from common import plot, record

import matplotlib.pyplot as plt
import numpy as np

FITTED = 0.98
# Network: its runs with true labels and with random ones, label noise of the runs between them, and its chance in %
NETWORKS = {"MLP 1x512": ("MLP1/cifar10_keras_mlp", "MLP1/cifar10_keras_mlp_rand", np.arange(1, 10) / 10, 10),
            "LSTM": ("LSTM/imdb_lstm", "LSTM/imdb_lstm_rand_labels", np.arange(2, 10, 2) / 10, 50),
            "Mini Alexnet": ("Mini Alexnet/cifar10_alexnet", "Mini Alexnet/cifar10_alexnet_rand_labels",
                             np.arange(1, 10) / 10, 10)}


def name(network, noise):
    """The run of a network at a label noise, without its ending."""
    true, random, _, _ = NETWORKS[network]
    return true if noise == 0 else random if noise == 1 else f"{random}--label-noise-{noise}"


def levels(network):
    """All label noises of a network, from 0 to 1."""
    return [0, *NETWORKS[network][2].tolist(), 1]


def epochs_to_fit(run):
    """Epochs until the training accuracy reaches FITTED; NaN where it does not."""
    accuracy = np.concatenate([[0], run["history"]["accuracy"]])
    after = np.argmax(accuracy >= FITTED)
    if not after:
        return np.nan
    return after - (accuracy[after] - FITTED) / (accuracy[after] - accuracy[after - 1])


def main():
    missing = [(network, noise) for network in NETWORKS for noise in levels(network)
               if not draw.file_of(name(network, noise))]
    if sys.argv[1:] == ["--train"]:
        for network, noise in missing:
            script = draw.ROOT / (NETWORKS[network][1] + ".py")
            subprocess.run([sys.executable, script, "--label-noise", str(noise), "--no-weights"], check=True)
        missing = []
    time, timed = plt.subplots(figsize=(6, 4.2), layout="constrained")
    error, tested = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for color, network in enumerate(NETWORKS):
        runs = {noise: record.read(file) for noise in levels(network) if (file := draw.file_of(name(network, noise)))}
        between = runs.keys() - {0, 1}  # without runs there, a line would claim what nobody measured
        style = {"marker": "o", "color": f"C{color}", "label": network, "linestyle": "-" if between else ""}
        epochs = np.array([epochs_to_fit(run) for run in runs.values()])
        timed.plot(list(runs), epochs / epochs[0], **style)
        tested.plot(list(runs), [100 * (1 - run["test_accuracy"]) for run in runs.values()], **style)
        chance = 100 - NETWORKS[network][3]
        tested.axhline(chance, color="grey", linestyle="--", linewidth=1)
    timed.set(ylabel=f"epochs to fit {FITTED:.0%}, relative to true labels", title="Time to fit random labels")
    tested.set(ylabel="test error in %, true test labels", ylim=(0, 100), title="Test error after fitting")
    absent = ", ".join(f"{network} {sum(other == network for other, _ in missing)}" for network in NETWORKS
                       if any(other == network for other, _ in missing))
    for figure, axes, path in (time, timed, "Figure_1b.png"), (error, tested, "Figure_1c.png"):
        axes.set(xlabel="label noise P" + f"\n(runs still missing: {absent})" * bool(missing))
        axes.legend()
        plot.save(figure, draw.ROOT / "Results" / path)
    print(f"Drew Figure_1b.png and Figure_1c.png; {len(missing)} runs are missing")


if __name__ == "__main__":
    main()
