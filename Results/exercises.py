"""The answers of exercises.md: sentences with the figures of our own runs, from their files."""

import catalog
from histories import best_epoch, early_stopping, epochs_to_fit

PLAIN, RANDOM = catalog.PAIRS["MLP 1x512"]
DECAY, RANDOM_DECAY = catalog.row("MLP 1x512", "_wd"), catalog.row("MLP 1x512", "_rand_wd")


def percent(run, split):
    return f"{100 * run[f'{split}_accuracy']:.1f} %"


def fits(run):
    return (f"{percent(run, 'train')} train, {percent(run, 'test')} test. Chance is 10 %, and that is also what a "
            "network gets that says the same for every image.")


def longer(true, random):
    epochs = [epochs_to_fit(run) for run in (true, random)]
    return (f"{epochs[0]:.0f} epochs with true labels, {epochs[1]:.0f} with random ones: "
            f"{epochs[1] / epochs[0]:.1f} times as many. Memorizing is hardly harder than learning.")


def first(run):
    (last, best), epoch = early_stopping(run), best_epoch(run)
    clean, mislabeled = (100 * run["history"][f"accuracy_{kind}"][epoch - 1] for kind in ("clean", "mislabeled"))
    return (f"The best test accuracy is {best:.1f} %, after epoch {epoch}; the last one {last:.1f} %. In that "
            f"epoch {clean:.1f} % of the true labels were fitted, and {mislabeled:.1f} % of the wrong ones: what "
            "has a rule is learned first.")


def decay(random, random_decay, true, true_decay):
    return (f"Hardly: random labels are fitted to {percent(random_decay, 'train')} ({percent(random, 'train')} "
            f"without). With true labels it changes test accuracy from {percent(true, 'test')} to "
            f"{percent(true_decay, 'test')}.")


def coin(run):
    return (f"{2 * run['train_accuracy'] - 1:.4f}: nearly 1, the largest there is. The bound promises a test "
            "error below 100 %, whatever the labels.")


def theorem(run):
    return (f"{run['weights']:,}: two for each image, and one for each of 2,352 values of an image. They fit "
            f"{percent(run, 'train')} of the random labels. MLP 1x512 has 1,209,866, twelve times as many, and it "
            "generalizes, with true labels; this one is a curve through the images in a row, and its neighbors "
            "there tell nothing of an image.")


def kernel(run):
    return (f"It does: {percent(run, 'random_train')} train with random labels, {percent(run, 'random_test')} "
            f"test. With true labels {percent(run, 'train')} train and {percent(run, 'test')} test.")


def norm(run):
    norms, tests = run["solutions"]["norm"], run["solutions"]["test"]
    return (f"With the script's start: from zero norm {norms[1]:.2f} and {100 * tests[1]:.1f} % test, from the "
            f"random start norm {norms[2]:.2f} and {100 * tests[2]:.1f} %. What no image sees of the start stays; "
            "of one twice as large, twice as much.")


def descent(run):
    error, features = run["error"], run["error"]["features"]
    clean = 100 * error["test"].mean(axis=0)[:, 0]
    peak = clean.argmax()
    return (f"{clean[0]:.1f} % error with {features[0]:,} features, {clean[peak]:.1f} % with {features[peak]:,}, "
            f"{clean[-1]:.1f} % with {features[-1]:,}. Beyond as many features as images there are many solutions "
            "without error, and the one of smallest norm gets better the more there are.")


def batch(small, large):
    return (f"Batches of 64: {percent(small, 'train')} train, {percent(small, 'test')} test; of 1,024: "
            f"{percent(large, 'train')} train, {percent(large, 'test')} test, with the same epochs and learning "
            "rate, so a sixteenth of the steps. What width means depends on how the weights are scaled (Dinh et "
            "al., 2017): see [the measures](README.md#what-tells-them-apart).")


def memorized(run):
    return ("Images with wrong labels, and after them unusual ones. A wrong label has the higher score of two, "
            f"one wrong and one right, in {100 * run['area']:.0f} % of all pairs; scores of two halves of the "
            f"trainings correlate by {run['split_half']:.2f}.")


def regularizer(random_decay, true, true_decay):
    return (f"Weight decay is none. It costs nothing ({percent(true, 'test')} test without, "
            f"{percent(true_decay, 'test')} with), but random labels are still fitted to "
            f"{percent(random_decay, 'train')}. Fewer units or epochs stop it, and then cost test accuracy. If "
            "you find one, you have found what the paper asks for.")


ANSWERS = [(fits, RANDOM), (longer, PLAIN, RANDOM), (first, catalog.with_noise("MLP 1x512", 0.5)),
           (decay, RANDOM, RANDOM_DECAY, PLAIN, DECAY), (coin, catalog.RADEMACHER[0]), (theorem, catalog.THEOREM_1),
           (kernel, catalog.KERNEL), (norm, catalog.MINIMUM_NORM), (descent, catalog.DOUBLE_DESCENT),
           (batch, PLAIN, catalog.LARGE_BATCH), (memorized, catalog.MEMORIZED_NOISY),
           (regularizer, RANDOM_DECAY, PLAIN, DECAY)]


def answers():
    """The text of each answer, by the name of its marks in exercises.md."""
    return {f"answer {number}": text(*map(catalog.run_of, rows)) if all(map(catalog.file_of, rows)) else "Not here yet."
            for number, (text, *rows) in enumerate(ANSWERS, 1)}
