"""The picture of a run."""

import textwrap

import matplotlib
import numpy as np

matplotlib.use("Agg")  # draws into files, on machines without a screen too
from common import record  # noqa: E402

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
    figure.suptitle(f"{title}\n{record.accuracies(run) or f'after {len(epochs)} epochs'}", fontsize=14)
    save(figure, path)


def save(figure, path):
    """Writes a figure as a .png that is whole or absent, and the same bytes for the same figure."""
    with record.replacing(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
    plt.close(figure)
