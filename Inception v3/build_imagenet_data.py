"""Packs ImageNet, or any images in one folder per class, into the shards that the scripts here train on.

    python build_imagenet_data.py IMAGENET SHARDS

This reads IMAGENET/train/<class>/*.JPEG and, if there is a held-out set, IMAGENET/val/<class>/*.JPEG.  It writes
SHARDS/train-00000-of-01024, ... and SHARDS/val-00000-of-00128, ..., which are TFRecord files with the images in random
order, and SHARDS/imagenet.json, with the classes and the number of images.  A small data set gets fewer shards, so that
each of them holds a hundred images or more.  The label of a class is its place in alphabetical order, from 0.

ImageNet's own val/ is one flat folder.  The class of each image is then read from a list, --val-labels.  Its lines are
"<image> <class>" or "<image>,<class> ..." in any order (as in Kaggle's LOC_val_solution.csv), or only "<class>", one
line for each image in the order of the images' names.  Every image has one class, and the list names no other images.
Tiny ImageNet comes with its list, val/val_annotations.txt, which is used by itself.

Other formats and color modes are converted to RGB JPEG: .png, .webp, .bmp, .tif and .gif, and the few CMYK, grayscale
and PNG images that ImageNet itself has under the name .JPEG.  Images that cannot be read are left out, and listed at
the end.  To resume an interrupted run, start it again.
"""

import argparse
import concurrent.futures
import csv
import hashlib
import io
import json
import os
import re
import signal
import sys
import time
from pathlib import Path, PurePosixPath

import imagenet
from common import data, record, say

import numpy as np
import tensorflow as tf

try:
    from PIL import Image, UnidentifiedImageError
    _ = Image.Image.has_transparency_data  # since Pillow 10.1
except (ImportError, AttributeError):
    raise SystemExit("Images are read by Pillow, 10.1 or newer. Run 'pip install -U pillow'.") from None

ENDINGS = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
TINY_IMAGENET_LIST = "val_annotations.txt"
MOST_SHARDS = {"train": 1024, "val": 128}  # as ImageNet is usually split
SMALLEST_SHARD = 100  # images, where there are that many
UNREADABLE = "unreadable.txt"


def find_images(folder, split, val_labels=None):
    """Finds the images of a split.

    Args:
        folder: pathlib.Path of the folder that holds train/ and val/.
        split: "train" or "val".
        val_labels: path of the list for a flat val/.

    Returns:
        List of (path relative to the split's folder, class), sorted by path; empty if there is no such split.

    Raises:
        SystemExit: with a sentence, when images and list do not match.
    """
    train, folder = folder / "train", folder / split
    # Random labels and the order of the images depend on these paths: they are the same on every system, with "/".
    linked = [path for path in folder.glob("*") if path.is_symlink()]  # classes; rglob follows no links
    paths = [path for start in (folder, *linked) for path in start.rglob("*") if path.suffix.lower() in ENDINGS
             and not any(part.startswith(".") for part in path.relative_to(folder).parts)]  # as .ipynb_checkpoints
    found = sorted(PurePosixPath(path.relative_to(folder).as_posix()) for path in paths)
    for path in found:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise SystemExit(f"The name of {ascii(str(folder / path))} is not UTF-8. Rename it.") from None
    # Tiny ImageNet's val/ has its images in one folder, images/, and the list beside that.
    flat = [path for path in found if len(path.parts) == 1 or (
        len(path.parts) == 2 and path.parts[0] == "images" and not (train / "images").exists())]
    if not flat:
        if split == "val" and val_labels is not None:
            raise SystemExit(f"The images of {folder} are in folders of their classes already, so --val-labels is not "
                             "needed. Leave it out." if found else f"There are no images in {folder}, so --val-labels "
                             "has nothing to name. Put them there, or leave it out.")
        return [(str(path), path.parts[0]) for path in found]
    if val_labels is None and (folder / TINY_IMAGENET_LIST).exists():
        val_labels = folder / TINY_IMAGENET_LIST
    if len(flat) < len(found) or split == "train" or val_labels is None:
        raise SystemExit(f"{folder / flat[0]} is not in the folder of a class. Move it into one or, for a flat val/, "
                         "give the list of classes with --val-labels.")
    known = {path.name for path in train.iterdir()} if train.exists() else set()
    classes = _listed_classes(val_labels, folder, found, known)
    if all(label.isdigit() for label in classes) and not known.issuperset(classes):
        raise SystemExit(f"The list {val_labels} gives numbers in place of classes. Give a list with the names of "
                         "train/'s folders (n01440764 ...), such as Kaggle's LOC_val_solution.csv.")
    return [(str(path), label) for path, label in zip(found, classes, strict=True)]


def _listed_classes(path, folder, images, known):
    """The class of each of the images in the folder, from the list; `known` are the classes of the training set."""
    with data.reading(f"The list {path}", "Give another one with --val-labels", ""):
        text = Path(path).read_text(encoding="utf-8-sig")  # some programs begin a file with a mark of its encoding
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        separator = next((mark for mark in "\t," if mark in line), None)
        if separator:
            row = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        else:
            row = [line] if line in known else line.rsplit(maxsplit=1)  # an image's name may have spaces
        rows.append([row[0], *(entry if entry in known else entry.split(" ")[0] for entry in row[1:2])])
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(images):
            raise SystemExit(f"The list {path} has {len(rows)} lines for {len(images)} images. It needs one for each.")
        return [row[0] for row in rows]

    # A list may leave out folder and ending of an image, or give it another ending.
    by_name = {image.stem: image for image in images} | {image.name: image for image in images}
    classes, strangers = {}, []
    for number, (name, *label) in enumerate(rows):
        name = re.split(r"[/\\]", name)[-1]
        stem, ending = os.path.splitext(name)
        image = by_name.get(name) or by_name.get(stem if ending.lower() in ENDINGS else name)
        if image is None:
            if number or known.intersection(label):  # else it is a header, such as Kaggle's ImageId,PredictionString
                strangers.append(name)
        elif label and classes.setdefault(image, label[0]) != label[0]:
            raise SystemExit(f"The list {path} gives {image} two classes, {classes[image]} and {label[0]}. Delete the "
                             "line that is wrong.")
    if strangers:
        raise SystemExit(f"The list {path} names {_count(strangers)} not in {folder}. Delete the lines of such images, "
                         "or add the images.")
    missing = [image for image in images if image not in classes]
    if missing:
        raise SystemExit(f"The list {path} gives no class for {_count(missing)} in {folder}. Add the lines, or remove "
                         "the images.")
    return [classes[image] for image in images]


def _count(names):
    """As in "12 images (the first is n01_2.JPEG)"."""
    return f"1 image ({names[0]})" if len(names) == 1 else f"{len(names)} images (the first is {names[0]})"


def as_rgb_jpeg(content):
    """Checks an image by decoding it, and converts other formats and color modes to RGB JPEG, on white if transparent.

    Args:
        content: bytes of the file.

    Returns:
        bytes of an RGB JPEG; `content` itself if it is one.

    Raises:
        Exception: of nearly any kind, when it cannot be decoded.
    """
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        if image.format == "JPEG" and image.mode == "RGB":
            return content
        if image.mode == "F":
            raise ValueError("its values are fractions, without a known range")
        if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
            if not 0 <= np.min(image) <= np.max(image) < 2**16:
                raise ValueError("its values are not from 0 to 65535")
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        if image.has_transparency_data:  # else what is behind it, often black, would show
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        converted = io.BytesIO()
        image.convert("RGB").save(converted, "JPEG", quality=95)
        return converted.getvalue()


def write_shard(path, folder, images, labels):
    """Writes one shard, whole or not at all.  Lists the images that cannot be decoded in UNREADABLE beside it.

    Args:
        path: pathlib.Path of the shard.
        folder: pathlib.Path of the split's folder, to which the images' paths are relative.
        images: list of (path, class).
        labels: dict, class to label.

    Returns:
        Number of images, with those that cannot be decoded.

    Raises:
        SystemExit: with a sentence, for an image whose file cannot be read: another time it may.
    """
    unreadable = []
    with record.replacing(path) as part:
        try:
            with tf.io.TFRecordWriter(str(part)) as writer:
                for name, label in images:
                    with data.reading(f"\n{folder / name}", "Make it readable and run the same command again",
                                      f"; or remove it and empty {path.parent}"):
                        content = (folder / name).read_bytes()
                    try:
                        content = as_rgb_jpeg(content)
                    except Exception as error:  # a damaged image can raise nearly anything
                        reason = "not an image" if isinstance(error, UnidentifiedImageError) else error
                        unreadable.append(f"{folder.name}/{name}: {reason}\n")
                        continue
                    writer.write(imagenet.serialized(content, labels[label], name))
        except tf.errors.OpError as error:
            raise OSError(error.message) from None
        if unreadable:
            with open(path.with_name(UNREADABLE), "a", encoding="utf-8") as file:
                file.write("".join(unreadable))
    return len(images)


def main():
    if hasattr(sys.stdout, "reconfigure"):  # for names that the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("imagenet", type=Path, metavar="IMAGENET", help="folder with train/ and val/")
    parser.add_argument("shards", type=Path, metavar="SHARDS", help="folder to write to; made if it is not there")
    parser.add_argument("--val-labels", type=Path, metavar="FILE", help="list of the classes of a flat val/")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N",
                        help="shards to make at a time (default: %(default)s, one for each core)")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers must be 1 or more")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # once the shards in work are written
    try:
        build(options.imagenet, options.shards, options.val_labels, options.workers)
    except KeyboardInterrupt:
        raise SystemExit("\nStopped. Run the same command again to resume.") from None


def build(folder, shards, val_labels, workers):
    """Builds the shards that are missing, then imagenet.json.

    Raises:
        SystemExit: with a sentence, for images that cannot be used and for a folder with shards of other images.
    """
    splits = {split: find_images(folder, split, val_labels) for split in MOST_SHARDS}
    if not splits["train"]:
        raise SystemExit(f"There are no images in {folder / 'train'}. Give the folder that holds "
                         "train/<class>/*.JPEG.")
    classes = sorted({label for _, label in splits["train"]})
    strange = {label for _, label in splits["val"]} - set(classes)
    if strange:
        raise SystemExit(f"{folder / 'val'} has a class {min(strange)} that is not in train/. Remove it, or add it to "
                         "train/.")
    labels = {name: label for label, name in enumerate(classes)}

    try:
        shards.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"The folder {shards} cannot be made ({error.strerror}). Give another one.") from None
    index = shards / imagenet.INDEX
    with data.reading(f"An image of {folder}", "Remove it, or make it readable", ""):
        sizes = [(folder / split / name).stat().st_size for split, images in splits.items() for name, _ in images]
    source = hashlib.sha256(json.dumps([splits, sizes]).encode()).hexdigest()
    if not index.exists():
        if any(shards.glob("*" + imagenet.NUMBERED)):
            raise SystemExit(f"{shards} holds shards without an {imagenet.INDEX}, so not of these images. Give an "
                             "empty folder, or empty that one.")
        (shards / UNREADABLE).unlink(missing_ok=True)
        _write(index, {"source": source})  # from here on, the shards in this folder are of these images
    elif imagenet.read_index(shards).get("source") != source:
        raise SystemExit(f"{shards} holds shards of other images than {folder} has now. Give an empty folder, or "
                         "empty that one.")

    jobs = []
    for split, images in splits.items():
        images = [images[k] for k in np.random.RandomState(0).permutation(len(images))]
        count = min(MOST_SHARDS[split], max(1, len(images) // SMALLEST_SHARD)) if images else 0
        for number in range(count):
            path = shards / f"{split}-{number:05}-of-{count:05}"
            jobs.append((path, folder / split, images[number::count], labels))
    others = {path for split in splits for path in shards.glob(split + imagenet.NUMBERED)} - {job[0] for job in jobs}
    for path in (*others, *shards.glob(".*.part.*")):  # made with another MOST_SHARDS or SMALLEST_SHARD; half-written
        path.unlink()
    if any(path.exists() for path, *_ in jobs):
        say("Checking the shards that are there already")
    missing = [job for job in jobs if not imagenet.intact(job[0])]
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} shards are there already")
    seen, total, began = 0, sum(len(job[2]) for job in missing), time.monotonic()
    # Threads are enough: Python's lock is released while an image is decoded or a shard is written.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(write_shard, *job) for job in missing]
        try:
            for future in concurrent.futures.as_completed(done):
                seen += future.result()
                minutes = (time.monotonic() - began) / seen * (total - seen) / 60
                say(f"\r{seen:,} of {total:,} images, {minutes:.0f} minutes left ", end="" if seen < total else "\n")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    unreadable = shards / UNREADABLE
    left_out = sorted(set(unreadable.read_text(encoding="utf-8").splitlines())) if unreadable.exists() else []
    count = {split: len(images) - sum(line.startswith(split + "/") for line in left_out)
             for split, images in splits.items()}
    if not count["train"]:
        raise SystemExit(f"No image in {folder / 'train'} can be read; {unreadable} says why.")
    _write(index, {"source": source, "name": folder.resolve().name or "images", "classes": classes, "pictures": count})
    say(f"{count['train']:,} images for training and {count['val']:,} for testing, of {len(classes):,} classes, "
        f"are in {shards}")
    if left_out:
        say("\n  ".join([f"Left out, because they cannot be read ({len(left_out)}, also listed in {unreadable}):",
                         *left_out]))


def _write(path, content):
    with record.replacing(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
