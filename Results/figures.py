"""The figures of the paper, and what is added to them, each drawn from the runs that are there."""

import textwrap

import catalog
import measures
from common import plot
from histories import FITTED, best_epoch, early_stopping, epochs_to_fit

import numpy as np
from matplotlib.lines import Line2D


def contrast(path):
    """Draws true labels beside random ones: the same training accuracy, and what a new image gets, in words the mean of
    the seeds."""
    figure, both = plot.subplots(1, 2, sharey=True)
    networks = [network for network in catalog.PAIRS if network != "LSTM"]
    for axes, kind, title in zip(both, (0, 1), ("true labels", "random labels"), strict=True):
        ends = []
        for number, network in enumerate(networks):
            if not catalog.file_of(catalog.PAIRS[network][kind]):
                continue
            run = catalog.run_of(catalog.PAIRS[network][kind])
            train, test = (100 * run["history"][name] for name in ("accuracy", "val_accuracy"))
            epochs = np.arange(1, len(train) + 1)
            axes.plot(epochs, train, color=f"C{number}")
            axes.plot(epochs, test, color=f"C{number}", linestyle="--")
            mean = f"{catalog.accuracies(catalog.PAIRS[network][kind], 'test').mean():.0f} %"
            ends.append((test[-1], network, mean, f"C{number}"))
        if len({mean for _, _, mean, _ in ends}) == 1:  # one line for all
            ends = [(ends[0][0], "all", ends[0][2], "black")]
        height = 0
        for end, name, mean, color in sorted(ends):
            height = max(end, height + 6)  # one name above the other
            axes.text(62, height, f"{name}: {mean}", color=color, va="center")
        axes.set(xlim=(0, 92), xticks=range(0, 61, 20), ylim=(0, 103), xlabel="epoch")
        axes.set_title(title, fontsize=14)
        axes.grid(alpha=0.3)
    both[0].set_ylabel("accuracy in %")
    style = {"color": "black"}
    both[0].legend([Line2D([], [], **style), Line2D([], [], linestyle="--", **style)],
                   ["training images", "test images"], loc="lower right")
    both[1].legend([Line2D([], [], color=f"C{number}") for number in range(len(networks))], networks,
                   loc="center right")
    plot.save(figure, path)


def _missing(names):
    """A line below an axis' label on the runs that a figure still lacks; nothing where it is complete."""
    return "\n" + textwrap.fill(f"(still to be trained: {', '.join(names)})", 60) if names else ""


def table_1(path):
    """Draws the rows of Table 1, ours (the mean of the seeds) and the paper's accuracies as dots."""
    rows = [row for row in catalog.CIFAR10 if catalog.file_of(row) and not row.options]
    figure, axes = plot.subplots(figsize=(9, 7))
    places = range(len(rows), 0, -1)
    for split, color in ("train", plot.TRAIN), ("test", plot.TEST):
        axes.scatter([catalog.accuracies(row, split).mean() for row in rows], places, color=color,
                     label=f"{split}, ours")
        of_paper = [float((catalog.paper_of(row) or 2 * [np.nan])[split == "test"]) for row in rows]
        axes.scatter(of_paper, places, s=90, facecolors="none", edgecolors=color, label=f"{split}, paper")
    axes.set(xlabel="accuracy in %", xlim=(0, 103), yticks=list(places),
             yticklabels=[row.label for row in rows])
    axes.set_title("Table 1 of the paper, CIFAR-10", fontsize=14)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    plot.save(figure, path)


def _losses(path, title, curves, of_paper=""):
    """Draws training losses, each the average of an epoch at its middle, over the steps.

    Args:
        path: of the picture.
        title: what is drawn; the schedule of the learning rate is added.
        curves: dict, label to row.
        of_paper: what the paper has otherwise, in words.
    """
    figure, axes = plot.subplots(figsize=(7, 4.2))
    runs = {label: catalog.run_of(row) for label, row in curves.items() if catalog.file_of(row)}
    for number, label in enumerate(curves):
        if label in runs:
            run = runs[label]
            loss = run["history"]["loss"]
            axes.plot((np.arange(len(loss)) + 0.5) * _steps_per_epoch(run) / 1000, loss, color=f"C{number}",
                      label=label, marker=".")
    rate = " and ".join(sorted({"{learning_rate:g} times {learning_rate_decay:g} per epoch".format(
        **{"learning_rate_decay": 0.95} | run["settings"]) for run in runs.values()}))  # in older files there is none
    axes.set(xlabel="thousand steps" + _missing([label for label in curves if label not in runs]),
             ylabel="training loss", xlim=(0, None), ylim=(0, None))
    axes.set_title(f"{title}, learning rate {rate}{of_paper}", fontsize=11)
    axes.grid(alpha=0.3)
    if runs:
        axes.legend()
    plot.save(figure, path)


def _steps_per_epoch(run):
    return -(-catalog.EXAMPLES[run["settings"]["dataset"]] // run["settings"]["batch_size"])


def figure_1a(path):
    """Draws Figure 1 (a): how soon Mini Inception fits true labels and four kinds of randomness."""
    shuffled, random, gaussian = catalog.RANDOMNESS
    _losses(path, "Mini Inception", {
        "true labels": catalog.with_noise("Mini Inception", 0.0), "shuffled pixels": shuffled, "random pixels": random,
        "Gaussian noise": gaussian, "random labels": catalog.with_noise("Mini Inception", 1.0)},
        " (the paper: 0.1)")


def figure_1a_text(path):
    """Draws the same for the LSTM on text."""
    (true, random_labels), (shuffled, random) = catalog.PAIRS["LSTM"], catalog.SENSELESS_TEXT
    _losses(path, "LSTM", {"true labels": true, "shuffled words": shuffled, "random words": random,
                           "random labels": random_labels})


def _over_noise(path, title, ylabel, values, chance=False):
    """Draws a value of each network's runs, values(runs), over their label noise, and maybe the error of guessing."""
    figure, axes = plot.subplots(figsize=(6, 4.2))
    absent = []
    for color, (network, levels) in enumerate(catalog.NOISE.items()):
        there = [noise for noise in levels.tolist() if catalog.file_of(catalog.with_noise(network, noise))]
        absent += [f"{len(levels) - len(there)} of {network}"] * (len(there) < len(levels))
        if len(there) > 2 and there[0] == 0:  # a line between 0 and 1 alone would claim what nobody measured
            axes.plot(there, values([catalog.run_of(catalog.with_noise(network, noise)) for noise in there]),
                      marker="o", color=f"C{color}", label=network)
    for error, classes, line in ((90, "ten classes", "--"), (50, "two, for the LSTM", ":")) * chance:
        axes.axhline(error, color="grey", linestyle=line, linewidth=1, label=f"guessing, {classes}")
    axes.set(xlabel="label noise P: training labels redrawn with probability P" + _missing(absent), ylabel=ylabel)
    axes.set_title(title, fontsize=14)
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    plot.save(figure, path)


def figure_1b(path):
    """Draws Figure 1 (b): the time to fit over the label noise, relative to that of true labels."""
    def relative(runs):
        epochs = np.array([epochs_to_fit(run) for run in runs])
        return epochs / epochs[0]

    _over_noise(path, "Time to fit", f"epochs to {FITTED:.0%} training accuracy,\nrelative to true labels", relative)


def figure_1c(path):
    """Draws Figure 1 (c): the test error after fitting over the label noise, and that of guessing."""
    _over_noise(path, "Test error after fitting", "test error in % (test labels are true)",
                lambda runs: [100 * (1 - run["test_accuracy"]) for run in runs], chance=True)


def figure_2b(path):
    """Draws Figure 2 (b): accuracy with and without batch norm, and what stopping at the best would bring."""
    figure, axes = plot.subplots(figsize=(7, 4.2))
    rows = catalog.FASTER, catalog.row("Mini Inception", "_no_bn")  # of one schedule
    for color, label, row in zip(("C0", "C1"), ("with batch norm", "without batch norm"), rows, strict=True):
        if not catalog.file_of(row):
            continue
        run = catalog.run_of(row)
        accuracy = 100 * run["history"]["val_accuracy"]
        steps = np.arange(1, len(accuracy) + 1) * _steps_per_epoch(run) / 1000
        axes.plot(steps, accuracy, color=color, label=f"test, {label}")
        axes.plot(steps, 100 * run["history"]["accuracy"], ":", color=color, label=f"train, {label}")
        axes.fill_between(steps, accuracy, np.maximum.accumulate(accuracy), color=color, alpha=0.25)
    axes.set(xlabel="thousand steps", ylabel="accuracy in %", xlim=(0, None))
    axes.set_title("Mini Inception, no other regularizer; the learning rate falls faster than the paper's\n"
                   "shaded: up to the best test accuracy so far", fontsize=11)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower right")
    plot.save(figure, path)


def stopped_early(path):
    """Draws how far the best test accuracy on the way lies above the last one, of each run with true labels."""
    rows = catalog.with_true_labels()
    if not rows:
        return
    counts = [len(runs) for runs in rows.values()]
    figure, panels = plot.subplots(len(rows), figsize=(10, 1.6 + 0.7 * len(rows) + 0.27 * sum(counts)), sharex=True,
                               squeeze=False, height_ratios=[count + 1 for count in counts])
    for (axes,), (data, runs) in zip(panels, rows.items(), strict=True):
        labels = []
        for place, row in enumerate(runs):
            run = catalog.run_of(row)
            last, best = early_stopping(run)
            axes.plot([0, best - last], 2 * [place], color="grey", zorder=1)
            axes.scatter(0, place, facecolors="white", edgecolors=plot.TEST)
            axes.scatter(best - last, place, color=plot.TEST)
            axes.annotate(f"epoch {best_epoch(run)} of {len(run['history']['val_accuracy'])}", (best - last, place),
                          (8, 0), textcoords="offset points", va="center", fontsize=9)
            labels.append(f"{row.label}: {last:.1f} %")
        axes.set(yticks=range(len(runs)), yticklabels=labels, ylim=(len(runs) - 0.3, -0.7))
        axes.set_title(data, fontsize=12, loc="left")
        axes.grid(alpha=0.3)
    left, right = panels[-1, 0].get_xlim()
    panels[-1, 0].set(xlabel="test accuracy in points above that after the last epoch", xlim=(left, 1.25 * right))
    figure.suptitle("Early stopping: the last epoch and the best one, true labels", fontsize=14)
    dots = [Line2D([], [], marker="o", linestyle="", color=plot.TEST, markerfacecolor=face)
            for face in ("white", plot.TEST)]
    figure.legend(dots, ["last epoch, its test accuracy at the left", "best epoch"], loc="outside lower center",
                  ncols=2)
    plot.save(figure, path)


def learned_first(path):
    """Draws training accuracy on the examples with true and with wrong labels apart, and test accuracy."""
    runs = {network: catalog.run_of(row) for network in catalog.NOISE
            if catalog.file_of(row := catalog.with_noise(network, 0.4))}
    if not runs:
        return
    figure, (panels,) = plot.subplots(1, len(runs), figsize=(1 + 3.3 * len(runs), 3.8), sharey=True, squeeze=False)
    for axes, (network, run) in zip(panels, runs.items(), strict=True):
        for name, color, label in [("accuracy_clean", "C2", "training, label true"),
                                   ("accuracy_mislabeled", "C3", "training, label wrong"),
                                   ("val_accuracy", plot.TEST, "test")]:
            values = 100 * run["history"][name]
            axes.plot(range(1, len(values) + 1), values, color=color, label=label)
        axes.set(title=network, xlabel="epoch", ylim=(0, 103))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy in %")
    figure.suptitle("Label noise 0.4" + _missing([network for network in catalog.NOISE if network not in runs]))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    plot.save(figure, path)


KINDS = ("true labels", "C0"), ("random labels", "C3")


def measures_of_pairs(path):
    """Draws each measure of each network with true and with random labels, and the same regularizers, as a dumbbell."""
    found = measures.read("measures")
    pairs = list(measures.pairs([row for row in measures.rows() if row.name in found]))
    if not pairs:
        return
    figure, panels = plot.subplots(3, 3, figsize=(12.5, 2 + 0.9 * len(pairs)), sharey=True)
    for axes, (name, (label, sign)) in zip(panels.flat, measures.MEASURES.items(), strict=True):
        values = np.array([[found[row.name][0][name] for row in pair] for pair in pairs])
        if values.max() > 1e5 * values.min() > 0:  # networks of several depths: nobody would see the pairs
            values, label = values / values[:, :1], f"{label} (true labels: 1)"
        axes.hlines(range(len(pairs)), *values.T, color="grey", zorder=1)
        for kind, (_, color) in enumerate(KINDS):
            axes.scatter(values[:, kind], range(len(pairs)), color=color)
        wide = values.max() > 20 * values.min() > 0
        axes.set(xscale="log" if wide else "linear", ylim=(len(pairs) - 0.5, -0.5), yticks=range(len(pairs)),
                 yticklabels=list(map(catalog.alike, pairs)))
        axes.set_title(f"{label}\n{'larger' if sign > 0 else 'smaller'} with random labels in "
                       f"{measures.as_claimed(found, name, pairs)} of {len(pairs)}", fontsize=11)
        axes.grid(alpha=0.3)
    figure.suptitle("Which measure knows? What each is said to be, and for how many pairs that holds", fontsize=14)
    figure.legend([Line2D([], [], marker="o", linestyle="", color=color) for _, color in KINDS],
                  [name for name, _ in KINDS], loc="outside lower center", ncols=2)
    plot.save(figure, path)


def normalized_margins(path):
    """Draws histograms of the training images' margins over the spectral product, true labels against random ones."""
    found, bins = measures.read("measures"), measures.read("margins")
    panels = {}
    for pair in measures.pairs([row for row in measures.rows() if row.name in found and row.name in bins]):
        panels.setdefault(catalog.alike(pair).removesuffix(", weight decay"), []).append(pair)
    if not panels:
        return
    figure, ((*above,), (*below,)) = plot.subplots(2, 3, figsize=(12.5, 6.4))
    for axes, (title, pairs) in zip(above + below, panels.items(), strict=False):
        left = np.inf
        for pair in pairs:
            style = "--" if "weight decay" in pair[0].variant else "-"
            for row, (_, color) in zip(pair, KINDS, strict=True):
                lines = [line for line in bins[row.name] if line["from"] > 0]  # the axis is logarithmic
                edges = np.array([line["from"] for line in lines] + [lines[-1]["to"]])
                images = np.array([line["images"] for line in lines])
                # A few margins near 0 would be decades away from all others.
                left = min(left, edges[np.searchsorted(np.cumsum(images), 0.001 * images.sum())] / found[row.name][0][
                    "spectral_product"])
                shares = images / np.diff(np.log10(edges))
                axes.stairs(shares / sum(line["images"] for line in bins[row.name]),
                            edges / found[row.name][0]["spectral_product"], color=color, linestyle=style)
        axes.set(xscale="log", xlabel="margin / product of spectral norms", ylabel="share of images per decade",
                 xlim=(left, None))
        axes.xaxis.set_minor_formatter("")
        axes.set_title(title, fontsize=12)
        axes.grid(alpha=0.3)
    for axes in (above + below)[len(panels):]:
        axes.axis("off")
    handles = [Line2D([], [], color=color) for _, color in KINDS] + [
        Line2D([], [], color="black", linestyle=line) for line in ("-", "--")]
    figure.legend(handles, [name for name, _ in KINDS] + ["no regularizer", "weight decay"],
                  loc="outside lower center", ncols=4)
    figure.suptitle("Margins of training images, those above 0, normalized: smaller with random labels?", fontsize=14)
    plot.save(figure, path)


def from_random_labels(path):
    """Draws test accuracy on the way to fitted true labels, from a fresh start and from random labels'."""
    if not any(map(catalog.file_of, catalog.FROM_RANDOM_LABELS)):
        return
    figure, panels = plot.subplots(1, len(catalog.STARTS), figsize=(13, 4.4))
    styles = [(color, line) for color in ("C0", "C3") for line in ("-", "--")]
    for axes, (network, rows) in zip(panels, catalog.STARTS.items(), strict=True):
        for row, (color, line) in zip(rows, styles, strict=True):
            runs = [100 * catalog.run_of(seed)["history"]["val_accuracy"] for seed in catalog.seeds(row)]
            if runs:
                values = np.array(list(zip(*runs, strict=False)))  # as long as all seeds were trained
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values.mean(axis=1), color=color, linestyle=line)
                axes.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=color, alpha=0.25, linewidth=0)
        axes.set(xlabel="epoch", title=network)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy in %")
    figure.suptitle("True labels, fitted from a fresh start and from weights that fit random labels; shaded: the range "
                    "of the seeds", fontsize=13)
    starts = [f"{start}, {kind}" for start in ("fresh start", "begun from random labels")
              for kind in ("no regularizer", "regularized")]
    figure.legend([Line2D([], [], color=color, linestyle=line) for color, line in styles], starts,
                  loc="outside lower center", ncols=4)
    plot.save(figure, path)


def widths(path):
    """Draws training and test error of MLP 1x512 with fewer units and more, with label noise: mean and range."""
    rows = {units: row for units, row in catalog.WIDTHS.items() if catalog.file_of(row)}
    if len(rows) < 3:
        return
    figure, axes = plot.subplots(figsize=(7, 4.2))
    for split, color in ("train", plot.TRAIN), ("test", plot.TEST):
        errors = [100 - catalog.accuracies(row, split) for row in rows.values()]
        axes.plot(rows.keys(), list(map(np.mean, errors)), color, marker="o", label=f"{split} error")
        axes.fill_between(rows.keys(), list(map(min, errors)), list(map(max, errors)), color=color, alpha=0.25,
                          linewidth=0)
    absent = [f"{units:,} units" for units in catalog.WIDTHS if units not in rows]
    axes.set(xlabel="units of the hidden layer" + _missing(absent), ylabel="error in %", ylim=(0, 100))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title("One hidden layer, a fifth of the labels redrawn", fontsize=14)
    axes.grid(alpha=0.3)
    axes.legend()
    plot.save(figure, path)


# By the name of the picture
ALL = {"True_and_random_labels": contrast, "Table_1": table_1, "Figure_1a": figure_1a, "Figure_1a_text": figure_1a_text,
       "Figure_1b": figure_1b, "Figure_1c": figure_1c, "Figure_2b": figure_2b, "Early_stopping": stopped_early,
       "Learned_first": learned_first, "Measures": measures_of_pairs, "Margins": normalized_margins,
       "From_random_labels": from_random_labels, "Widths": widths}
