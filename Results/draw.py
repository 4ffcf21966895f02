"""Draws every picture of the collection and every table of the READMEs, from the .h5 files alone.

    python Results/draw.py
"""

import math
import re
import runpy
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from common import plot, record

import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parent.parent

# Run (its .h5 or .run.h5, without the ending), picture in Results/, and what the script collection of 2017 had reached,
# train and test in %.  In the order of the paper's Table 1.
CIFAR10 = [
    ("Mini Inception/cifar10_tf_inception_wd_rand_crop", "Inception_Cifar10_wd_rand_crop", (98.9, 87.5)),
    ("Mini Inception/cifar10_tf_inception_rand_crop", "Inception_Cifar10_rand_crop", (98.8, 87.0)),
    ("Mini Inception/cifar10_tf_inception_wd", "Inception_Cifar10_wd", (99.2, 83.4)),
    ("Mini Inception/cifar10_tf_inception", "Inception_Cifar10", (98.9, 83.8)),
    ("Mini Inception/cifar10_tf_inception_rand_labels", "Inception_Cifar10_rand_labels", (None, None)),
    ("Mini Inception/cifar10_tf_inception_no_bn_wd", "Inception_Cifar10_no_bn_wd", (None, None)),
    ("Mini Inception/cifar10_tf_inception_no_bn", "Inception_Cifar10_no_bn", (None, None)),
    ("Mini Inception/cifar10_tf_inception_no_bn_rand_labels", "Inception_Cifar10_no_bn_rand_labels", (None, None)),
    ("Mini Alexnet/cifar10_alexnet_wd_rand_crop", "Alexnet_Cifar10_wd_rand_crop", (98.9, 82.9)),
    ("Mini Alexnet/cifar10_alexnet_rand_crop", "Alexnet_Cifar10_rand_crop", (97.8, 81.2)),
    ("Mini Alexnet/cifar10_alexnet_wd", "Alexnet_Cifar10_wd", (99.6, 77.2)),
    ("Mini Alexnet/cifar10_alexnet", "Alexnet_Cifar10", (99.4, 76.4)),
    ("Mini Alexnet/cifar10_alexnet_rand_labels", "Alexnet_Cifar10_rand_labels", (97.9, 10.2)),
    ("MLP3/cifar10_keras_mlp3_wd", "MLP3_Cifar10_wd", (95.6, 52.5)),
    ("MLP3/cifar10_keras_mlp3", "MLP3_Cifar10", (95.7, 51.9)),
    ("MLP3/cifar10_keras_mlp3_rand", "MLP3_Cifar10_rand_labels", (97.3, 9.9)),
    ("MLP1/cifar10_keras_mlp_wd", "MLP1_Cifar10_wd", (91.5, 53.2)),
    ("MLP1/cifar10_keras_mlp", "MLP1_Cifar10", (94.0, 51.7)),
    ("MLP1/cifar10_keras_mlp_rand", "MLP1_Cifar10_rand_labels", (89.6, 9.9)),
]


LSTM = "", "_wd", "_rand_crop", "_wd_rand_crop", "_dropout", "_rand_labels", "_shuffled_words", "_random_words"
IMDB = [(f"LSTM/imdb_lstm{variant}", f"LSTM_Imdb{variant}", None) for variant in LSTM]

# These are trained on few and small pictures, and kept without their weights, which are 87 MB a file.  The figures are
# the paper's for all of ImageNet (Table 2), top-1 and top-5, train and then test, in %.
INCEPTION_V3 = "Inception v3/imagenet_inception_v3"
IMAGENET = [
    (f"{INCEPTION_V3}--batch-size-125--learning-rate-0.003--image-size-75--tiny-imagenet-20",
     "Inception_v3_tiny_imagenet_20", (99.53, 100.0, 59.80, 80.38)),
    (f"{INCEPTION_V3}_rand_labels--epochs-150--learning-rate-0.01--image-size-75--imagenet-1000",
     "Inception_v3_imagenet_1000_rand_labels", (95.20, 99.14, 0.11, 0.56)),
    (f"{INCEPTION_V3}_rand_labels--batch-size-125--learning-rate-0.003--learning-rate-decay-0.98--image-size-75"
     "--tiny-imagenet-20", "Inception_v3_tiny_imagenet_20_rand_labels", (95.20, 99.14, 0.11, 0.56)),
]

# Fits that are solved for, not trained; each script draws its own.  With the paper's test accuracy in %.
CLOSED_FORM = [("MLP1/cifar10_theorem_1", None), ("MLP1/cifar10_gaussian_kernel", 54.0),
               ("MLP1/cifar10_random_features", 85.0)]

TABLES = {"cifar10": CIFAR10, "imdb": IMDB, "imagenet": IMAGENET}  # by their marks in Results/README.md


def table(rows, readme):
    """Makes the Markdown table of the rows that have been trained, with links that work from `readme`.

    Args:
        rows: list of (run, picture, figures of others), as CIFAR10.
        readme: pathlib.Path of the file the table is for.
    """
    if not rows:
        return "None has been trained yet."
    cells = [_cells(*row, up="" if readme.parent == ROOT else "../") for row in rows]
    left = "network", "pictures", "labels", "random crop", "weight decay", "machine", "files"
    lines = [list(cells[0]), ["---" if column in left else "---:" for column in cells[0]],
             *(row.values() for row in cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(name, picture, others, up):
    """One row of a table: its cells by column."""
    run = run_of(name)
    settings, machine = run["settings"], run["machine"]
    gpus = sum(device.startswith("gpu") for device in machine["devices"])
    computed_on = f"{gpus} x GPU, " * (gpus > 0) + f"{machine['cores']} x {machine['processor']}"
    if settings["dataset"] == "imagenet":
        size = settings["image_size"]
        cells = {"pictures": f"{settings['pictures']}, {size}x{size}",
                 "labels": "random" if "label_noise" in settings else "true"}
        for split, paper in ("train", others[:2]), ("test", others[2:]):
            top_1, top_5 = (100 * run.get(f"{split}_{metric}", math.nan) for metric in ("accuracy", "top_5"))
            cells |= {split: "-" if math.isnan(top_1) else f"**{top_1:.2f}** ({top_5:.2f})",
                      "paper, " + split: f"{paper[0]:.2f} ({paper[1]:.2f})"}
    else:
        cells = {"network": re.sub(" on (CIFAR-10|IMDB)|, random crop|, weight decay", "", run["title"]),
                 "random crop": "yes" if settings["random_crop"] else "no",
                 "weight decay": f"{settings.get('weight_decay', 0):g}",
                 "train": f"**{100 * run['train_accuracy']:.2f}**", "test": f"**{100 * run['test_accuracy']:.2f}**"}
        if others:
            cells |= {"paper, train": f"{run['paper_train']:.2f}", "paper, test": f"{run['paper_test']:.2f}"}
            cells |= {f"2017, {name}": f"{value:.1f}" if value else "-"
                      for name, value in zip(("train", "test"), others, strict=True)}
    return cells | {"epochs": str(len(run["history"]["loss"])), "minutes": f"{run['seconds'] / 60:.1f}",
                    "machine": computed_on,
                    "files": _links(name, picture, up)}


def _links(name, picture, up):
    """The links of a row to its script, its model or run, and its picture."""
    file = file_of(name)
    paths = {"script": name.split("--")[0] + ".py",
             "run" if file.name.endswith(".run.h5") else "model": str(file.relative_to(ROOT)),
             "picture": f"Results/{picture}.png"}
    return ", ".join(f"[{word}]({up}{quote(path)})" for word, path in paths.items())


def fill(readme, name, table):
    """Puts a table between the marks <!-- name --> and <!-- end of name --> of a README."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, rest = readme.read_text().split(begin)
    after = rest.split(end)[1]
    with record.replacing(readme) as part:
        part.write_text(before + begin + table + end + after)


def file_of(name):
    """The run's file, with its model or without; None where it is not there."""
    return next((path for ending in (".h5", ".run.h5") if (path := ROOT / (name + ending)).exists()), None)


def run_of(name):
    """The run, under the network's name of today: older files call the Mini networks small."""
    run = record.read(file_of(name))
    return run | {"title": run["title"].replace("Small ", "Mini ")}


def trained():
    """The rows of all tables whose run is there."""
    return [row for rows in TABLES.values() for row in rows if file_of(row[0])]


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
    plot.save(figure, path)


def closed_form_table():
    """Makes the Markdown table of the fits that are solved for, for Results/README.md."""
    lines = ["| fit | labels | train | test | paper, test | minutes | files |",
             "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
    for name, paper in CLOSED_FORM:
        if not file_of(name):
            continue
        run, links = run_of(name), _links(name, name.split("/")[1], up="../")
        for prefix in ("", "random_") if "random_test_accuracy" in run else ("",):
            labels = "random" if prefix or run["settings"].get("label_noise") else "true"
            train, test = (f"**{100 * run[f'{prefix}{split}_accuracy']:.2f}**" for split in ("train", "test"))
            lines.append(f"| {run['title'].split(' on CIFAR-10')[0]} | {labels} | {train} | {test} "
                         f"| {paper if paper and labels == 'true' else '-'} | {run['seconds'] / 60:.1f} | {links} |")
    return "\n".join(lines)


def main():
    rows = trained()
    for name, picture, _ in rows:
        drawn = ROOT / "Results" / (picture + ".png")
        plot.curves(run_of(name), drawn)
        if "--" not in name:  # the picture beside the script is the same
            shutil.copyfile(drawn, ROOT / (name + ".png"))
    random_labels([run_of(row[0]) for row in rows if row in CIFAR10], ROOT / "Results" / "Random_labels.png")
    scripts = Path(__file__).resolve().parent.parent
    sys.path.append(str(scripts / "MLP1"))
    for name, _ in CLOSED_FORM:
        if file_of(name):
            picture = ROOT / (name + ".png")
            runpy.run_path(str(scripts / (name + ".py")))["draw"](record.read(file_of(name)), picture)
            shutil.copyfile(picture, ROOT / "Results" / picture.name)
    readme = ROOT / "Results" / "README.md"
    fill(readme, "closed form", closed_form_table())
    for mark, all_rows in TABLES.items():
        fill(readme, mark, table([row for row in rows if row in all_rows], readme))
    for folder in sorted({name.split("/")[0] for name, _, _ in rows}):
        readme = ROOT / folder / "README.md"
        fill(readme, "results", table([row for row in rows if row[0].startswith(folder + "/")], readme))
    print(f"Drew {len(rows)} pictures and their tables from the .h5 files")


if __name__ == "__main__":
    main()
