"""Draws Results/ and every table of the READMEs anew, from the .h5 files alone.

    python -m common.results
"""

import json
import math
import re
import textwrap
from pathlib import Path
from urllib.parse import quote

from common import files, plot, record

import numpy as np

ROOT = Path(__file__).resolve().parent.parent

# Run (its .h5, without the ending), picture in Results/, and what the script collection of 2017 had reached, train and
# test in %.
# In the order of the paper's Table 1.
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
    (f"{INCEPTION_V3}--batch-size-125--learning-rate-0.003--image-size-75--tiny-imagenet-20.run",
     "Inception_v3_tiny_imagenet_20", (99.53, 100.0, 59.80, 80.38)),
    (f"{INCEPTION_V3}_rand_labels--epochs-150--learning-rate-0.01--image-size-75--imagenet-1000.run",
     "Inception_v3_imagenet_1000_rand_labels", (95.20, 99.14, 0.11, 0.56)),
    (f"{INCEPTION_V3}_rand_labels--batch-size-125--learning-rate-0.003--learning-rate-decay-0.98--image-size-75"
     "--tiny-imagenet-20.run", "Inception_v3_tiny_imagenet_20_rand_labels", (95.20, 99.14, 0.11, 0.56)),
]

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
    run = record.read(ROOT / (name + ".h5"))
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
    paths = {"script": name.split("--")[0] + ".py", "model": name + ".h5", "picture": f"Results/{picture}.png"}
    if name.endswith(".run"):
        paths["run"] = paths.pop("model")
    return cells | {"epochs": str(len(run["history"]["loss"])), "minutes": f"{run['seconds'] / 60:.1f}",
                    "machine": computed_on,
                    "files": ", ".join(f"[{name}]({up}{quote(path)})" for name, path in paths.items())}


def percent(run, split):
    """The accuracy of the final weights on a split, in words."""
    return f"{100 * run[split + '_accuracy']:.2f} %"


def finding():
    """Says what the tables show, in the figures of the small Alexnet."""
    plain, random, penalty, crop, both = (record.read(ROOT / f"Mini Alexnet/cifar10_alexnet{variant}.h5")
                                          for variant in ("", "_rand_labels", "_wd", "_rand_crop", "_wd_rand_crop"))
    return textwrap.fill(
        f"The small Alexnet that gets {percent(plain, 'test')} of new pictures right when it has learned from true "
        f"labels fits labels drawn at random just as well, {percent(random, 'train')} of them, and then gets "
        f"{percent(random, 'test')} of new pictures right, which is chance. So being big enough to learn the labels by "
        "heart is not what keeps a network from generalizing, nor why it generalizes. The usual regularizers do not "
        f"decide it either: with weight decay it fits {percent(penalty, 'train')} of the training set and gets "
        f"{percent(penalty, 'test')} of new pictures right; random crops help more, {percent(crop, 'test')}, both "
        f"together most, {percent(both, 'test')}, and with them, too, the network fits the training set: "
        f"{percent(both, 'train')}.", 120)


def finding_in_text():
    """Says what the table of IMDB shows, and what of it is as for pictures."""
    runs = {variant: record.read(ROOT / f"LSTM/imdb_lstm{variant}.h5") for variant in LSTM}
    plain, labels, words, shuffled = (runs[variant] for variant in ("", "_rand_labels", "_random_words",
                                                                    "_shuffled_words"))
    regularizers = {"_wd": "weight decay", "_rand_crop": "random crops", "_wd_rand_crop": "both", "_dropout": "dropout"}
    regularized = ", ".join(f"{percent(runs[variant], 'test')} with {name} ({percent(runs[variant], 'train')} of the "
                            "training set)" for variant, name in regularizers.items())

    def takes_off(run, chance):
        """The first epoch whose training accuracy is 5 % above chance."""
        return 1 + int(np.argmax(run["history"]["accuracy"] > chance + 0.05))

    alexnet = record.read(ROOT / "Mini Alexnet/cifar10_alexnet_rand_labels.h5")
    return textwrap.fill(
        f"The same as for pictures: the LSTM that gets {percent(plain, 'test')} of new reviews right after true labels "
        f"({percent(plain, 'train')} of the training set) fits labels drawn at random just as well, "
        f"{percent(labels, 'train')} of them, and reviews of random words, {percent(words, 'train')}; on new reviews "
        f"it is then at chance, {percent(labels, 'test')} and {percent(words, 'test')}. The usual regularizers "
        f"decide little: the test accuracy is {regularized}. Not the same: random labels are learned from the start, "
        f"5 % above chance in epoch {takes_off(labels, 0.5)} (the small Alexnet: in epoch {takes_off(alexnet, 0.1)}); "
        f"and with the words of every review in random order the network still gets {percent(shuffled, 'test')} of new "
        "reviews right: what a review says of a film is mostly in its words, not in their order.", 120)


def benchmark_table(told):
    """Makes the Markdown table of what tests/benchmark.py wrote to Results/benchmark.json."""
    versions, machine = told["versions"], told["machine"]
    lines = ["| network | ours, as the scripts run | ours, at best | PyTorch float32, best | PyTorch, best "
             "| ratio, as run / float32 | ratio, best / best | memory, ours / PyTorch |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for network, contenders in told["medians"].items():
        if network == "peak":
            continue
        speed = {name: result["per_second"] for name, result in contenders.items()}
        memory = {name: result["peak_mb"] for name, result in contenders.items()}
        pytorch = [name for name in speed if name.startswith("torch")]
        ours = max(set(speed) - set(pytorch), key=speed.get)
        theirs = max(pytorch, key=speed.get)
        float32 = max((name for name in pytorch if name.endswith("float32")), key=speed.get)
        as_run = f"tensorflow {told['defaults'][network]}"
        lines.append(f"| {network} | {speed[as_run]:,.0f} | {speed[ours]:,.0f} ({ours}) "
                     f"| {speed[float32]:,.0f} ({float32}) | {speed[theirs]:,.0f} ({theirs}) "
                     f"| **{speed[as_run] / speed[float32]:.2f}** | **{speed[ours] / speed[theirs]:.2f}** "
                     f"| {memory[as_run]:,.0f} / {memory[float32]:,.0f} MB |")
    peak = ", ".join(f"{result['gflops']:,.0f} GFLOP/s in {name.split()[1]}"
                     for name, result in told["medians"]["peak"].items())
    return "\n".join(lines) + f"""

Pictures per second in training (LSTM: reviews), medians of {told['rounds']} rounds, on {machine['cores']} cores
({machine['processor']}), where matrix products peak at {peak}.
TensorFlow {versions['tensorflow']}, Keras {versions['keras']}, JAX {versions['jax']}, PyTorch {versions['torch']}."""


def pipeline_table(told):
    """Makes the Markdown table of what `tests/benchmark.py --pipeline` wrote to Results/benchmark.json."""
    machine, sizes = told["machine"], told["sizes"]
    return "\n".join([
        "| pictures | pictures/s fed | pictures/s in training |", "| --- | ---: | ---: |",
        *(f"| {size}x{size} | {speed['pipeline']:,.0f} | {speed['training']:,.1f} |" for size, speed in sizes.items()),
        "", f"On {machine['cores']} cores ({machine['processor']})."])


def fill(readme, name, table):
    """Puts a table between the marks <!-- name --> and <!-- end of name --> of a README."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, rest = readme.read_text().split(begin)
    after = rest.split(end)[1]
    with files.replacing(readme) as part:
        part.write_text(before + begin + table + end + after)


def trained():
    """The rows of all tables whose .h5 is there."""
    return [row for rows in TABLES.values() for row in rows if (ROOT / (row[0] + ".h5")).exists()]


def main():
    rows = trained()
    for name, picture, _ in rows:
        plot.curves(record.read(ROOT / (name + ".h5")), ROOT / "Results" / (picture + ".png"))
    plot.random_labels([record.read(ROOT / (row[0] + ".h5")) for row in rows if row in CIFAR10],
                       ROOT / "Results" / "Random_labels.png")
    readme = ROOT / "Results" / "README.md"
    for mark, all_rows in TABLES.items():
        fill(readme, mark, table([row for row in rows if row in all_rows], readme))
    fill(readme, "finding", finding())
    fill(readme, "finding in text", finding_in_text())
    for folder in sorted({name.split("/")[0] for name, _, _ in rows}):
        readme = ROOT / folder / "README.md"
        fill(readme, "results", table([row for row in rows if row[0].startswith(folder + "/")], readme))
    benchmark = ROOT / "Results" / "benchmark.json"
    if benchmark.exists():
        measured = json.loads(benchmark.read_text())
        fill(ROOT / "README.md", "benchmark", benchmark_table(measured))
        if "pipeline" in measured:  # benchmark.py measures it only when asked to
            fill(ROOT / "Inception v3" / "README.md", "pipeline", pipeline_table(measured["pipeline"]))
    print(f"Drew {len(rows)} pictures and their tables from the .h5 files")


if __name__ == "__main__":
    main()
