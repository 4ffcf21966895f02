"""The picture of a run."""

import textwrap

from common import record

import numpy as np
from matplotlib import style  # noqa: F401 - experiment says plot.style
from matplotlib.figure import Figure

TRAIN, TEST = "tab:blue", "tab:orange"


def subplots(rows=1, columns=1, figsize=(10, 4.2), **options):
    """As matplotlib.pyplot.subplots, for a figure that is written to a file and never shown."""
    figure = Figure(figsize=figsize, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def curves(run, path, others=()):
    """Draws accuracy and loss over the epochs of a run (as `record.read` returns it), beside the paper's values.

    `others` are the same run with other seeds; the range of all is shaded, up to the last epoch that all have.
    """
    history, accuracy = run["history"], record.accuracy_name(run["history"])
    epochs = range(1, len(history["loss"]) + 1)
    figure, (left, right) = subplots(1, 2)
    for prefix, name, color in ("", "train", TRAIN), ("val_", "test", TEST):
        for axes, value, scale in (left, f"{prefix}{accuracy}", 100), (right, prefix + "loss", 1):
            if value in history:
                axes.plot(epochs[-len(history[value]):], scale * np.asarray(history[value]), color=color, label=name,
                          marker="o" if len(epochs) == 1 else None)
            if value in history and others:
                every = scale * np.array(list(zip(*(seed["history"][value] for seed in (run, *others)), strict=False)))
                axes.fill_between(epochs[:len(every)], every.min(axis=1), every.max(axis=1), color=color, alpha=0.3,
                                  linewidth=0, label=f"{len(others) + 1} seeds" if prefix else None)
    for split, color in ("train", TRAIN), ("test", TEST):
        if (value := run.get(f"paper_{split}")) is not None:
            left.axhline(value, color=color, linestyle=":", label=f"paper, {split}: {value:g} %")
    left.set(xlabel="epoch", ylabel="accuracy in %", ylim=(0, 103))
    right.set(xlabel="epoch", ylabel="loss", yscale="log" if min(history["loss"]) >= 0 else "linear")
    for which in right.yaxis.set_major_formatter, right.yaxis.set_minor_formatter:
        which(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")
    if right.get_yscale() == "linear" or np.divide(*right.get_ylim()) > 0.2:  # of short axes hardly a number is shown
        right.set_yscale("linear")
    for axes in left, right:
        axes.grid(alpha=0.3)
        axes.lines and axes.legend(fontsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
    heading(figure, run["title"], record.accuracies(run) or f"after {len(epochs)} epochs")
    save(figure, path)


def heading(figure, title, line):
    """Puts a title, as it is written, and a line on what came out above a figure."""
    figure.suptitle(f"{textwrap.fill(title, 95, break_on_hyphens=False)}\n{line}", fontsize=14, parse_math=False)


def save(figure, path):
    """Writes a figure as a .png that is whole or absent, and the same bytes for the same figure."""
    with record.replacing(path) as part:
        figure.savefig(part, dpi=100, metadata={"Software": None})
