"""The paper's claims, in its order: what here shows each, and whether it holds.

A verdict is computed from the runs' files each time the tables are drawn.  A claim whose run is missing says so.
"""

from collections.abc import Callable
from typing import NamedTuple

import catalog
from catalog import run_of
from histories import epochs_to, epochs_to_fit, gain

import numpy as np


class Claim(NamedTuple):
    """A claim of the paper.

    Attributes:
        section: of the paper.
        text: the claim, in some ten words of ours.
        rows: the runs that decide, a list of `catalog.Row`.
        judge: function of these rows that returns whether the claim holds (None: these runs cannot tell), and in
            what figures; None where no run decides.
        because: why there is no run; with a judge, why the runs, whatever they say, leave it "open".
        pictures: in Results/, without the ending.
    """
    section: str
    text: str
    rows: list = []
    judge: Callable | None = None
    because: str = ""
    pictures: tuple = ()


FIT = 99   # % training accuracy from which a training set counts as fitted in the end, where the paper has no figure
NEAR = 1   # point, within which two accuracies count as the same; after random labels seeds spread by 0.3 to 0.8


def train(row):
    """Final training accuracy in %, the mean of the row's seeds, as in the tables."""
    return catalog.accuracies(row, "train").mean()


def test(row):
    """Final test accuracy in %, the mean of the row's seeds."""
    return catalog.accuracies(row, "test").mean()


def span(values, digits=2):
    """The smallest and the largest of some values, in words, once where they are the same; "nan" where one is NaN."""
    values = list(values)
    low, high = (f"{value:.{digits}f}" for value in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def fitted(rows):
    """With every seed all training sets are fitted as well as the paper's, or better."""
    short = [row.label for row in rows if catalog.accuracies(row, "train").min() < wanted(row)]
    return not short, f"{span(map(train, rows))} % train" + f"; less than it takes: {', '.join(short)}" * bool(short)


def wanted(row):
    """Training accuracy in % that makes a row as good as the paper's."""
    figures = catalog.paper_of(row)
    return float(figures[0]) - NEAR if figures and figures[0][0].isdigit() else FIT


def at_chance(rows):
    """Of ten classes a tenth of the test images is right."""
    return all(abs(test(row) - 10) <= NEAR for row in rows), f"{span(map(test, rows))} % test, chance is 10 %"


def same_settings(rows):
    """With the same learning rates and batch size both are fitted, true labels and random ones; two rows of each."""
    same, other = [], []
    for pair in zip(rows[::2], rows[1::2], strict=True):
        one, two = map(run_of, pair)
        epochs = min(len(one["history"]["loss"]), len(two["history"]["loss"]))
        equal = np.allclose(*(run["history"]["learning_rate"][:epochs] for run in (one, two)), rtol=1e-4) and (
            one["settings"]["batch_size"] == two["settings"]["batch_size"])
        words = catalog.alike(pair)
        if pair[0].script == pair[1].script:
            words += " (true labels by the script, schedule and start of the random ones)"
        (same if equal and fitted(pair)[0] else other).append(words)
    return None if same and other else not other, (
        f"both are fitted with one schedule: {'; '.join(same)}" * bool(same) + ". " * bool(same and other)
        + f"With two schedules, or not fitted: {'; '.join(other)}" * bool(other))


def fast_once_begun(rows):
    """From 20 % to fitted, random labels take at most twice the epochs of true ones; two rows of each network."""
    taken = [epochs_to_fit(run_of(row)) - epochs_to(run_of(row), 0.2) for row in rows]
    ratios = np.divide(taken[1::2], taken[::2])
    slow = [catalog.alike(pair) for *pair, ratio in zip(rows[::2], rows[1::2], ratios, strict=True) if not ratio <= 2]
    return not slow, (f"from 20 % on it takes {span(ratios, 1)} times as many epochs as true labels (the limit of 2 is "
                      "ours)" + f"; longer: {', '.join(slow)}" * bool(slow))


def sooner(rows):
    """Of all but the last row 20 % are fitted before as many are of the last one."""
    *epochs, last = (epochs_to(run_of(row), 0.2) for row in rows)
    last = np.nan_to_num(last, nan=np.inf)
    return np.max(epochs) < last, f"20 % after {span(epochs, 1)} epochs, of random labels after {last:.1f}"


def signal_and_noise(rows):
    """All training sets are fitted, and more of the test images is right than by chance."""
    holds, figures = fitted(rows)
    return holds and min(map(test, rows)) > 10 + NEAR, f"{figures}, {span(map(test, rows), 1)} % test, chance is 10 %"


def slower_with_noise(rows):
    """Each network takes longer the more labels are random, and at most four times as long, the paper's axis."""
    factors = {}
    for network in dict.fromkeys(row.network for row in rows):
        epochs = np.array([epochs_to_fit(run_of(row)) for row in rows if row.network == network])
        factors[network] = epochs / epochs[0]
    figures = (f"{values[-1]:.1f} times ({network})" for network, values in factors.items())
    unsteady = not_steadily(factors)
    holds = not unsteady and all(values[-1] <= 4 for values in factors.values())
    return holds, "all labels random: " + ", ".join(figures) + unsteady


def not_steadily(values):
    """In words, which of the lists of values, by their networks' names, do not rise from each to the next."""
    names = [network for network, of in values.items() if not (np.diff(of) > 0).all()]
    return f"; not steadily: {', '.join(names)}" * bool(names)


def worse_with_noise(rows):
    """Each network's test error rises with the label noise, and ends at that of guessing."""
    errors = {network: [100 - test(row) for row in rows if row.network == network]
              for network in dict.fromkeys(row.network for row in rows)}
    figures = (f"{values[0]:.0f} to {values[-1]:.0f} % ({network})" for network, values in errors.items())
    unsteady = not_steadily(errors)
    holds = not unsteady and all(abs(values[-1] - 90) <= NEAR for values in errors.values())
    return holds, "test error " + ", ".join(figures) + unsteady


def coin(rows):
    """The correlation of fitted and drawn labels, 1 and -1, is about 1."""
    correlations = [train(row) / 50 - 1 for row in rows]
    return min(correlations) >= FIT / 50 - 1, f"correlation with the labels {span(correlations, 3)}"


def without_regularizers(rows):
    """Each network's plain run keeps nine tenths of the test accuracy of its best one."""
    plain, lost = [], []
    for network in dict.fromkeys(row.network for row in rows):
        best = max(test(row) for row in rows if row.network == network)
        plain.append(test(catalog.row(network)))
        lost.append((best - plain[-1]) / best)
    return max(lost) <= 0.1, (f"{span(plain)} % test, at most {100 * max(lost):.1f} % (relative) below the "
                              "network's best run (the limit of 10 % is ours)")


def gains_of_pairs(rows):
    """In rows of two, points of test accuracy that the first has more than the second, a list."""
    return [test(one) - test(other) for one, other in zip(rows[::2], rows[1::2], strict=True)]


def each_helps(rows):
    """In rows of two, the first has a larger test accuracy than the second; open if by less than a point, or none."""
    gains = gains_of_pairs(rows)
    low = [row.label for row, gain in zip(rows[::2], gains, strict=True) if gain < NEAR]
    return None if -NEAR < min(gains) < NEAR else not low, (
        f"by {span(gains)} points" + f"; less than one: {'; '.join(low)}" * bool(low))


def first_beats_second(rows):
    """In rows of four, the first adds more test accuracy to the second than the third does to the fourth; open if less
    than a point lies between them."""
    first, second = np.reshape(gains_of_pairs(rows), (-1, 2)).T
    more = first - second
    return None if abs(min(more)) < NEAR else min(more) > 0, ", ".join(
        f"{one:+.1f} against {two:+.1f} points ({row.network})" + ", less than one apart" * bool(abs(one - two) < NEAR)
        for one, two, row in zip(first, second, rows[::4], strict=True))


def architecture(rows):
    """From the first row to the second there is more than from the second to the best of the others."""
    small, large, *regularized = map(test, rows)
    return large - small > max(regularized) - large, (
        f"{large - small:+.1f} points from {rows[0].network} to {rows[1].network}, {max(regularized) - large:+.1f} by "
        "the best of its regularizers, on another schedule")


def above_chance(rows):
    """Three times chance and more is right."""
    tiny, = rows
    chance = 100 / run_of(tiny)["settings"]["classes"]
    return test(tiny) > 3 * chance, f"{test(tiny):.1f} % test, chance is {chance:.0f} %"


def stopping_helps(rows):
    """The best test accuracy is as far above the last one as in the paper, or farther; open where those of the last
    fifth of the epochs differ by as much."""
    tiny, = rows
    best, paper = gain(run_of(tiny)), 5 if "weight decay" in tiny.variant else 3
    late = 100 * np.ptp((accuracy := run_of(tiny)["history"]["val_accuracy"])[-max(len(accuracy) // 5, 1):])
    return best >= paper - NEAR if best > late else None, (
        f"the best epoch is {best:.1f} points above the last; the last fifth's differ by {late:.1f}")


def stopping_brings_nothing(rows):
    """The best test accuracy is less than a point above the last one, with every seed."""
    gains = [gain(run_of(seed)) for row in rows for seed in catalog.seeds(row)]
    return max(gains) < NEAR, f"the best epoch is {span(gains)} points above the last (the limit of {NEAR} is ours)"


def batch_norm(rows):
    """In rows of two, with and without it, batch norm adds 3 to 4 points, rounded; open where only some say so."""
    gains = gains_of_pairs(rows)
    inside = [2.5 <= gain < 4.5 for gain in gains]
    return None if any(inside) and not all(inside) else all(inside), (
        " and ".join(f"{gain:+.1f}" for gain in gains) + " points, without and with weight decay")


def steadier(rows):
    """In rows of two, the first's test accuracy falls less far below the best so far than the second's."""
    falls = []
    for row in rows:
        accuracy = 100 * run_of(row)["history"]["val_accuracy"]
        falls.append(np.max(np.maximum.accumulate(accuracy) - accuracy))
    return all(one < two for one, two in zip(falls[::2], falls[1::2], strict=True)), (
        f"test accuracy falls by {span(falls[::2], 1)} points at the most, without it by {span(falls[1::2], 1)}")


def theorem_1(rows):
    """Every label is fitted by 2n + d weights, n images of d values."""
    run = run_of(rows[0])
    enough = 2 * len(run["row"]["z"]) + run["probe"]["inputs"][0].size
    return run["train_accuracy"] == 1 and run["weights"] == enough, (
        f"{run['weights']:,} weights, {train(rows[0]):.2f} % train, random labels")


def kernel(rows):
    """The kernel's solution fits true and random labels; after true ones its error is a tenth more than the paper's at
    most."""
    run, (_, paper) = run_of(rows[0]), catalog.paper_of(rows[0])
    good = min(run["train_accuracy"], run["random_train_accuracy"]) == 1 and (
        100 - test(rows[0]) <= 1.1 * (100 - float(paper)))
    return good, (f"{train(rows[0]):.2f} % train, {100 - test(rows[0]):.1f} % error, the paper's "
                  f"{100 - float(paper):.1f} %")


def features(rows):
    """Without and with the penalty the paper's test errors, or smaller."""
    plain, penalized = 100 * run_of(rows[0])["error"]["test"]
    return plain < 17 + NEAR and penalized < 15 + NEAR, (
        f"{plain:.1f} % with hardly any penalty, {penalized:.1f} % with one")


def wavelets(rows):
    """The kernel of wavelets fits, and errs a tenth more than the paper's at most."""
    found, paper = run_of(rows[0])["solutions"]["wavelets"], 100 - float(catalog.paper_of(rows[0])[1])
    return fits(found) and 100 * found[2] <= 1.1 * paper, f"{100 * found[2]:.2f} % error, the paper's {paper:.1f} %"


def larger_norm_of_wavelets(rows):
    """Both kernels fit, and that of wavelets has a larger norm than that of pixels, and errs less; else open, as it is
    a narrower one, which by itself has a smaller norm."""
    seen, pixels = (run_of(rows[0])["solutions"][kind] for kind in ("wavelets", "pixels"))
    return fits(seen, pixels) and (seen[0] > pixels[0] and seen[2] < pixels[2] or None), (
        f"norm {seen[0]:.0f} on wavelets, {pixels[0]:.0f} on pixels, whose kernel is wider; the paper's: 390, 220")


def penalty_on_mnist(rows):
    """A penalty takes no more than a tenth of the errors away, neither on pixels nor on wavelets; one that adds more
    than a tenth is too large to tell, one that leaves the norm within a tenth too small."""
    run = run_of(rows[0])
    errors = {kind: [100 * run["solutions"][kind + ending][2] for ending in ("", ", penalty")]
              for kind in ("pixels", "wavelets")}
    ratios = [after / before for before, after in errors.values()]
    norms = [run["solutions"][f"{kind}, penalty"][0] / run["solutions"][kind][0] for kind in errors]
    return min(ratios) >= 0.9 and (max(ratios) <= 1.1 and max(norms) < 0.9 or None), "; ".join(
        f"{kind}: {before:.2f} % error, with a penalty of {run['settings']['penalty']:g} {after:.2f} %"
        for kind, (before, after) in errors.items())


def minimum_norm(rows):
    """From zero SGD comes to a hundredth of its first distance to the minimum-norm solution, from elsewhere not."""
    distance = run_of(rows[0])["curves"]["distance"]
    zero, elsewhere = distance[-1] / distance[0]
    return zero < 0.01 < elsewhere, f"distance left: {zero:.2g} of it from zero, {elsewhere:.2g} from a random start"


def norms_and_errors(solutions):
    """In words; solutions: dict, what they are called to (norm, training error, test error)."""
    return "; ".join(f"{name}: norm {norm:.0f}, error {100 * error:.1f} %"
                     for name, (norm, _, error) in solutions.items())


def norm_and_error(rows):
    """Of two kernels that fit the same true labels, the one of larger norm has the smaller error."""
    run = run_of(rows[0])["standardized"]
    wide, narrow = (run[kind][:, 0] for kind in ("true", "narrow"))
    return fits(wide, narrow) and (wide[0] - narrow[0]) * (wide[2] - narrow[2]) < 0, norms_and_errors(
        {f"{run['images'][0]:,} images, wide kernel": wide, "narrow kernel": narrow})


def fits(*solutions):
    """Whether all solutions, (norm, training error, test error), fit their training set."""
    return max(error for _, error, _ in solutions) <= 1 - FIT / 100


def bad_interpolants(rows):
    """Forced to wrong labels besides, the same kernel fits with a larger norm and a larger error."""
    run = run_of(rows[0])
    good, bad = (run["standardized"][kind][:, -1] for kind in ("true", "wrong"))
    return fits(good, bad) and bad[0] > good[0] and bad[2] > good[2], norms_and_errors(
        {f"{run['standardized']['images'][-1]:,} images, true labels": good,
         f"wrong ones on {run['settings']['extra']:,} of them (the paper: on the test images)": bad})


def random_centers(rows):
    """With random centers among its own, few or all, the kernel fits with a larger norm and a larger error."""
    run = run_of(rows[0])
    noise, images = (run["solutions"][kind] for kind in ("noise", "other images"))  # (3, shares), the first one 0
    (own, few), drawn = noise.T[:2], [*noise.T[1:], *images.T[1:]]
    worse = all(solution[0] > own[0] and solution[2] > own[2] for solution in drawn)
    return fits(own, *drawn) and worse, norms_and_errors({
        "the images as centers": own, f"{100 * run['shares'][1]:g} % of them noise": few, "all noise": noise[:, -1]})


def does_not_converge(rows):
    """Not even half of the training set is fitted."""
    return train(rows[0]) < 50, f"{train(rows[0]):.2f} % train"


IMAGE_NETWORKS = "Mini Inception", "Mini Alexnet", "MLP 3x512", "MLP 1x512"
LABEL_PAIRS = sum((list(catalog.PAIRS[network]) for network in IMAGE_NETWORKS), [])
RANDOM_LABELS = [*LABEL_PAIRS[1::2], catalog.row("Mini Inception", "_no_bn_rand_labels")]
NO_BATCH_NORM = [catalog.NO_BN_TRUE, catalog.row("Mini Inception", "_no_bn_rand_labels")]
BATCH_NORM = [catalog.FASTER, *(catalog.row("Mini Inception", ending) for ending in ("_no_bn", "_wd", "_no_bn_wd"))]
SWEPT = [row for row in catalog.swept() if row.network in IMAGE_NETWORKS]
TRUE_LABELS = [row for row in catalog.CIFAR10 if row not in RANDOM_LABELS]
UNREGULARIZED = {network: catalog.row(network) for network in IMAGE_NETWORKS} | {"Mini Inception": catalog.FASTER}
WITH_DECAY = {network: [catalog.row(network, "_wd"), plain] for network, plain in UNREGULARIZED.items()}
WITH_CROPS = {network: [catalog.row(network, "_rand_crop"), catalog.row(network)] for network in IMAGE_NETWORKS[:2]}
HELPED = sum([*WITH_DECAY.values(), *WITH_CROPS.values()], [])
CROPS_AND_DECAY = sum((crops + WITH_DECAY[network] for network, crops in WITH_CROPS.items()), [])
FEW_RUNS = "few runs, those with weight decay on two schedules"
SMALL = "on few and small images, not at the paper's scale"
APPENDIX = {(row.network, row.variant): row for row in catalog.REGULARIZED}
WEIGHT_DECAY = [APPENDIX[network, "random labels, weight decay"] for network in IMAGE_NETWORKS
                if network != "Mini Alexnet"]

CLAIMS = [
    Claim("1, 2.1", "The networks fit random labels, nearly without error.", RANDOM_LABELS, fitted,
          pictures=("True_and_random_labels", "Table_1")),
    Claim("1, 2.1", "After random labels they are at chance on new images.", RANDOM_LABELS, at_chance,
          pictures=("Table_1",)),
    Claim("2.1", "Random labels need no other learning rate, nor another batch size.", LABEL_PAIRS + NO_BATCH_NORM,
          same_settings, pictures=("True_and_random_labels",)),
    Claim("2.1", "Once random labels begin to be fitted, it goes fast.", LABEL_PAIRS + NO_BATCH_NORM,
          fast_once_begun, pictures=("True_and_random_labels",)),
    Claim("2.1", "Images that make no sense are fitted as well.", catalog.RANDOMNESS, fitted, pictures=("Figure_1a",)),
    Claim("2.1", "Random pixels and noise start to be fitted sooner than random labels.",
          catalog.RANDOMNESS[1:] + [catalog.with_noise("Mini Inception", 1)], sooner, pictures=("Figure_1a",)),
    Claim("2.1", "On ImageNet random labels are fitted to 95 %, top-1.",
          [catalog.IMAGENET_1000, catalog.TINY_RANDOM_LABELS], fitted, SMALL,
          ("Inception_v3_tiny_imagenet_20_rand_labels",)),
    Claim("2.1", "ImageNet: random labels with weight decay, 88 %; dropout as well, 91 %.",
          catalog.IMAGENET_1000_REGULARIZED, fitted, SMALL),
    Claim("2.1", "At every level of noise all labels are fitted, the true signal learned.",
          [row for row in SWEPT if 0 < row.options.get("label-noise", 0) < 1], signal_and_noise,
          pictures=("Learned_first", "Figure_1c")),
    Claim("2.1", "More random labels take longer, by a small factor.", SWEPT, slower_with_noise,
          pictures=("Figure_1b",)),
    Claim("2.1", "The more random labels, the larger the error, steadily up to chance.", SWEPT, worse_with_noise,
          pictures=("Figure_1c",)),
    Claim("2.2", "Labels by a coin are fitted: Rademacher complexity is about 1.", catalog.RADEMACHER, coin),
    Claim("2.2", "So its bounds, VC dimension and uniform stability explain nothing here.",
          because="an argument that follows from the claims above"),
    Claim("3", "Without any regularizer the networks still generalize well.",
          TRUE_LABELS, without_regularizers, pictures=("Table_1",)),
    Claim("3", "Weight decay and random crop each help, on CIFAR-10.", HELPED, each_helps, pictures=("Table_1",)),
    Claim("3", "On ImageNet, Inception v3 without regularizers is far above chance.", [catalog.TINY], above_chance,
          SMALL, ("Inception_v3_tiny_imagenet_20",)),
    Claim("3", "On ImageNet augmentation helps more than weight decay.",
          [catalog.TINY_RANDOM_CROP, catalog.TINY, catalog.TINY_WEIGHT_DECAY, catalog.TINY], first_beats_second, SMALL),
    Claim("3", "Augmentation helps more on CIFAR-10, too (the text: on ImageNet).", CROPS_AND_DECAY, first_beats_second,
          pictures=("Table_1",)),
    Claim("3", "Another architecture helps more than regularizers do (the text: on ImageNet).",
          [catalog.row("Mini Alexnet"), catalog.row("Mini Inception"), catalog.row("Mini Inception", "_wd_rand_crop"),
           catalog.row("Mini Inception", "_rand_crop"), catalog.row("Mini Inception", "_wd")], architecture,
          pictures=("Table_1",)),
    Claim("3", "Early stopping could help on ImageNet, by 3 points without regularizers.", [catalog.TINY],
          stopping_helps, SMALL, ("Early_stopping",)),
    Claim("3", "On ImageNet early stopping brings 5 points with weight decay.",
          [catalog.TINY_WEIGHT_DECAY], stopping_helps, SMALL),
    Claim("3", "Early stopping brings nothing on CIFAR-10.", TRUE_LABELS, stopping_brings_nothing,
          pictures=("Early_stopping", "Figure_2b")),
    Claim("3", "Batch norm brings only 3 to 4 points of test accuracy.", BATCH_NORM, batch_norm,
          FEW_RUNS, pictures=("Figure_2b",)),
    Claim("3", "Batch norm makes the training steadier.", BATCH_NORM, steadier, FEW_RUNS,
          pictures=("Figure_2b",)),
    Claim("4", "Two layers with 2n + d weights express any labels of n images.", [catalog.THEOREM_1], theorem_1,
          pictures=("cifar10_theorem_1",)),
    Claim("4", "With k layers, a width of order n / k is enough.", because="a proof, with nothing to train"),
    Claim("5", "SGD from zero on a linear model ends at the minimum-norm solution.", [catalog.MINIMUM_NORM],
          minimum_norm, pictures=("cifar10_minimum_norm",)),
    Claim("5", "All minima of a linear model have one curvature: flatness cannot choose.",
          because="an argument, the curvature is that of the inputs alone, whatever the weights are"),
    Claim("5", "MNIST: the Gaussian kernel's smallest-norm solution has 1.2 % error.", [catalog.MNIST], kernel,
          pictures=("cifar10_gaussian_kernel_mnist",)),
    Claim("5", "MNIST: with Gabor wavelets 0.6 % error.", [catalog.GABOR], wavelets, pictures=("mnist_gabor_kernel",)),
    Claim("5", "MNIST: a penalty improves neither.", [catalog.GABOR], penalty_on_mnist,
          pictures=("mnist_gabor_kernel",)),
    Claim("5", "MNIST: with wavelets the norm is larger, yet the error smaller.", [catalog.GABOR],
          larger_norm_of_wavelets, pictures=("mnist_gabor_kernel",)),
    Claim("5", "CIFAR-10: the Gaussian kernel fits all labels, and has 46 % error unregularized.", [catalog.KERNEL],
          kernel, pictures=("cifar10_gaussian_kernel",)),
    Claim("5", "Random convolutional features: 17 % error, with an L2 penalty 15 %.", [catalog.MORE_FEATURES], features,
          pictures=("cifar10_random_features_dual", "cifar10_random_features")),
    Claim("5", "The norm does not predict the error: the larger norm can err less.", [catalog.KERNEL_NORMS],
          norm_and_error, pictures=("cifar10_kernel_norms",)),
    Claim("5", "A kernel forced to wrong labels besides: larger norm, larger error.", [catalog.KERNEL_NORMS],
          bad_interpolants, pictures=("cifar10_kernel_norms",)),
    Claim("5", "So does one with random centers: larger norm, larger error.", [catalog.RANDOM_CENTERS], random_centers,
          pictures=("cifar10_random_centers",)),
    Claim("appendix", "Weight decay does not keep Inception and MLPs from random labels.", WEIGHT_DECAY, fitted),
    Claim("appendix", "With weight decay Alexnet does not converge on random labels.",
          [APPENDIX["Mini Alexnet", "random labels, weight decay"]], does_not_converge,
          pictures=("Alexnet_Cifar10_rand_labels_wd",)),
    Claim("appendix", "Random crops do not keep Inception from random labels.",
          [APPENDIX["Mini Inception", "random labels, random crop"]], fitted),
    Claim("appendix", "Augmentation does not keep Inception from random labels.",
          [APPENDIX["Mini Inception", "random labels, augmentation"]], fitted)]


def verdict(claim):
    """Says in Markdown whether a claim holds, or why that is not known."""
    if not claim.judge:
        return f"not here: {claim.because}"
    missing = [row for row in claim.rows if not catalog.file_of(row)]
    if missing:
        return "not trained yet" + f": {'; '.join(row.label for row in missing)}" * (missing != claim.rows)
    holds, figures = claim.judge(claim.rows)
    word = "open" if holds is None or claim.because else "holds" if holds else "differs"
    return f"**{word}**{f', {claim.because}' * bool(claim.because)}: {figures}"
