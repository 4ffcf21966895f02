"""The picture of a run."""

import textwrap

import matplotlib
import numpy as np

matplotlib.use("Agg")  # draws into files, on machines without a screen too
from common import files, record  # noqa: E402

import matplotlib.pyplot as plt  # noqa: E402

TRAIN, TEST = "tab:blue", "tab:orange"


def curves(run, path):
    """Draws accuracy and loss over the epochs, train and test, beside the paper's values.

    Args:
        run: dict as of `record.read`.
        path: pathlib.Path of the .png; it is whole or absent.
    """
    history = run["history"]
    epochs = range(1, len(history["loss"]) + 1)
    marker = "o" if len(epochs) == 1 else None
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")

    for prefix, name, color in ("", "train", TRAIN), ("val_", "test", TEST):
        if prefix + "loss" in history:
            style = {"color": color, "marker": marker, "label": name}
            left.plot(epochs, 100 * np.asarray(history[prefix + "accuracy"]), **style)
            right.plot(epochs, history[prefix + "loss"], **style)
    if "paper_train" in run:
        left.axhline(run["paper_train"], color=TRAIN, linestyle=":", label=f"paper, train: {run['paper_train']:g} %")
        left.axhline(run["paper_test"], color=TEST, linestyle=":", label=f"paper, test: {run['paper_test']:g} %")
    left.set(xlabel="epoch", ylabel="accuracy in %", ylim=(0, 103))

    # Fitted random labels drive the test loss far up; on a logarithmic axis both curves can be read.
    right.set(xlabel="epoch", ylabel="loss", yscale="log")
    for which in right.yaxis.set_major_formatter, right.yaxis.set_minor_formatter:
        which(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")

    for axes in left, right:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
    title = textwrap.fill(run["title"], 95, break_on_hyphens=False)  # about the width of the picture
    figure.suptitle(f"{title}\n{record.accuracies(run)}", fontsize=14)
    save(figure, path)


def save(figure, path):
    """Writes a figure as a .png that is whole or absent, and the same bytes for the same figure."""
    with files.replacing(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)


def random_labels(runs, path):
    """Draws, in one picture, how the networks fit random labels: training accuracy up, test accuracy at chance.

    Args:
        runs: list of dicts as of `record.read`; those without random labels are left out.
        path: pathlib.Path of the .png; it is whole or absent.
    """
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    runs = [run for run in runs if run["settings"].get("label_noise") == 1]
    for number, run in enumerate(runs):
        name = run["title"].replace(" on CIFAR-10", "").replace(" without batch norm", ", no BN")
        name = name.removesuffix(", random labels")
        epochs = range(1, len(run["history"]["loss"]) + 1)
        axes.plot(epochs, 100 * run["history"]["accuracy"], color=f"C{number}", label=f"{name}, train")
        axes.plot(epochs, 100 * run["history"]["val_accuracy"], color=f"C{number}", linestyle="--",
                  label=f"{name}, test")
    axes.axhline(10, color="grey", linestyle=":", label="chance")
    axes.set(xlabel="epoch", ylabel="accuracy in %", ylim=(0, 103))
    axes.set_title("CIFAR-10 with random training labels: fitted all the same", fontsize=14)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=11, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)
