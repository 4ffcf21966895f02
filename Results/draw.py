"""Draws the pictures of the published runs and of the paper's figures, and their tables, from the runs' files.

    python Results/draw.py

What measures.py has measured of their models is drawn from measures.csv and margins.csv.  The pictures lie here and
beside the scripts; the tables are those of Results/README.md, of the README's finding, the answers in exercises.md, and
results.csv, history.csv and SHA256SUMS, the digests of the files that all this is drawn from.
What other READMEs say of speed, tests/benchmark.py puts there.
"""

import argparse
import hashlib
import math
import runpy
import shutil
import sys
from pathlib import PurePosixPath
from urllib.parse import quote

import catalog
import claims
import exercises
import figures
import measures
import spreadsheets
from common import plot, record
from histories import best_epoch, early_stopping, gain

import matplotlib.style

sys.path += [str(catalog.SCRIPTS / folder) for folder in ("MLP1", "LSTM")]  # what the scripts there import

# What the gallery shows of the paper's figures: picture, and what is seen there.
FIGURES = {"True_and_random_labels": "The finding: the same networks, true and random labels",
           "Table_1": "Table 1: all nineteen rows, ours and the paper's",
           "Figure_1a": "Figure 1 (a): true labels and four kinds of randomness, all fitted",
           "Figure_1b": "Figure 1 (b): random labels take longer to fit; on images, the longer the more there are",
           "Figure_1c": "Figure 1 (c): and the less is right on new images",
           "Learned_first": "The true labels are learned first, the wrong ones memorized later",
           "Figure_2b": "Figure 2 (b): early stopping and batch norm",
           "Early_stopping": "Early stopping: little to gain on CIFAR-10, more on reviews",
           "Figure_1a_text": "Figure 1 (a) for text",
           "cifar10_theorem_1": "Theorem 1: a network that fits 50,000 random labels",
           "cifar10_gaussian_kernel": "Section 5: a Gaussian kernel fits all labels, without training",
           "mnist_gabor_kernel": "Section 5: MNIST, pixels and Gabor wavelets, without and with a penalty",
           "cifar10_minimum_norm": "Section 5: SGD from zero finds the solution of minimum norm, from elsewhere not",
           "cifar10_kernel_norms": "Section 5: the norm alone does not tell the error",
           "cifar10_random_centers": "Section 5: with random centers the kernel fits as well, with a larger norm",
           "cifar10_random_features": "Section 5: the more random features, the less error, with a penalty and without",
           "cifar10_random_features_dual": "Section 5: 32,000 random filters, with hardly any penalty and with one"}
# What it shows beyond the paper
APART = {"Measures": "Which measure knows? Norms, margins, sharpness, with true and with random labels",
         "Margins": "Margins over spectral norms: smaller with random labels where both began with one learning rate",
         "cifar10_double_descent": "Double descent: the error peaks with as many features as images, then falls again",
         "Widths": "More units than it takes to fit all labels, wrong ones too, and what that does to the test error",
         "From_random_labels": "True labels fitted from weights that fit random ones: a worse minimum?",
         "cifar10_pretrained_on_random_labels": "Pretrained on random labels of other images",
         "cifar10_memorized_label_noise": "Memorized images: wrong labels score high, and so do many right ones",
         "cifar10_memorized": "Six of the most and six of the least memorized images of each class",
         "cifar10_random_labels_bound": "Random labels as a certificate: with ten classes the bound says nothing",
         "imdb_random_labels_bound": "With two classes, on text, the bound says something for two epochs"}
SPLITS = "train", "test"
SUMS = "SHA256SUMS"  # in Results/, as the tool of that name reads it
# Number of runs: 97.5 % quantile of Student's t distribution with one degree of freedom less
T_QUANTILES = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def table(rows):
    """Makes the Markdown table of the rows, with a line on those that are not trained yet.

    Args:
        rows: list of `catalog.Row`.
    """
    lines, beyond, compared = [], [], 0
    for row in filter(catalog.file_of, rows):
        run = catalog.run_of(row)
        cells = {"run": row.label}
        for split, value in zip(SPLITS, paper(row) or (None, None), strict=True):
            cells |= {split: accuracy(row, split)} | ({f"paper, {split}": value} if value else {})
            interval = prediction(row, split)
            if not (interval and value and value[0].isdigit()):
                continue
            compared += 1
            if not interval[0] <= float(value) <= interval[1]:
                cells[f"paper, {split}"] += " *"
                beyond.append(f"{row.label}, {split} ({interval[0]:.2f} to {interval[1]:.2f})")
        lines.append(cells | {"minutes": f"{run['seconds'] / 60:.1f}", "files": links(row)})
    columns = max(lines, key=len, default={})
    lines = [columns, ["---" if name in ("run", "files") else "---:" for name in columns],
             *([cells.get(name, "-") for name in columns] for cells in lines)]
    parts = ["\n".join("| " + " | ".join(line) + " |" for line in lines)] * bool(columns)
    if beyond:
        parts.append("\\* The paper's figure lies outside the 95 % prediction interval of our seeds: "
                     f"{'; '.join(beyond)}. That is {len(beyond)} of {compared} figures, where by chance one in twenty "
                     "would; rows of one run have no interval.")
    missing = [row for row in rows if not catalog.file_of(row)]
    return "\n\n".join(parts + [f"Not here yet: {'; '.join(map(script_link, missing))}."] * bool(missing))


def script_link(row):
    """A link from Results/ to a row's script, under the row's name."""
    return f"[{row.label}](../{quote(row.script)})"


def is_drawn(name):
    """Whether Results/ has the picture of this name."""
    return (catalog.ROOT / "Results" / f"{name}.png").exists()


def claims_table():
    """Makes the Markdown table of the paper's claims: what here shows each, and whether it holds."""
    lines = ["| section | the paper's claim | here | verdict |", "| --- | --- | --- | --- |"]
    for claim in claims.CLAIMS:
        pictures = [f"[{name.replace('_', ' ') if name in figures.ALL else 'picture'}]({name}.png)"
                    for name in filter(is_drawn, claim.pictures)]
        scripts = list(map(script_link, claim.rows)) * (len(claim.rows) <= 3)  # of more the picture tells
        lines.append(f"| {claim.section} | {claim.text} | {'<br>'.join(scripts + pictures)} "
                     f"| {claims.verdict(claim)} |")
    return "\n".join(lines)


def early_stopping_table():
    """Makes the Markdown table of the last and the best test accuracy of runs with true labels, and a summary of all
    their seeds."""
    lines = ["| run | last epoch | best epoch | difference | best at |", "| --- | ---: | ---: | ---: | ---: |"]
    summary = []
    for data, rows in catalog.with_true_labels().items():
        for row in rows:
            run = catalog.run_of(row)
            last, best = early_stopping(run)
            lines.append(f"| {row.label} | {last:.2f} | {best:.2f} | **{best - last:.2f}** "
                         f"| {best_epoch(run)} of {len(run['history']['val_accuracy'])} |")
        for words, senseless in ("", False), (", shuffled or random", True):
            runs = [catalog.run_of(seed) for row in rows if (row in catalog.SENSELESS) == senseless
                    for seed in catalog.seeds(row)]
            if runs:
                summary.append(f"{data}{words}: {claims.span(map(gain, runs))} points, best at epoch "
                               f"{claims.span(map(best_epoch, runs), 0)}.")
    noisy = {row.label: gain(catalog.run_of(row)) for row in catalog.swept()
             if 0 < row.options.get("label-noise", 0) < 1 and catalog.file_of(row)}
    if noisy:
        most = max(noisy, key=noisy.get)
        summary.append("With random labels among the true ones it would bring up to "
                       f"{noisy[most]:.1f} points ({most}).")
    return "\n".join(lines) + "\n\n" + "\n".join(summary)


def measures_table():
    """Makes the Markdown table of how each measure goes with the gap between training and test accuracy."""
    found = measures.read("measures")
    rows = [row for row in measures.rows() if row.name in found]
    if not rows:
        return "Not measured yet."
    groups = rows, [row for row in rows if "random labels" not in row.variant and row not in catalog.SENSELESS]
    of_pairs = [list(measures.pairs(rows, against)) for against in ("", "weight decay")]
    lines = ["| measure | said to be | " + " | ".join(f"Spearman, {name} {len(group)} | Kendall" for name, group in zip(
        ("all", "true labels,"), groups, strict=True)) + f" | {len(of_pairs[0])} pairs | {len(of_pairs[1])} unlike |",
             "| --- | --- |" + " ---: |" * 6]
    for name, (label, sign) in measures.MEASURES.items():
        cells = [label, "larger" if sign > 0 else "smaller"]
        for group in groups:
            values, gaps = [found[row.name][0][name] for row in group], list(map(measures.gap, group))
            cells += [f"{rank(values, gaps):.2f}" for rank in (measures.spearman, measures.kendall)]
        cells += [str(measures.as_claimed(found, name, pairs)) for pairs in of_pairs]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def norms_table():
    """Makes the Markdown table of the norms of Gaussian kernels' solutions, beside their test errors."""
    lines = ["| kernel | labels fitted | images | norm | training error | test error |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    solutions = []
    if catalog.file_of(catalog.KERNEL_NORMS):
        run = catalog.run_of(catalog.KERNEL_NORMS)
        kinds = (("narrow", ", narrow", "true", [0]), ("true", "", "true", [0, -1]),  # fewest images, and most
                 ("wrong", "", "true and wrong", [-1]), ("random", "", "random", [-1]))
        solutions += [(f"{pixels} pixels{kernel}", labels, run[pixels]["images"][k], *run[pixels][kind][:, k])
                     for pixels in ("raw", "standardized")
                     for kind, kernel, labels, places in kinds for k in places]
    for row, kernel in (catalog.KERNEL, "standardized pixels"), (catalog.MNIST, "MNIST"):
        if catalog.file_of(row):
            run = catalog.run_of(row)
            solutions += [(kernel, labels, catalog.EXAMPLES[run["settings"]["dataset"]], run[f"{of}norm"],
                           *(1 - run[f"{of}{split}_accuracy"] for split in SPLITS))
                          for labels, of in (("true", ""), ("random", "random_"))]
    if catalog.file_of(catalog.RANDOM_CENTERS):
        run = catalog.run_of(catalog.RANDOM_CENTERS)
        solutions += [(f"standardized pixels, {100 * run['shares'][k]:g} % of the centers noise", "true",
                       run["settings"]["images"], *run["solutions"]["noise"][:, k]) for k in (1, -1)]
    if catalog.file_of(catalog.GABOR):
        solutions.append(("MNIST, Gabor wavelets", "true", catalog.EXAMPLES["mnist"],
                          *catalog.run_of(catalog.GABOR)["solutions"]["wavelets"]))
    lines += [f"| {kernel} | {labels} | {count:,} | {norm:,.0f} | {100 * train:.2f} % | {100 * test:.1f} % |"
              for kernel, labels, count, norm, train, test in solutions]
    return "\n".join(lines)


def starts_table():
    """Makes the Markdown table of test accuracy after fitting true labels, from two starts."""
    lines = ["| network | fresh start | the same, regularized | begun from random labels | the same, regularized |",
             "| --- |" + " ---: |" * 4]
    for network, rows in catalog.STARTS.items():
        cells = [accuracy(row, "test") if catalog.file_of(row) else "not here yet" for row in rows]
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return "\n".join(lines)


def widths_table():
    """Makes the Markdown table of MLP 1x512 with fewer units and more, a fifth of the labels redrawn."""
    rows = {units: row for units, row in catalog.WIDTHS.items() if catalog.file_of(row)}
    return "\n".join(["| units | train | test |", "| ---: | ---: | ---: |", *(
        f"| {units:,} | {accuracy(row, 'train')} | {accuracy(row, 'test')} |" for units, row in rows.items())])


def paper(row):
    """The paper's training and test accuracy as cells, top-5 accuracy in brackets; empty where it has none."""
    top_5 = [f" ({value})" for value in row.paper_top_5] or ["", ""]
    return [value + more for value, more in zip(catalog.paper_of(row), top_5, strict=False)]


def accuracy(row, split):
    """A row's accuracy in %, as a cell: over its seeds, where there are several, the mean, the standard deviation and
    how many there are; top-5 accuracy, where there is one, follows in brackets."""
    values, run = catalog.accuracies(row, split), catalog.run_of(row)
    if not len(values):
        return "-"
    spread = f" ± {values.std(ddof=1):.2f} ({len(values)})" if len(values) > 1 else ""
    top_5 = f" ({100 * run[split + '_top_5']:.2f})" if split + "_top_5" in run else ""
    return f"**{values.mean():.2f}**{spread}{top_5}"


def prediction(row, split):
    """The 95 % prediction interval of a row's accuracy in %: where one more run would be expected; None of one run.

    Rounded outwards to 0.01, as the paper prints its figures, and from 0 to 100.
    """
    values = catalog.accuracies(row, split)
    if len(values) < 2:
        return None
    half = T_QUANTILES[min(len(values), max(T_QUANTILES))] * values.std(ddof=1) * math.sqrt(1 + 1 / len(values))
    return (max(math.floor(100 * (values.mean() - half)) / 100, 0),
            min(math.ceil(100 * (values.mean() + half)) / 100, 100))


def links(row, picture=True):
    """Links from Results/ to a row's script, model or run, and picture."""
    file = catalog.file_of(row)
    paths = {"script": f"../{row.script}",
             "model" if catalog.model_of(row) else "run": f"../{file.relative_to(catalog.ROOT).as_posix()}"}
    if picture and row.picture:
        paths["picture"] = f"{row.picture}.png"
    return ", ".join(f"[{word}]({quote(path)})" for word, path in paths.items())


def gallery(pictures):
    """Makes a Markdown table of thumbnails, three in a row, each linked to its picture; of the pictures that are here.

    Args:
        pictures: dict, name of the picture in Results/ to the caption below it.
    """
    cells = [f'<a href="{name}.png"><img src="{name}.png" width="270" alt="{name}"></a><br>{caption}'
             for name, caption in pictures.items() if is_drawn(name)]
    cells += [""] * (-len(cells) % 3)
    lines = [f"| {' | '.join(cells[number:number + 3])} |" for number in range(0, len(cells), 3)]
    return "\n".join([*lines[:1], "| :---: | :---: | :---: |", *lines[1:]]) if lines else "Not trained yet."


def finding():
    """Makes the README's table: each network with true labels and with random ones."""
    lines = ["| network | test, true labels | train, random labels | test, random labels | minutes | script |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]
    for network, pair in catalog.PAIRS.items():
        if not all(map(catalog.file_of, pair)):
            continue
        runs = list(map(catalog.run_of, pair))
        values = [f"**{catalog.accuracies(pair[k], split).mean():.1f}**"
                  + (f" ({runs[k][f'paper_{split}']:.1f})" if "paper_train" in runs[k] else "")
                  for k, split in ((0, "test"), (1, "train"), (1, "test"))]
        script = pair[1].script
        lines.append(f"| {network} | {' | '.join(values)} | {runs[1]['seconds'] / 60:.0f} "
                     f"| [{PurePosixPath(script).name}]({quote(script)}) |")
    return "\n".join(lines)


def fill(readme, name, text):
    """Puts a text between the marks <!-- name --> and <!-- end of name --> of a README."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, rest = readme.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    with record.replacing(readme) as part:
        part.write_text(before + begin + text + end + after, encoding="utf-8", newline="\n")


def digests():
    """The path of every published .h5, and of what measures.py writes, to the digest of its file: dict."""
    measured = [path for name in ("measures", "margins") if (path := catalog.ROOT / "Results" / f"{name}.csv").exists()]
    return {path.relative_to(catalog.ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted({*map(catalog.file_of, catalog.published()), *measured}, key=PurePosixPath)}


def listed():
    """The same as SHA256SUMS lists it; empty where there is no such file."""
    path = catalog.ROOT / "Results" / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def write_sums():
    """Writes SHA256SUMS, as `digests` finds them."""
    with record.replacing(catalog.ROOT / "Results" / SUMS) as part:
        part.write_text("".join(f"{digest}  {name}\n" for name, digest in digests().items()), encoding="utf-8",
                        newline="\n")


def draw_run(row, path):
    """Draws the picture of a row's run, by its script's own function where that has one."""
    if row.draws:
        runpy.run_path(str(catalog.script_of(row)))["draw"](catalog.run_of(row), path)
    else:
        plot.curves(catalog.run_of(row), path, list(map(catalog.run_of, catalog.seeds(row)[1:])))


@matplotlib.style.context("default")
def main():
    results, readme = catalog.ROOT / "Results", catalog.ROOT / "Results" / "README.md"
    paths = {name: catalog.ROOT / name for name in listed()}
    if absent := [name for name, path in paths.items()
                  if not path.exists() or path.suffix == ".h5" and not catalog.read(path)]:
        raise SystemExit(f"{len(absent)} published files are not here or not readable, {absent[0]} the first; the "
                         f"tables would lose their rows. {catalog.BRING_BACK}, or delete their lines in "
                         f"Results/{SUMS}.")
    rows = [row for row in catalog.shown() if row.picture]
    for row in rows:
        picture = results / (row.picture + ".png")
        draw_run(row, picture)
        if row.script == row.name + ".py":  # of the script as it stands, the picture beside the script is the same
            shutil.copyfile(picture, catalog.ROOT / (row.name + ".png"))
    for name, draw in figures.ALL.items():
        draw(results / (name + ".png"))
    fill(readme, "figures", gallery(FIGURES))
    fill(readme, "apart", gallery(APART))
    fill(readme, "measures", measures_table())
    fill(readme, "starts", starts_table())
    fill(readme, "widths", widths_table())
    for network in catalog.NETWORKS:
        fill(readme, network, gallery({row.picture: f"{row.label}<br>{links(row, picture=False)}" for row in rows
                                       if row.network == network}))
    fill(readme, "claims", claims_table())
    fill(readme, "early stopping", early_stopping_table())
    fill(readme, "norms", norms_table())
    for mark, table_rows in catalog.TABLES.items():
        fill(readme, mark, table(table_rows))
    fill(catalog.ROOT / "README.md", "finding", finding())
    for name, text in exercises.answers().items():
        fill(results / "exercises.md", name, text)
    spreadsheets.write_all(results)
    write_sums()
    print("Drew the pictures and their tables from the runs' files")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
