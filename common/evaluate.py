"""Measures published models on the real data again, and compares with the accuracies that their files tell.

    python -m common.evaluate                     every model that is kept with its weights
    python -m common.evaluate MLP1/*.h5           these

Ends with status 1 where a figure differs by more than 0.01 %.
"""

import argparse
import sys
import types
from pathlib import Path

from common import cifar10, experiment, imdb, layers, record, results  # noqa: F401 - layers: for Keras to load ours

import keras

DATASETS = {"cifar10": cifar10, "imdb": imdb}
TOLERANCE = 1e-4  # five training pictures, one test picture


def accuracies(path, folder):
    """Evaluates a model on the training set, as it was fitted and without a random crop, and on the test set.

    Args:
        path: of the .h5.
        folder: where the data sets are, as --data takes it.

    Returns:
        (training accuracy, test accuracy), from 0 to 1.

    Raises:
        SystemExit: with a sentence, for a file that is no run on real data.
    """
    settings = record.read(path)["settings"]
    if settings["dataset"] not in DATASETS:
        raise SystemExit(f"{path} was trained on generated data, which tells nothing of {' or '.join(DATASETS)}.")
    model = keras.models.load_model(path, compile=False)
    model.compile(metrics=["accuracy"], loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    experiment.make_fast(model)
    run = types.SimpleNamespace(**{"data": folder, "label_noise": None, **settings}, settings={})
    variant = {name: settings[name] for name in ("random_crop", "words") if name in settings}
    train, test = DATASETS[settings["dataset"]].load(run, **variant)
    return tuple(model.evaluate(examples.as_tested().batches(), verbose=0)[1] for examples in (train, test))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.h5")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the data sets are")
    options = parser.parse_args()
    good = True
    kept = [results.ROOT / (row[0] + ".h5") for row in results.trained() if row not in results.IMAGENET]
    for path in options.models or kept:
        told, (train, test) = record.read(path), accuracies(path, options.data)
        same = max(abs(train - told["train_accuracy"]), abs(test - told["test_accuracy"])) <= TOLERANCE
        good &= same
        print(f"{path.name}: {train:.2%} train, {test:.2%} test, "
              + ("as in its file" if same else
                 f"but its file tells {told['train_accuracy']:.2%} and {told['test_accuracy']:.2%}"), flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
