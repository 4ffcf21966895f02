"""Checks what is published, from the files, and says of each claim whether it holds.

    python Results/verify.py                                      everything
    python Results/verify.py files drawings                       these checks alone
    python Results/verify.py models --models "MLP?/*" "LSTM/*"    the models with these names
    python Results/verify.py models --every-image                 Mini Inception, too, on all training images

files       every published .h5, and what measures.py has found, has the digest that SHA256SUMS lists
drawings    pictures, tables, spreadsheets and the READMEs' figures, drawn again from the files, are the same bytes
data        CIFAR-10 and IMDB are the published data sets
labels      the random labels, drawn by a second implementation of what `label_noise.corrupt_labels` documents
training    a short training, made twice, ends with the same bits
solved      Gaussian kernel and random features, on few images, against NumPy's own solvers; SGD and the solution of
            minimum norm, made again, against their file
measures    norms, margins and sharpness of the MLPs, measured again
models      every published model, on all images or reviews, has the accuracies in its file; the code below, which
            reads, standardizes, draws labels and counts, shares nothing with the training but the scripts' transforms,
            and for Theorem 1 `cifar10.standardize`; where bfloat16 is fast a network that the script builds for it gets
            the weights and answers first, and the model, in float32, where the two largest outputs are close; Mini
            Inception, which would take half an hour, on 2,000 training images by chance, others each time, so that
            its training accuracy is checked within their spread

The last line says what fails; then the exit status is 1.  Pictures drawn by another version of Matplotlib than that of
uv.lock may differ in some pixels.
"""

import argparse
import functools
import hashlib
import runpy
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

import catalog
import draw
import measures
import train
from common import cifar10, data, label_noise, layers, record, speed  # noqa: F401 - layers: for Keras to load ours

import keras
import numpy as np

sys.path += [str(catalog.SCRIPTS / folder) for folder in ("LSTM", "MLP1", "tests")]
import imdb  # noqa: E402

import benchmark  # noqa: E402

TOLERANCE = 1.01e-4  # of an accuracy, from 0 to 1, float32 in the file: five training images, one test image; machines
                     # round differently
SAMPLES = {"Mini Inception": 2000}  # training images by chance, in place of all, for the models in a folder
CLOSE = 1.0          # of outputs; in Mini Inception bfloat16 changes them by 0.2 at most
WORDS = {"shuffled": "shuffled_words", "random": "random_words"}  # in older files, for the transform's name


def files(options):
    listed, found = draw.listed(), draw.digests()
    for name in sorted(listed | found):
        if name not in found:
            yield False, f"{name} is not here, or not readable"
        elif name not in listed:
            yield False, f"{name} is not in {draw.SUMS}: run Results/draw.py"
        elif found[name] != listed[name]:
            yield False, f"{name} is not as {draw.SUMS} lists it"
    yield bool(listed), f"{len(listed.items() & found.items())} files have the digests listed"


def drawings(options):
    published = catalog.ROOT
    with tempfile.TemporaryDirectory() as folder:
        kept = [*{*map(catalog.file_of, catalog.published())}, *(path for pattern in (
            "README.md", "*/*.md", "Results/m*.csv", "Results/*.json") for path in published.glob(pattern))]
        for path in kept:
            target = Path(folder) / path.relative_to(published)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
        catalog.ROOT = Path(folder)
        try:
            draw.main()
            benchmark.fill_tables(catalog.ROOT)
        finally:
            catalog.ROOT = published
        copied = {path.relative_to(published) for path in kept if path.suffix == ".csv"}
        drawn = [path for of in Path(folder).rglob("*") if of.suffix in (".png", ".csv", ".md")
                 and (path := of.relative_to(folder)) not in copied]
        for path in drawn:
            committed = published / path
            if not committed.exists() or committed.read_bytes() != (Path(folder) / path).read_bytes():
                yield False, f"{path.as_posix()} is not what the runs' files say"
        pictures = {path.relative_to(published) for path in published.glob("Results/*.png")} - set(drawn)
        for path in sorted(pictures):
            yield False, f"{path.as_posix()} belongs to no run"
    yield True, f"{len(drawn)} pictures, tables and spreadsheets drawn again"


def data_sets(options):
    for name, module in ("CIFAR-10", cifar10), ("IMDB", imdb):
        run = argparse.Namespace(provenance={}, paper=())
        data.identified(run, module.DIGEST, module.read(options.data))
        yield run.provenance["data"] == module.DIGEST, f"{name} has the digest {run.provenance['data']}"


def drawn(labels, examples, probability, seed, classes):
    """The labels to fit, as `label_noise.corrupt_labels` documents them, example by example."""
    fitted, key = np.array(labels), seed.to_bytes(8, "little")
    for number, example in enumerate(examples):
        chance, label = struct.unpack("<QQ", hashlib.blake2b(example.tobytes(), digest_size=16, key=key).digest())
        if chance < probability * 2**64:
            fitted[number] = label % classes
    return fitted


def labels(options):
    for name, (examples, true), classes in (("images", cifar_10(options.data)[0], 10),
                                            ("reviews", reviews(options.data)[0], 2)):
        for probability in 0.5, 1:
            same = np.array_equal(drawn(true, examples, probability, 0, classes),
                                  label_noise.corrupt_labels(true, examples, probability, 0, classes))
            yield same, f"labels of {len(true):,} {name}, redrawn with probability {probability:g}"
    if not catalog.file_of(catalog.THEOREM_1):
        yield False, "the file of Theorem 1 is not here"
        return
    row, (images, true) = catalog.run_of(catalog.THEOREM_1)["row"], cifar_10(options.data)[0]
    a = np.random.RandomState(0).standard_normal(28 * 28 * 3)
    order = np.argsort(central(options.data)[0].reshape(len(images), -1) @ a)
    yield (np.mean(row["y"] == drawn(true, images, 1, 0, 10)[order]) > 0.99,  # by rounding some neighbors change places
           "the random labels in the file of Theorem 1, in the order of the images along its direction")


def training(options):
    weights = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            run_script("MLP1/cifar10_keras_mlp_rand.py", folder, options, "--epochs", "2")
            model, = Path(folder).glob("*.h5")
            weights.append(keras.models.load_model(model, compile=False).get_weights())
    same = all(map(np.array_equal, *weights))
    yield same, "MLP 1x512, two epochs on random labels, ends with the same bits both times"


def run_script(script, folder, options, *arguments):
    """Runs a script as a user would, and returns the run it saves, as `record.read` does."""
    where = ["--data", str(options.data)] if options.data else []
    command = [sys.executable, str(catalog.SCRIPTS / script), "--out", folder, *where, *arguments]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode:
        raise SystemExit(f"{script} failed: {process.stderr.strip()}")
    path, = Path(folder).glob(f"{Path(script).stem}*.h5")
    return record.read(path)


def solved(options):
    if not catalog.file_of(catalog.MINIMUM_NORM):
        yield False, "the file of the solution of minimum norm is not here"
        return
    with tempfile.TemporaryDirectory() as folder:
        stored = catalog.run_of(catalog.MINIMUM_NORM)["solutions"]
        again = run_script("MLP1/cifar10_minimum_norm.py", folder, options)["solutions"]
        yield all(np.allclose(again[name], stored[name], rtol=1e-3, atol=1e-4) for name in stored), (
            f"SGD and the solution of minimum norm: norms {again['norm'].round(2)}")

        count = 2000
        (images, true), (test_images, test_labels) = cifar_10(options.data)
        x, new = (standardized(part[:, 2:30, 2:30]).reshape(len(part), -1).astype(float)
                  for part in (images[:count], test_images))
        run = run_script("MLP1/cifar10_gaussian_kernel.py", folder, options, "--limit", str(count))
        squares, scale = (x**2).sum(axis=1), -0.5 / run["width"]**2
        k, test_k = (np.exp(scale * ((part**2).sum(axis=1)[:, None] + squares - 2 * part @ x.T)) for part in (x, new))
        for name, fitted in ("", true[:count]), ("random_", drawn(true[:count], images[:count], 1, 0, 10)):
            found = np.mean((test_k @ np.linalg.solve(k, np.eye(10)[fitted])).argmax(axis=1) == test_labels)
            yield abs(found - run[f"{name}test_accuracy"]) <= 10 * TOLERANCE, (
                f"Gaussian kernel, {count:,} images, {name or 'true '}labels: {found:.2%} test")

        yield random_features(options, folder, count)


def random_features(options, folder, count):
    """(whether the script solves 256 random features of so many images as numpy does, what was found)."""
    (images, true), (test_images, test_labels) = cifar_10(options.data)
    script = runpy.run_path(str(catalog.SCRIPTS / "MLP1" / "random_features.py"))
    run = run_script("MLP1/cifar10_random_features.py", folder, options, "--limit", str(count), "--filters", "32")
    settings = [run["settings"][name] for name in ("filters", "patch", "contrast", "whitening", "threshold")]
    features = script["RandomFeatures"](images[:count], 0, *settings)
    z, test_z = (np.hstack([features(part), np.ones((len(part), 1))]) for part in (images[:count], test_images))
    weights = np.linalg.lstsq(z, np.eye(10)[true[:count]], rcond=None)[0]
    found = np.mean((test_z @ weights).argmax(axis=1) != test_labels)
    return abs(found - run["error"]["no penalty, test"][-1]) <= 10 * TOLERANCE, (
        f"random convolutional features, 32 filters, {count:,} images: {found:.2%} test error")


@functools.cache
def cifar_10(folder):
    """(training images, labels), (test images, labels), as `cifar10.read` documents them."""
    place = data.find_folder(folder, cifar10.FOLDER)
    if place is None:
        with data.reading("CIFAR-10", "Connect to the network"):
            return [(images, labels[:, 0]) for images, labels in keras.datasets.cifar10.load_data()]
    place = place / cifar10.FOLDER if (place / cifar10.FOLDER).exists() else place
    parts = []
    for name in *(f"data_batch_{number}" for number in range(1, 6)), "test_batch":
        with data.reading(place / name, "Unpack CIFAR-10 (python version) there"), (place / name).open("rb") as file:
            batch = data.Unpickler(file, encoding="bytes").load()
        parts.append((batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(batch[b"labels"])))
    return tuple(map(np.concatenate, zip(*parts[:5], strict=True))), parts[5]


@functools.cache
def reviews(folder):
    """(training reviews, labels), (test reviews, labels), as `imdb.read` documents them."""
    place = data.find_folder(folder, imdb.FILE)
    remedy = "Put Keras' imdb.npz there" if place else "Connect to the network"
    with data.reading(place / imdb.FILE if place else "IMDB", remedy):
        path = place / imdb.FILE if place else keras.utils.get_file(imdb.FILE, imdb.ORIGIN, file_hash=imdb.SHA256)
        with np.load(path, allow_pickle=True) as arrays:
            return [([np.array(review, np.int32) for review in arrays[f"x_{split}"]], arrays[f"y_{split}"].astype(int))
                    for split in ("train", "test")]


@functools.cache
def central(folder):
    """The standardized central windows of the training and of the test images, which most models see."""
    return [standardized(images[:, 2:30, 2:30]) for images, _ in cifar_10(folder)]


def standardized(images):
    """Mean 0 and variance 1 of every image, computed in float64."""
    flat = images.reshape(len(images), -1) / 255.0
    flat = flat - flat.mean(axis=1, keepdims=True)
    return (flat / np.maximum(flat.std(axis=1, keepdims=True), flat.shape[1]**-0.5)).reshape(images.shape).astype("f4")


def predictions(model, script, inputs):
    """A model's outputs, (n, classes), of which the largest is that of float32."""
    precision = speed.fast_precision() if "PRECISION" in script else "float32"
    if precision == "float32":
        return model.predict(inputs, batch_size=500, verbose=0)
    keras.config.set_dtype_policy(precision)
    quick = script["build_model"]()
    keras.config.set_dtype_policy("float32")
    quick.set_weights(model.get_weights())
    outputs = quick.predict(inputs, batch_size=200, verbose=0)
    largest, second = np.sort(outputs)[:, :-3:-1].T
    close = largest - second < CLOSE
    if close.any():
        outputs[close] = model.predict(inputs[close], batch_size=500, verbose=0)
    return outputs


def accuracies(path, folder, sample):
    """Evaluates a model: [training accuracy, test accuracy], from 0 to 1, on the labels that it was fitted to.

    With `sample` on so many of the training examples, drawn anew each time.
    """
    run = record.read(path)
    settings, script = run["settings"], runpy.run_path(
        str(catalog.SCRIPTS / path.parent.name / f"{path.stem.partition('--')[0]}.py"))
    transform = script.get(settings.get("transform") or WORDS.get(settings.get("words")))
    noise, seed, found = settings.get("label_noise") or 0, settings["seed"], []
    if keras.backend.backend() == "jax":  # which has no float64 unless asked
        __import__("jax").config.update("jax_enable_x64", path.stem == "cifar10_theorem_1")
    model = keras.models.load_model(path, compile=False)
    on_images = settings["dataset"] == "cifar10"
    splits, classes = (cifar_10(folder), 10) if on_images else (reviews(folder), 2)
    for number, (examples, labels) in enumerate(splits):
        chosen = np.random.default_rng().permutation(len(labels))[:sample] if number == 0 and sample else slice(None)
        examples, labels = examples[chosen], labels[chosen]
        coin = "rademacher" in path.stem  # the test labels are drawn, too
        if coin or noise and number == 0:
            labels = drawn(labels, examples, coin or noise, seed, 2 if coin else classes)
        if path.stem == "cifar10_theorem_1":  # whose slopes of 1e9 show by what formula inputs were rounded
            inputs = cifar10.standardize(examples[:, 2:30, 2:30])
        elif on_images:
            inputs = standardized(transform(examples[:, 2:30, 2:30], seed)) if transform else (
                central(folder)[number][chosen])
        else:
            if transform:
                every_word, key = np.sort(np.concatenate(splits[0][0])), seed.to_bytes(8, "little")
                randoms = (np.random.RandomState(int.from_bytes(hashlib.blake2b(
                    review.tobytes(), digest_size=4, key=key).digest(), "little")) for review in examples)
                examples = [transform(*each, every_word) for each in zip(examples, randoms, strict=True)]
            inputs = keras.utils.pad_sequences([np.r_[1, np.where(words < 9997, words + 3, 2)] for words in examples],
                                               200)
        outputs = predictions(model, script, inputs)
        # Theorem 1's network has one output, which rounded is the label.
        answers = outputs.argmax(axis=1) if outputs.shape[1] > 1 else np.clip(np.rint(outputs[:, 0]), 0, 9)
        found.append(np.mean(answers == labels))
    return found


def agree(stored, found, sample=None):
    """Whether an accuracy, on all examples or on so many by chance, is that in the file."""
    chance = 4 * (stored * (1 - stored) / sample)**0.5 + 1 / sample if sample else 0
    return abs(stored - found) <= TOLERANCE + chance


def measured(options):
    """Measures the MLPs again, whose norms take no power iteration and no minutes."""
    published, bins = measures.read("measures"), measures.read("margins")
    for row in (row for row in measures.rows() if row.network.startswith("MLP")):
        if row.name not in published or row.name not in bins:
            yield False, f"{row.label} is not in measures.csv and margins.csv: run Results/measures.py"
            continue
        found, margins = measures.measured(row, options.data)
        if not measures.begins_alike(row):
            del found["distance"]  # from the initial weights
        same = all(np.isclose(found[name], published[row.name][0][name], rtol=1e-3, atol=1e-3) for name in found)
        low, high, images = np.transpose([list(line.values()) for line in bins[row.name]])
        moved = abs(images - np.histogram(margins, [*low, high[-1]])[0]).sum()
        same = same and moved <= len(margins) / 100  # a few lie at the edge of a bin
        yield same, f"{row.label}: " + ", ".join(f"{name} {value:.3g}" for name, value in found.items())


def published_models():
    """Name to file of the published models."""
    return {f"{path.parent.name}/{path.stem}": path
            for path in sorted(set(filter(None, map(catalog.model_of, catalog.published()))))}


def models(options):
    for path in (path for name, path in published_models().items()
                 if not options.models or any(fnmatch(name, pattern) for pattern in options.models)):
        sample = None if options.every_image else SAMPLES.get(path.parent.name)
        run, (of_train, of_test) = record.read(path), accuracies(path, options.data, sample)
        same = agree(run["train_accuracy"], of_train, sample) and agree(run["test_accuracy"], of_test)
        part = f" of {sample:,} images" if sample else ""
        yield same, f"{path.parent.name}/{path.name}: {of_train:.2%} train{part}, {of_test:.2%} test" + (
            "" if same else f"; its file has {run['train_accuracy']:.2%} and {run['test_accuracy']:.2%}")


CHECKS = {"files": files, "drawings": drawings, "data": data_sets, "labels": labels, "training": training,
          "solved": solved, "measures": measured, "models": models}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME",
                        help="FOLDER/NAME without .h5, with * and ?; default: all")
    parser.add_argument("--every-image", action="store_true", help="Mini Inception, too, on all training images")
    parser.add_argument("--data", type=train.folder, metavar="FOLDER", help="where the data sets are")
    options = parser.parse_args()
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        parser.error(f"no check is named {' or '.join(unknown)}; there are {', '.join(CHECKS)}")
    if "models" not in (options.checks or CHECKS) and (options.models or options.every_image):
        parser.error("--models and --every-image belong to the check models: name it, too, before the options")
    if unknown := [pattern for pattern in options.models
                   if not any(fnmatch(name, pattern) for name in published_models())]:
        parser.error(f"no model is named {' or '.join(unknown)}; give FOLDER/NAME without .h5")
    failed, count, began = [], 0, time.perf_counter()
    for name in options.checks or CHECKS:
        for holds, what in CHECKS[name](options):
            count += 1
            failed += [] if holds else [what]
            print(f"{time.perf_counter() - began:6.0f} s  {'holds' if holds else 'FAILS'}  {name}: {what}", flush=True)
    if not count:
        sys.exit("There was nothing to check: the published models are not here.")
    print(f"All {count} checks hold." if not failed else f"{len(failed)} of {count} checks fail: {'; '.join(failed)}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
