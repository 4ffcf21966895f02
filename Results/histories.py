"""What is measured on the history of a run."""

import numpy as np

FITTED = 0.98  # training accuracy, averaged over an epoch, at which a run counts as fitted


def epochs_to(run, level):
    """Epochs until the training accuracy reaches a level from 0 to 1, interpolated; NaN where it does not."""
    accuracy = np.concatenate([[0], run["history"]["accuracy"]])
    after = np.argmax(accuracy >= level)
    if not after:
        return np.nan
    return after - (accuracy[after] - level) / (accuracy[after] - accuracy[after - 1])


def epochs_to_fit(run):
    """Epochs until the training set is fitted, interpolated; NaN where it is not."""
    return epochs_to(run, FITTED)


def best_epoch(run):
    """The epoch with the best test accuracy, counted from 1, the first of several."""
    return int(np.argmax(run["history"]["val_accuracy"])) + 1


def early_stopping(run):
    """(last, best) test accuracy in % of those after each epoch: what stopping at the best would have brought."""
    accuracy = 100 * run["history"]["val_accuracy"]
    return float(accuracy[-1]), float(accuracy.max())


def gain(run):
    """Points of test accuracy between the last epoch and the best one."""
    last, best = early_stopping(run)
    return best - last
