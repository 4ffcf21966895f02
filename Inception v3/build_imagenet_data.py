"""Packs ImageNet, or any pictures in one folder per class, into the shards that the scripts here train on.

    python build_imagenet_data.py IMAGENET SHARDS

IMAGENET/train/<class>/*.JPEG, and IMAGENET/val/<class>/*.JPEG if there is a held-out set, become
SHARDS/train-00000-of-01024, ... and SHARDS/val-00000-of-00128, ..., TFRecord files with the pictures in a random
order, and SHARDS/imagenet.json, which tells the classes and how many pictures there are.  Fewer shards where a shard
would hold less than a hundred pictures.  The label of a class is its place in alphabetical order, from 0.

ImageNet's own val/ is one flat folder.  Which class each picture is of is then read from --val-labels, a list with a
line for each picture: "<class>" in the order of the pictures' names, or "<picture> <class>" or "<picture>,<class> ..."
in any order (as in Kaggle's LOC_val_solution.csv).  Tiny ImageNet brings its list along, val/val_annotations.txt.

What is no RGB JPEG (ImageNet has a PNG and CMYK pictures under that name, and greyscale ones; .webp, .bmp, .tif and
.gif) is made one.  Pictures that cannot be read are left out and listed at the end.  An interrupted run resumes when it
is started again.
"""

import argparse
import concurrent.futures
import csv
import hashlib
import io
import json
import os
from pathlib import Path

import imagenet
from common import record

import keras
import numpy as np
import tensorflow as tf

try:
    from PIL import Image, UnidentifiedImageError
except ImportError:
    raise SystemExit("Images are read by Pillow. Run 'pip install pillow'.") from None

ENDINGS = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
TINY_IMAGENET_LIST = "val_annotations.txt"
MOST_SHARDS = {"train": 1024, "val": 128}  # as ImageNet is usually split
SMALLEST_SHARD = 100  # pictures, where there are that many
UNREADABLE = "unreadable.txt"


def find_pictures(folder, split, val_labels=None):
    """Finds the pictures of a split.

    Args:
        folder: pathlib.Path of the tree.
        split: "train" or "val".
        val_labels: path of the list for a flat val/.

    Returns:
        List of (path relative to the split's folder, class), sorted by path; empty where there is no such split.

    Raises:
        SystemExit: with a sentence, when pictures and list do not fit.
    """
    train, folder = folder / "train", folder / split
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    for path in found:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise SystemExit(f"The name of {ascii(str(folder / path))} is no UTF-8. Rename it.") from None
    # Tiny ImageNet's val/ has its pictures in one folder, images/, and the list beside that.
    flat = [path for path in found if len(path.parts) == 1 or (
        len(path.parts) == 2 and path.parts[0] == "images" and not (train / "images").exists())]
    if not flat:
        if split == "val" and val_labels is not None and found:
            raise SystemExit(f"The pictures of {folder} lie in folders of their classes, so that --val-labels is of no "
                             "use. Leave it out.")
        return [(str(path), path.parts[0]) for path in found]
    if val_labels is None and (folder / TINY_IMAGENET_LIST).exists():
        val_labels = folder / TINY_IMAGENET_LIST
    if len(flat) < len(found) or split == "train" or val_labels is None:
        raise SystemExit(f"{folder / flat[0]} lies in no class's folder. Put it into one, or, for a flat val/, give "
                         "the list of its classes with --val-labels.")
    classes = {path.name for path in train.iterdir()} if train.exists() else set()
    return [(str(path), label) for path, label in zip(found, _listed_classes(val_labels, found, classes), strict=True)]


def _listed_classes(path, pictures, known):
    """The class of each picture, as the list says; `known` are the classes there are."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # some programs begin a file with a mark of its encoding
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"The list {path} cannot be read ({error}).") from None
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        separator = next((mark for mark in "\t," if mark in line), None)
        if separator:
            row = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        else:
            row = [line] if line in known else line.rsplit(maxsplit=1)  # a picture's name may have spaces
        rows.append([row[0], *(entry if entry in known else entry.split(" ")[0] for entry in row[1:2])])
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(pictures):
            raise SystemExit(f"The list {path} has {len(rows)} lines for {len(pictures)} pictures. It needs one each.")
        classes = [row[0] for row in rows]
        if all(name.isdigit() for name in classes):
            raise SystemExit(f"The list {path} gives numbers, whose meaning only ILSVRC's development kit tells. Give "
                             "one that names classes (n01440764 ...), as Kaggle's LOC_val_solution.csv does.")
        return classes
    by_name = {Path(row[0]).stem: row[1] for row in rows if len(row) > 1}
    missing = [picture for picture in pictures if picture.stem not in by_name]
    if missing:
        raise SystemExit(f"The list {path} does not tell the class of {missing[0]}"
                         + (f" and {len(missing) - 1} other pictures." if missing[1:] else "."))
    return [by_name[picture.stem] for picture in pictures]


def as_rgb_jpeg(content):
    """Checks a picture by decoding it; what is no RGB JPEG is converted.

    Args:
        content: bytes of the file.

    Returns:
        bytes of an RGB JPEG, the same ones where it was one.

    Raises:
        Exception: of nearly any kind, when it cannot be decoded.
    """
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        if picture.format == "JPEG" and picture.mode == "RGB":
            return content
        if picture.mode == "F":
            raise ValueError("its values are fractions, without a known range")
        if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
            picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
        converted = io.BytesIO()
        picture.convert("RGB").save(converted, "JPEG", quality=95)
        return converted.getvalue()


def write_shard(path, folder, pictures, labels):
    """Writes one shard, whole or not at all, and notes the pictures that cannot be read in UNREADABLE beside it.

    Args:
        path: pathlib.Path of the shard.
        folder: pathlib.Path that the pictures' paths begin at.
        pictures: list of (path, class).
        labels: dict, class to label.

    Returns:
        Number of pictures gone through.
    """
    unreadable = []
    with record.replacing(path) as part:
        try:
            with tf.io.TFRecordWriter(str(part)) as writer:
                for name, label in pictures:
                    try:
                        content = as_rgb_jpeg((folder / name).read_bytes())
                    except Exception as error:  # a damaged picture can raise nearly anything
                        reason = "no picture" if isinstance(error, UnidentifiedImageError) else error
                        unreadable.append(f"{folder.name}/{name}: {reason}\n")
                        continue
                    writer.write(imagenet.serialized(content, labels[label], name))
        except tf.errors.OpError as error:
            raise OSError(error.message) from None
        if unreadable:
            with open(path.with_name(UNREADABLE), "a") as file:
                file.write("".join(unreadable))
    return len(pictures)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("imagenet", type=Path, metavar="IMAGENET", help="folder with train/ and val/")
    parser.add_argument("shards", type=Path, metavar="SHARDS", help="folder to write to; made if it is not there")
    parser.add_argument("--val-labels", type=Path, metavar="FILE", help="the classes of a flat val/")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N",
                        help="shards to make at a time (default: %(default)s, one for each core)")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers must be 1 or more")
    build(options.imagenet, options.shards, options.val_labels, options.workers)


def build(folder, shards, val_labels, workers):
    """Builds the shards that are missing, then imagenet.json.

    Raises:
        SystemExit: with a sentence, for a tree that cannot be used, a folder with shards of other pictures, and Ctrl-C.
    """
    splits = {split: find_pictures(folder, split, val_labels) for split in MOST_SHARDS}
    if not splits["train"]:
        raise SystemExit(f"There are no pictures in {folder / 'train'}. Name the folder that holds "
                         "train/<class>/*.JPEG.")
    classes = sorted({label for _, label in splits["train"]})
    strange = {label for _, label in splits["val"]} - set(classes)
    if strange:
        raise SystemExit(f"{folder / 'val'} has a class {min(strange)} that is not in train/. Take it out, or add it "
                         "there.")
    labels = {name: label for label, name in enumerate(classes)}

    try:
        shards.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"The folder {shards} cannot be made ({error.strerror}). Name another one.") from None
    index = shards / imagenet.INDEX
    source = hashlib.sha256(json.dumps(splits).encode()).hexdigest()
    if not index.exists():
        (shards / UNREADABLE).unlink(missing_ok=True)
        _write(index, {"source": source})  # from here on, the shards in this folder are of these pictures
    elif imagenet.read_index(shards).get("source") != source:
        raise SystemExit(f"{shards} holds shards of other pictures than {folder} has now. Name an empty folder, or "
                         "empty that one.")

    jobs = []
    for split, pictures in splits.items():
        pictures = [pictures[k] for k in np.random.RandomState(0).permutation(len(pictures))]
        count = min(MOST_SHARDS[split], max(1, len(pictures) // SMALLEST_SHARD)) if pictures else 0
        for number in range(count):
            path = shards / f"{split}-{number:05}-of-{count:05}"
            jobs.append((path, folder / split, pictures[number::count], labels))
    missing = [job for job in jobs if not imagenet.intact(job[0])]
    if len(missing) < len(jobs):
        print(f"{len(jobs) - len(missing)} of {len(jobs)} shards are there already")
    progress = keras.utils.Progbar(sum(len(job[2]) for job in missing), unit_name="picture")
    # Threads will do: Python stands aside while a picture is decoded or a shard written.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(write_shard, *job) for job in missing]
        try:
            for future in concurrent.futures.as_completed(done):
                progress.add(future.result())
        except KeyboardInterrupt:
            raise SystemExit("\nStopped. Run the same command again to resume.") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    unreadable = shards / UNREADABLE
    left_out = sorted(set(unreadable.read_text().splitlines())) if unreadable.exists() else []
    count = {split: len(pictures) - sum(line.startswith(split + "/") for line in left_out)
             for split, pictures in splits.items()}
    if not count["train"]:
        raise SystemExit(f"No picture in {folder / 'train'} can be read; {unreadable} says why.")
    _write(index, {"source": source, "name": folder.resolve().name, "classes": classes, "pictures": count})
    print(f"{count['train']:,} pictures for training and {count['val']:,} for testing, of {len(classes):,} classes, "
          f"are in {shards}")
    if left_out:
        print(f"Left out, for they cannot be read ({len(left_out)}, also in {unreadable}):", *left_out, sep="\n  ")


def _write(path, content):
    with record.replacing(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
