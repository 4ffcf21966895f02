"""The published runs as two files that pandas, R and a spreadsheet open.

results.csv   one line a run: what it is, its settings, what it ran on, and what came out.  Accuracies are from 0 to 1,
              as in the runs' files, the paper's in %; empty where there is none.  train_ and test_ are of the final
              weights; best_test_accuracy is the best of those after each epoch, at best_epoch.
history.csv   one line an epoch: the run's name, the epoch from 1, and what was measured: the running means of the
              training set (loss, accuracy), the test set (val_), learning_rate and seconds.
"""

import csv
from numbers import Integral, Number, Real

import catalog
from common import record
from histories import best_epoch

FIRST = "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"  # of the columns of history.csv


def results():
    """The lines of results.csv, each a list of parts, dicts of columns; a run has the columns it has something in."""
    lines = []
    for row in catalog.published():
        run, history = catalog.run_of(row), catalog.run_of(row).get("history", {})
        what = {"name": row.name, "network": row.network, "variant": row.variant, "script": row.script,
                "file": catalog.file_of(row).relative_to(catalog.ROOT).as_posix(), "data": row.part or row.data}
        machine = {name: " ".join(value) if isinstance(value, list) else value
                   for name, value in run["machine"].items()}
        versions = {f"version_{name}": value for name, value in run["versions"].items()}
        provenance = {f"digest_{name}" if name != "commit" else name: value
                      for name, value in run.get("provenance", {}).items()}
        measured = {name: value for name, value in run.items() if isinstance(value, Number) and "paper" not in name}
        if history:
            measured["epochs_trained"] = len(history["loss"])
        if "val_accuracy" in history:
            measured["best_epoch"] = best_epoch(run)
            measured["best_test_accuracy"] = history["val_accuracy"].max()
        paper = {f"paper_{split}{ending}": value for ending, values in (
            ("", catalog.paper_of(row)), ("_top_5", row.paper_top_5)) for split, value in zip(
                ("train", "test"), values, strict=False) if value[0].isdigit()}
        lines.append([what, run["settings"], machine, versions, provenance, measured, paper])
    return lines


def history():
    """The lines of history.csv, each a list of parts, dicts of columns."""
    lines = []
    for row in catalog.published():
        curves = catalog.run_of(row).get("history", {})
        names = dict.fromkeys(name for name in [*FIRST, *curves] if name in curves)
        for epoch, values in enumerate(zip(*(curves[name] for name in names), strict=True), 1):
            lines.append([{"name": row.name, "epoch": epoch}, dict(zip(names, values, strict=True))])
    return lines


def write(path, lines):
    """Writes lines of parts as a .csv: a column for every name in one of them, the first parts' columns first."""
    columns = dict.fromkeys(name for parts in zip(*lines, strict=True) for part in parts for name in part)
    with record.replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for parts in lines:
            writer.writerow({name: _text(value) for part in parts for name, value in part.items()})


def write_all(folder):
    """Writes both files into a folder."""
    write(folder / "results.csv", results())
    write(folder / "history.csv", history())


def _text(value):
    # Eight digits, as many as float32, in which all was measured, can hold
    return f"{value:.8g}" if isinstance(value, Real) and not isinstance(value, Integral) else value
