"""Measures published models on CIFAR-10 again, and compares with the accuracies that their files tell.

    python -m common.evaluate                     every model of the collection
    python -m common.evaluate MLP1/*.h5           these

Ends with status 1 where a figure differs by more than 0.01 %.
"""

import argparse
import sys
from pathlib import Path

from common import cifar10, experiment, labels, layers, record, results  # noqa: F401 - layers lets Keras load the custom ones

import keras

TOLERANCE = 1e-4  # five training pictures, one test picture


def accuracies(path, data):
    """Evaluates a model on the training set, with the labels that it was fitted to, and on the test set.

    Args:
        path: of the .h5.
        data: as `cifar10.read` returns it.

    Returns:
        (training accuracy, test accuracy), from 0 to 1.
    """
    settings = record.read(path)["settings"]
    model = keras.models.load_model(path, compile=False)
    model.compile(metrics=["accuracy"], loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    experiment.make_fast(model)
    (images, true), test = data
    fitted = labels.corrupt(true, images, settings.get("label_noise", 0), settings["seed"])
    return tuple(model.evaluate(cifar10.Pictures(*pictures, cifar10.EVALUATION_BATCH), verbose=0)[1]
                 for pictures in ((images, fitted), test))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.h5")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where CIFAR-10 is")
    options = parser.parse_args()
    models = options.models or [results.ROOT / (script + ".h5") for script, _, _ in results.trained(results.CIFAR10)]
    data = cifar10.read(options.data)
    good = True
    for path in models:
        told, (train, test) = record.read(path), accuracies(path, data)
        same = max(abs(train - told["train_accuracy"]), abs(test - told["test_accuracy"])) <= TOLERANCE
        good &= same
        print(f"{path.name}: {train:.2%} train, {test:.2%} test, "
              + ("as in its file" if same else
                 f"but its file tells {told['train_accuracy']:.2%} and {told['test_accuracy']:.2%}"), flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
