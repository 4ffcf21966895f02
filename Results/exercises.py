"""The answers of exercises.md: sentences with the figures of our own runs, from their files."""

import catalog
from histories import best_epoch, early_stopping, epochs_to_fit

import numpy as np

PLAIN, RANDOM = catalog.PAIRS["MLP 1x512"]
DECAY, RANDOM_DECAY = catalog.row("MLP 1x512", "_wd"), catalog.row("MLP 1x512", "_rand_wd")


def percent(run, split):
    return f"{100 * run[f'{split}_accuracy']:.1f} %"


def fits(run):
    return (f"{percent(run, 'train')} train, {percent(run, 'test')} test. Chance is 10 %, and that is also what a "
            "network gets that says the same for every image.")


def longer(true, random):
    epochs = [np.ceil(epochs_to_fit(run)) for run in (true, random)]  # whole ones, as the lines printed have them
    return (f"{epochs[0]:.0f} epochs with true labels, {epochs[1]:.0f} with random ones: "
            f"{epochs[1] / epochs[0]:.1f} times as many. Memorizing takes longer, by a small factor only.")


def first(run):
    (last, best), epoch = early_stopping(run), best_epoch(run)
    clean, mislabeled = (100 * run["history"][f"accuracy_{kind}"][epoch - 1] for kind in ("clean", "mislabeled"))
    return (f"The best test accuracy is {best:.1f} %, after epoch {epoch}; the last one {last:.1f} %. Over the "
            f"best epoch {clean:.1f} % of the true labels were fitted on average, and {mislabeled:.1f} % of the wrong "
            "ones: what has a rule is learned first.")


def decay(random, random_decay, true, true_decay):
    return (f"Random labels are fitted to {percent(random_decay, 'train')} ({percent(random, 'train')} "
            f"without). With true labels it changes test accuracy from {percent(true, 'test')} to "
            f"{percent(true_decay, 'test')}.")


def coin(run):
    return (f"{2 * run['train_accuracy'] - 1:.4f}; 1 is the largest there is, and there the bound promises a test "
            "error of at most 100 %, whatever the labels: nothing.")


def theorem(run, true):
    return (f"{run['weights']:,}: two for each image, and one for each of its 2,352 values. They fit "
            f"{percent(run, 'train')} of the random labels. No: with true labels {percent(true, 'test')} "
            "of the test images are right, at chance. MLP 1x512 has 1,209,866 weights, twelve times as many, and "
            "generalizes; this network interpolates along a random direction, where an image's neighbors tell nothing "
            "about it.")


def kernel(run):
    return (f"It does: {percent(run, 'random_train')} train with random labels, {percent(run, 'random_test')} "
            f"test. With true labels {percent(run, 'train')} train and {percent(run, 'test')} test.")


def norm(run, larger):
    (_, *norms), (_, *tests) = run["solutions"]["norm"], 100 * run["solutions"]["test"]
    return (f"From zero norm {norms[0]:.2f} and {tests[0]:.1f} % test; from the script's random start norm "
            f"{norms[1]:.2f} and {tests[1]:.1f} %, from twice that start norm {larger['solutions']['norm'][2]:.2f} and "
            f"{100 * larger['solutions']['test'][2]:.1f} %. The part of the start that is orthogonal to all images "
            "stays, and says nothing about the labels.")


def descent(run):
    error, features = run["error"], run["error"]["features"]
    clean = 100 * error["test"].mean(axis=0)[:, 0]
    peak = clean.argmax()
    low = clean[:peak].argmin()
    shown = [f"{clean[k]:.1f} % error with {features[k]:,} features" for k in (0, low, peak, -1)]
    return (f"{', '.join(shown)}. The textbook's curve ends at the peak. Beyond as many features as images there are "
            "many solutions without error, and the one of smallest norm gets better the more there are. So take the "
            f"{features[low]:,} of the first valley or as many as you can, not a number near that of the images; which "
            "of the two is better, one draw does not tell.")


def batch(small, large):
    return (f"Batches of 64: {percent(small, 'train')} train, {percent(small, 'test')} test; of 1,024: "
            f"{percent(large, 'train')} train, {percent(large, 'test')} test, with the same epochs and learning "
            "rate, so a sixteenth of the steps. What has not fitted the training set is at no minimum yet, flat or "
            "sharp; to compare two, train it until it fits, with more epochs or a larger learning rate. What width "
            "means depends on how the weights are scaled (Dinh et al., 2017): see "
            "[the measures](README.md#what-tells-them-apart).")


def memorized(run):
    return ("Unusual images, and more often than others those with wrong labels: of two, one wrong and one right, the "
            f"wrong one has the higher score in {100 * run['area']:.0f} % of all pairs (equal scores count half). "
            f"Scores of two halves of the trainings correlate by {run['split_half']:.2f}.")


def regularizer(random_decay, true, true_decay):
    fitted, test = random_decay["history"]["accuracy"][:22][-1], true_decay["history"]["val_accuracy"][:22][-1]
    return (f"Not weight decay alone: random labels are still fitted to {percent(random_decay, 'train')}. Stopped "
            f"after 22 epochs as well, {100 * fitted:.1f} % of them are fitted (on average over the last one), and "
            f"with true labels test accuracy is {100 * test:.1f} % ({percent(true, 'test')} without either). But the "
            "network that was trained to the end generalizes as well, and fits anything: why it does, no regularizer "
            "explains.")


ANSWERS = [(fits, RANDOM), (longer, PLAIN, RANDOM), (first, catalog.with_noise("MLP 1x512", 0.5)),
           (decay, RANDOM, RANDOM_DECAY, PLAIN, DECAY), (coin, catalog.RADEMACHER[0]),
           (theorem, catalog.THEOREM_1, catalog.THEOREM_1_TRUE), (kernel, catalog.KERNEL),
           (norm, catalog.MINIMUM_NORM, catalog.LARGER_START), (descent, catalog.DOUBLE_DESCENT),
           (batch, PLAIN, catalog.LARGE_BATCH), (memorized, catalog.MEMORIZED_NOISY),
           (regularizer, RANDOM_DECAY, PLAIN, DECAY)]


def answers():
    """The text of each answer, by the name of its marks in exercises.md."""
    return {f"answer {number}": text(*map(catalog.run_of, rows)) if all(map(catalog.file_of, rows)) else "Not here yet."
            for number, (text, *rows) in enumerate(ANSWERS, 1)}
