"""Evaluates published models on the real data, and compares with the accuracies in their files.

    python Results/evaluate.py                    every model that is kept with its weights
    python Results/evaluate.py MLP1/*.h5          these

Ends with status 1 where a figure differs by more than 0.01 %, or a file is not there.
"""

import argparse
import runpy
import sys
import types
from pathlib import Path

import catalog
from common import cifar10, layers, record, speed  # noqa: F401 - layers: for Keras to load ours

import keras

sys.path.append(str(catalog.SCRIPTS / "LSTM"))
import imdb  # noqa: E402

DATASETS = {"cifar10": cifar10, "imdb": imdb}
TOLERANCE = 1e-4  # five training images, one test image


def examples(path, settings, folder):
    """What a model was trained on, its labels as they were fitted, and what it was tested on, as its script loads them.

    Args:
        path: of the .h5.
        settings: those in the file.
        folder: where the data sets are, as --data takes it.
    """
    run = types.SimpleNamespace(data=folder, **{name: settings[name] for name in ("dataset", "limit", "seed")})
    # The script has the function by which it replaces what it loads.  Older files call what it does "words".
    name = settings.get("transform") or {"shuffled": "shuffled_words", "random": "random_words"}.get(
        settings.get("words"))
    transform = runpy.run_path(str(path.with_suffix(".py")))[name] if name else None
    return DATASETS[settings["dataset"]].load(
        run, settings["batch_size"], settings.get("label_noise", 0), settings["random_crop"], transform)


def accuracies(path, settings, folder):
    """Evaluates a model on the training set, as it was fitted and without a random crop, and on the test set.

    The arguments are those of `examples`.  Returns (training accuracy, test accuracy), from 0 to 1.
    """
    model = keras.models.load_model(path, compile=False)
    model.compile(metrics=["accuracy"], loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return tuple(model.evaluate(speed.feed(part.for_evaluation()), verbose=0)[1]
                 for part in examples(path, settings, folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.h5")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the data sets are")
    options = parser.parse_args()
    absent = [str(path) for path in options.models if not path.exists()]
    if absent:
        sys.exit(f"{', '.join(absent)}: no such file. Name models that are here, or none to evaluate all of them.")
    good = True
    kept = [path for row in catalog.TRAINED if (path := catalog.ROOT / (row.name + ".h5")).exists()]
    if not kept and not options.models:
        sys.exit("No model is here yet. Run a script, or name the models to evaluate.")
    for path in options.models or kept:
        stored = record.read(path)
        if stored["settings"]["dataset"] not in DATASETS or "history" not in stored:
            print(f"{path.name}: skipped, no network that was trained on {' or '.join(DATASETS)}")
            continue
        train, test = accuracies(path, stored["settings"], options.data)
        same = max(abs(train - stored["train_accuracy"]), abs(test - stored["test_accuracy"])) <= TOLERANCE
        good &= same
        print(f"{path.name}: {train:.2%} train, {test:.2%} test, "
              + ("as in its file" if same else
                 f"but its file has {stored['train_accuracy']:.2%} and {stored['test_accuracy']:.2%}"), flush=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
