"""Draws every picture of the collection and every table of the READMEs, from the .h5 files alone.

    python Results/draw.py
"""

import runpy
import shutil
import sys
from urllib.parse import quote

import catalog
import figures
from common import plot, record

# What the gallery shows of the paper's figures: picture, and what is seen there.
FIGURES = {"True_and_random_labels": "The finding: the same networks, true and random labels",
           "Table_1": "Table 1: all nineteen rows, ours and the paper's",
           "Figure_1a": "Figure 1 (a): five kinds of randomness, all fitted",
           "Figure_1b": "Figure 1 (b): random labels take longer to fit; on images, the longer the more there are",
           "Figure_1c": "Figure 1 (c): and the less is right on new images",
           "Learned_first": "The true labels are learned first, the wrong ones memorized later",
           "Figure_2b": "Figure 2 (b): early stopping and batch norm",
           "Figure_1a_text": "Figure 1 (a) for text",
           "cifar10_theorem_1": "Theorem 1: a network that goes through 50,000 random labels",
           "cifar10_gaussian_kernel": "Section 5: a Gaussian kernel fits all labels, without training",
           "cifar10_random_features_4000": "Section 5: the more random features, the less error"}
# And of the networks' runs
NETWORKS = {"Mini Inception": "Inception_Cifar10", "Mini Alexnet": "Alexnet_Cifar10", "MLP 3x512": "MLP3_Cifar10",
            "MLP 1x512": "MLP1_Cifar10", "LSTM": "LSTM_Imdb", "Inception v3": "Inception_v3"}

SPLITS = "train", "test"
SCRIPTS = catalog.ROOT  # where the scripts are, should the runs be drawn elsewhere
sys.path.append(str(SCRIPTS / "MLP1"))


def table(rows):
    """Makes the Markdown table of the rows, with a line on those that are not trained yet.

    Args:
        rows: list of `catalog.Row`.
    """
    lines = []
    for row in filter(lambda row: catalog.file_of(row.name), rows):
        run = catalog.run_of(row.name)
        paper = [f"{run[f'paper_{split}']:.2f}" for split in SPLITS] if row in catalog.CIFAR10 else row.paper
        cells = {"run": title(row)}
        for split, value in zip(SPLITS, paper or (None, None), strict=True):
            cells |= {split: accuracy(run, row.results + split)} | ({f"paper, {split}": value} if paper else {})
        cells |= {"minutes": f"{run['seconds'] / 60:.1f}", "files": links(row)}
        if not lines:
            lines = [cells.keys(), ["---" if name in ("run", "files") else "---:" for name in cells]]
        lines.append(cells.values())
    missing = [f"[{row.name.split('/')[1]}](../{quote(row.script)})" for row in rows if not catalog.file_of(row.name)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + (
        f"\n\nNot trained yet: {', '.join(missing)}." * bool(missing))


def title(row):
    """What a row is called in tables and in the gallery."""
    run = catalog.run_of(row.name)
    words = run["title"].replace(" on CIFAR-10", "").replace(" on IMDB", "").split(" (")[0]
    filters = run["settings"].get("filters", 0)
    return words + ", random labels" * (row.results == "random_") + f", {filters:,} filters" * bool(filters)


def accuracy(run, name):
    """An accuracy in %, as a cell; where there is one, the top-5 accuracy follows in brackets."""
    if f"{name}_accuracy" not in run:
        return "-"
    top_5 = f" ({100 * run[name + '_top_5']:.2f})" if name + "_top_5" in run else ""
    return f"**{100 * run[name + '_accuracy']:.2f}**{top_5}"


def links(row, picture=True):
    """Links from Results/ to a row's script, model or run, and picture."""
    file = catalog.file_of(row.name)
    paths = {"script": f"../{row.script}",
             "run" if file.name.endswith(".run.h5") else "model": f"../{file.relative_to(catalog.ROOT)}"}
    if picture:
        paths["picture"] = f"{row.picture}.png"
    return ", ".join(f"[{word}]({quote(path)})" for word, path in paths.items())


def gallery(pictures):
    """Makes a Markdown table of thumbnails, three in a row, each linked to its picture.

    Args:
        pictures: dict, name of the picture in Results/ to the caption below it.
    """
    cells = [f'<a href="{name}.png"><img src="{name}.png" width="270" alt="{name}"></a><br>{caption}'
             for name, caption in pictures.items()]
    cells += [""] * (-len(cells) % 3)
    lines = [f"| {' | '.join(cells[number:number + 3])} |" for number in range(0, len(cells), 3)]
    return "\n".join([*lines[:1], "| :---: | :---: | :---: |", *lines[1:]]) if lines else "Not trained yet."


def finding():
    """Makes the README's table: each network with true labels and with random ones."""
    lines = ["| network | test, true labels | train, random labels | test, random labels | minutes | script |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]
    for network, names in catalog.PAIRS.items():
        if not all(map(catalog.file_of, names)):
            continue
        true, random = map(catalog.run_of, names)
        values = [f"**{100 * run[f'{split}_accuracy']:.1f}**"
                  + (f" ({run[f'paper_{split}']:.1f})" if "paper_train" in run else "")
                  for run, split in ((true, "test"), (random, "train"), (random, "test"))]
        script = names[1].split("/")[1] + ".py"
        lines.append(f"| {network} | {' | '.join(values)} | {random['seconds'] / 60:.0f} "
                     f"| [{script}]({quote(names[1])}.py) |")
    return "\n".join(lines)


def fill(readme, name, text):
    """Puts a text between the marks <!-- name --> and <!-- end of name --> of a README."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, rest = readme.read_text().split(begin)
    after = rest.split(end)[1]
    with record.replacing(readme) as part:
        part.write_text(before + begin + text + end + after)


def main():
    results = catalog.ROOT / "Results"
    rows = [row for rows in catalog.TABLES.values() for row in rows if catalog.file_of(row.name)]
    for row in rows:
        if row not in catalog.CLOSED_FORM:
            drawn = results / (row.picture + ".png")
            plot.curves(catalog.run_of(row.name), drawn)
            if "--" not in row.name:  # the picture beside the script is the same
                shutil.copyfile(drawn, catalog.ROOT / (row.name + ".png"))
    for row in dict.fromkeys(row._replace(paper=(), results="") for row in rows if row in catalog.CLOSED_FORM):
        drawn = catalog.ROOT / (row.name + ".png")
        runpy.run_path(str(SCRIPTS / row.script))["draw"](catalog.run_of(row.name), drawn)
        shutil.copyfile(drawn, results / (row.picture + ".png"))
    for name, draw in figures.ALL.items():
        draw(results / (name + ".png"))
    readme = results / "README.md"
    fill(readme, "figures", gallery(FIGURES))
    for network, picture in NETWORKS.items():
        fill(readme, network, gallery({row.picture: f"{title(row)}<br>{links(row, picture=False)}" for row in rows
                                       if row.picture.startswith(picture)}))
    for mark, table_rows in catalog.TABLES.items():
        fill(readme, mark, table(table_rows))
    fill(catalog.ROOT / "README.md", "finding", finding())
    print(f"Drew {len(rows) + len(figures.ALL)} pictures and their tables from the .h5 files")


if __name__ == "__main__":
    main()
