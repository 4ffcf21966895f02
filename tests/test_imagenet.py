"""ImageNet: shards read back exactly, odd files, interruptions, labels, crops, and one script from end to end."""

import io
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path, PureWindowsPath

from importing import imported

import numpy as np
import pytest
from conftest import FEW, FULL, HEAD, ROOT, one_sentence
from PIL import Image

tensorflow = pytest.importorskip("tensorflow")
import imagenet  # noqa: E402
import inception  # noqa: E402
from common import label_noise, record, speed  # noqa: E402

import keras  # noqa: E402

BUILD = ROOT / "Inception v3" / "build_imagenet_data.py"
build = imported(BUILD)


def image(seed, mode="RGB", kind="JPEG", size=(40, 30)):
    """An image of random colors in blocks of 10 by 10, as the bytes of a file."""
    pixels = np.random.RandomState(seed).randint(0, 256, (size[1] // 10, size[0] // 10, 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels.repeat(10, axis=0).repeat(10, axis=1)).convert(mode).save(content, kind)
    return content.getvalue()


@pytest.fixture
def tree(tmp_path):
    """Three classes, 120 images each for training and 4 for testing."""
    folder = tmp_path / "my images"
    for split, count in ("train", 120), ("val", 4):
        for label in "n03", "n01", "n02":
            (folder / split / label).mkdir(parents=True)
            for k in range(count):
                (folder / split / label / f"{label}_{k}.JPEG").write_bytes(image(k))
    return folder


def stored(shards, split):
    """Name to (bytes, label) of everything in the shards of a split."""
    source = imagenet.Shards(shards, split, 0)
    return {name.numpy().decode(): (content.numpy(), int(label)) for content, label, name in source.records(None)}


def load(shards, limit=None, seed=0, **options):
    """What imagenet.load returns for a run on these shards."""
    run = types.SimpleNamespace(dataset="imagenet", data=shards, limit=limit, seed=seed, provenance={})
    return imagenet.load(run, **{"batch_size": 50, "image_size": 75} | options)


def test_shards_hold_the_images_exactly_on_a_system_that_does_not_use_utf_8(tree, tmp_path):
    """As Windows: text files need their encoding said, and the terminal cannot show every name."""
    whole = {split: {f"{path.parent.name}/{path.name}": (path.read_bytes(), int(path.parent.name[2]) - 1)
                     for path in (tree / split).glob("*/*.JPEG")} for split in ("train", "val")}
    (tree / "train" / "n01" / "caf\u00e9.JPEG").write_bytes(b"Not found")
    strict = [f"-Werror::EncodingWarning:{module}" for module in ("__main__", "imagenet", "distribution")]
    process = subprocess.run([sys.executable, "-X", "warn_default_encoding", *strict, BUILD, tree, tmp_path / "shards"],
                             text=True, capture_output=True, cwd=tmp_path,
                             env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert process.returncode == 0, process.stderr
    assert r"train/n01/caf\xe9.JPEG: not an image" in process.stdout
    assert "360 images for training and 12 for testing, of 3 classes" in process.stdout
    shards = tmp_path / "shards"
    assert {path.name for path in shards.iterdir()} == {"imagenet.json", "unreadable.txt", "val-00000-of-00001", *(
        f"train-{number:05}-of-00003" for number in range(3))}
    assert "caf\u00e9.JPEG" in (shards / "unreadable.txt").read_text(encoding="utf-8")
    for split in "train", "val":
        assert stored(shards, split) == whole[split]
    index = json.loads((shards / "imagenet.json").read_text(encoding="utf-8"))
    assert index["classes"] == ["n01", "n02", "n03"] and index["pictures"] == {"train": 360, "val": 12}


@pytest.mark.parametrize("stdout, before", [(None, "os.close(1); sys.stdout = None"), (None, HEAD),
                                            pytest.param("/dev/full", "", marks=FULL)],
                         ids=["closed", "head", "full disk"])
def test_a_build_that_nobody_watches(tmp_path, forks, stdout, before):
    (tmp_path / "few" / "train" / "n01").mkdir(parents=True)
    (tmp_path / "few" / "train" / "n01" / "x.JPEG").write_bytes(image(0))
    process = forks.run(BUILD, tmp_path / "few", tmp_path / "shards", stdout=stdout, before=before)
    assert process.returncode == 0 and "Traceback" not in process.stderr, process.stderr
    assert imagenet.read_index(tmp_path / "shards")["pictures"] == {"train": 1, "val": 0}


def test_a_killed_build_goes_on(tree, tmp_path, forks):
    build.build(tree, tmp_path / "at once", None, workers=1)
    shards = tmp_path / "killed"
    # The process ends itself, as if killed, when it begins its second shard.
    code = ("from common import record\nreplacing, begun = record.replacing, []\n"
            "def killed(path):\n    if path.name.startswith('train'):\n        begun.append(path)\n"
            "    if len(begun) == 2:\n        os._exit(9)\n    return replacing(path)\n"
            "record.replacing = killed")
    process = forks.run(BUILD, tree, shards, "--workers", "1", before=code)
    assert process.returncode == 9, process.stderr
    kept, = shards.glob("train-*")
    before = kept.stat().st_mtime_ns
    (shards / f".1.part.{kept.name}").write_bytes(b"half")
    with pytest.raises(SystemExit, match="not complete.*resumes"):
        load(shards)
    build.build(tree, shards, None, workers=1)
    assert kept.stat().st_mtime_ns == before, "what is there is not made again"
    whole, resumed = ({path.name: path.read_bytes() for path in folder.iterdir()}
                      for folder in (tmp_path / "at once", shards))
    assert resumed == whole


def test_odd_images(tmp_path, capsys):
    folder = tmp_path / "odd" / "train" / "n01"
    folder.mkdir(parents=True)
    contents = {"rgb": image(1), "gray": image(2, "L"), "cmyk": image(3, "CMYK"),
                "png": image(4, kind="PNG"), "truncated": image(5)[:700], "text": b"Not found", "empty": b""}
    for name, content in contents.items():
        (folder / f"{name}.JPEG").write_bytes(content)
    (folder / "notes.txt").write_text("not an image, and not looked at", encoding="utf-8")
    shards = tmp_path / "shards"
    build.build(tmp_path / "odd", shards, None, workers=1)
    found = stored(shards, "train")
    assert set(found) == {f"n01/{name}.JPEG" for name in ("rgb", "gray", "cmyk", "png")}
    for content, _ in found.values():
        assert tensorflow.io.decode_jpeg(content).shape == (30, 40, 3)
    pixels = np.asarray(Image.open(io.BytesIO(contents["png"])), float)
    assert abs(tensorflow.io.decode_jpeg(found["n01/png.JPEG"][0]).numpy() - pixels).mean() < 15
    said = capsys.readouterr().out
    assert "cannot be read (3" in said
    assert all(f"train/n01/{name}.JPEG" in said for name in ("truncated", "text", "empty"))
    assert imagenet.read_index(shards)["pictures"] == {"train": 4, "val": 0}
    train, test, classes = load(shards)
    assert (len(list(train.pipeline().unbatch())), test, classes) == (4, None, 1)


@pytest.mark.parametrize("line", ["{label}", "{name} {label}", "{name},{label} 1 2 3 4"])
def test_flat_val_with_its_list(tree, tmp_path, line):
    """As ImageNet comes: val/ILSVRC2012_val_00000001.JPEG, and a list."""
    lines = []
    for path in sorted((tree / "val").glob("*/*.JPEG")):
        path.rename(tree / "val" / path.name)
        lines.append(line.format(name=path.stem, label=path.parent.name))
    if "{name}" in line:
        lines = ["ImageId,PredictionString", *reversed(lines)]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = build.find_images(tree, "val", tmp_path / "list.txt")
    assert len(found) == 12 and all(name.startswith(label) for name, label in found)


@pytest.mark.parametrize("content, says", [
    (None, "cannot be read"), ("n01\nn02\n", "2 lines for 12 images"), ("1\n" * 12, "gives numbers in place"),
    ("n01_0 n01\nn01_1 n01\n", r"gives no class for 10 images \(the first is n01_2.JPEG\) in .*val"),
])
def test_list_that_does_not_fit(tree, tmp_path, content, says):
    for path in (tree / "val").glob("*/*.JPEG"):
        path.rename(tree / "val" / path.name)
    if content is not None:
        (tmp_path / "list.txt").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match=says):
        build.find_images(tree, "val", tmp_path / "list.txt")


def rows_of(tree):
    """Makes val/ flat; returns the lines of its list."""
    return [f"{Path(name).stem},{label}" for name, label in flatten(tree, tree / "val")]


def classes_listed(tree, lines):
    (tree / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return build.find_images(tree, "val", tree / "list.csv")


def test_a_list_with_two_classes_for_one_image(tree):
    rows = rows_of(tree)
    right = classes_listed(tree, rows)
    assert classes_listed(tree, [*rows, rows[2], "some/folder/n01_3.jpg,n01"]) == right, "twice the same does no harm"
    for again in "n01_2,n03", "n01_2.JPEG,n03", "val/n01_2.jpg,n03", r"val\n01_2.JPEG,n03":
        with pytest.raises(SystemExit, match="gives n01_2.JPEG two classes, n01 and n03. Delete the line"):
            classes_listed(tree, [*rows, again])


def test_a_list_with_images_that_are_not_there(tree):
    rows = rows_of(tree)
    header = "ImageId,PredictionString"
    right = classes_listed(tree, rows)
    assert classes_listed(tree, [header, *rows]) == right
    for lines in [*rows, "n01_77,n01"], ["n01_77.JPEG,n01", *rows], [header, "n01_77 1,n09", *rows]:
        with pytest.raises(SystemExit, match=r"names 1 image \(n01_77.*\) not in .*val. Delete the lines"):
            classes_listed(tree, lines)
    with pytest.raises(SystemExit, match=r"names 2 images \(the first is n01_77\) not in .*val. Delete the lines"):
        classes_listed(tree, [header, "n01_77,n01", *rows, "n01_78,n01"])


def test_images_whose_names_differ_in_their_ending_or_have_dots(tree):
    rows = rows_of(tree)
    for name in "n01_0.png", "n01.2.JPEG":
        (tree / "val" / name).write_bytes(image(0))
    rows[0] = "n01_0.JPEG,n01"
    found = dict(classes_listed(tree, [*rows, "n01_0.png,n02", "n01.2,n03"]))
    assert (found["n01_0.JPEG"], found["n01_0.png"], found["n01.2.JPEG"]) == ("n01", "n02", "n03")


def test_trees_that_cannot_be_used(tree, tmp_path, forks):
    assert "There are no images" in one_sentence(forks.run(BUILD, tmp_path / "nowhere", tmp_path / "shards"))
    build.build(tree, tmp_path / "shards", None, workers=1)
    (tree / "val" / "n01").rename(tree / "val" / "n09")
    with pytest.raises(SystemExit, match="has a class n09 that is not in train"):
        build.build(tree, tmp_path / "other", None, workers=1)
    shutil.rmtree(tree / "val")
    with pytest.raises(SystemExit, match="shards of other images"):
        build.build(tree, tmp_path / "shards", None, workers=1)
    (tree / "train" / "stray.JPEG").write_bytes(image(0))
    with pytest.raises(SystemExit, match="stray.JPEG is not in the folder of a class"):
        build.build(tree, tmp_path / "other", None, workers=1)


# As people's images come

def flatten(tree, folder):
    """Moves the images of val/ into one folder; returns their names and classes."""
    folder.mkdir(exist_ok=True)
    return [(path.rename(folder / path.name).name, path.parent.name) for path in sorted(
        (tree / "val").glob("n*/*.JPEG"))]


def test_tiny_imagenet_as_it_is_downloaded(tree):
    rows = flatten(tree, tree / "val" / "images")
    for label in "n01", "n02", "n03":
        (tree / "val" / label).rmdir()
    (tree / "val" / "val_annotations.txt").write_text("".join(f"{name}\t{label}\t0\t0\t62\t57\n"
                                                              for name, label in rows),
                                                   encoding="utf-8")
    assert sorted(build.find_images(tree, "val")) == sorted((f"images/{name}", label) for name, label in rows)


@pytest.mark.parametrize("line", ['"{name}","{label}"', "{name}\t{label}", "{name} {label}"])
def test_lists_with_quotes_spaces_and_a_mark_of_the_encoding(tree, tmp_path, line):
    (tree / "train" / "n01").rename(tree / "train" / "tabby cat")
    rows = [(f"my {name}", "tabby cat" if label == "n01" and " " not in line.strip() else label)
            for name, label in flatten(tree, tree / "val")]
    for name, _ in rows:
        (tree / "val" / name.removeprefix("my ")).rename(tree / "val" / name)
    (tmp_path / "list.csv").write_text("".join(line.format(name=name, label=label) + "\n" for name, label in rows),
                                       encoding="utf-8-sig")
    assert build.find_images(tree, "val", tmp_path / "list.csv") == sorted(rows)


@pytest.mark.skipif(os.name == "nt", reason="a link needs a privilege there")
def test_folders_of_classes_may_be_links(tree, tmp_path):
    (tmp_path / "few" / "train").mkdir(parents=True)
    (tmp_path / "few" / "train" / "n02").symlink_to(tree / "train" / "n02")
    found = build.find_images(tmp_path / "few", "train")
    assert found and {label for _, label in found} == {"n02"}


def test_a_file_that_cannot_be_read_ends_the_build(tmp_path, monkeypatch):
    """It is no damaged image: once it can be read, the same command goes on."""
    path = tmp_path / "few" / "train" / "n01" / "x.JPEG"
    path.parent.mkdir(parents=True)
    path.write_bytes(image(0))
    with monkeypatch.context() as now:
        now.setattr(Path, "read_bytes", lambda path: open(path / "no file", "rb"))
        with pytest.raises(SystemExit, match="x.JPEG cannot be read .*run the same command again"):
            build.build(tmp_path / "few", tmp_path / "shards", None, 1)
    build.build(tmp_path / "few", tmp_path / "shards", None, 1)
    assert imagenet.read_index(tmp_path / "shards")["pictures"] == {"train": 1, "val": 0}


def test_what_fills_the_last_batch_up_changes_no_mean(monkeypatch):
    """Keras divides a sum over weighted images by the number of all: three images on eight devices."""
    monkeypatch.setattr(imagenet.distribution, "devices", lambda: 8)
    images = imagenet.Images(imagenet.Generated(np.zeros((3, 80, 80, 3), np.uint8), np.arange(3)), 3, 3, 75, 8)
    (inputs, labels, weights), = images.pipeline()
    assert inputs.shape == (8, 75, 75, 3) and labels.numpy().tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    np.testing.assert_allclose(weights, [8 / 3] * 3 + [0] * 5)
    with pytest.raises(SystemExit, match="training images are 7, fewer than the 8 devices"):
        imagenet.load(types.SimpleNamespace(dataset="synthetic", limit=7, seed=0, provenance={}), 8, 75)


def test_a_list_that_is_not_needed(tree, tmp_path):
    (tmp_path / "list.txt").write_text("n01\n" * 12, encoding="utf-8")
    with pytest.raises(SystemExit, match="--val-labels is not needed"):
        build.find_images(tree, "val", tmp_path / "list.txt")


def test_a_list_for_images_that_are_not_there(tree, tmp_path):
    (tree / "val").rename(tree / "validation")
    with pytest.raises(SystemExit, match="no images in .*val, so --val-labels has nothing to name"):
        build.find_images(tree, "val", tmp_path / "list.txt")


def test_random_crops_are_of_the_area_that_is_said_mirrored_and_of_other_colors(monkeypatch):
    monkeypatch.setattr(imagenet, "AREA", (0.02, 0.05))
    done, seen, resize = [], [], imagenet.tf.image.resize
    for name in "flip_left_right", "brightness", "saturation", "hue", "contrast":
        kept = getattr(imagenet.tf.image, f"stateless_random_{name}")
        monkeypatch.setattr(imagenet.tf.image, f"stateless_random_{name}", lambda image, *args, name=name, kept=kept: (
            done.append((name, *args[:-1])), kept(image, *args))[1])
    monkeypatch.setattr(imagenet.tf.image, "resize", lambda image, size: (
        seen.append(image.shape[:2]), resize(image, size))[1])
    images = imagenet.Images(imagenet.Generated(np.zeros((1, 200, 200, 3), np.uint8), np.zeros(1, int)), 1, 2, 75, 1,
                             random_crop=True)
    content = imagenet.tf.io.encode_jpeg(np.zeros((200, 200, 3), np.uint8))
    for number in range(20):
        images._image(content, imagenet.tf.constant(0, imagenet.tf.int64), "x", [0, number])
    areas, aspects = ([of(height, width) for height, width in seen]
                      for of in (lambda high, wide: high * wide / 200**2, lambda high, wide: wide / high))
    assert 0.015 < min(areas) <= max(areas) < 0.055
    assert 0.7 < min(aspects) < 0.95 and 1.05 < max(aspects) < 1.4
    assert set(done) == {("flip_left_right",), ("brightness", 32 / 255), ("saturation", 0.5, 1.5), ("hue", 0.2),
                         ("contrast", 0.5, 1.5)}


@pytest.mark.parametrize("tweak", [
    lambda images: setattr(images, "rows", np.arange(3)), lambda images: setattr(images, "labels", np.zeros(3)),
    lambda images: images.inputs, lambda images: images[0], label_noise.metrics])
def test_what_other_batches_have_is_refused_and_not_ignored(tweak):
    images = imagenet.Images(imagenet.Generated(np.zeros((3, 80, 80, 3), np.uint8), np.arange(3)), 3, 3, 75, 8)
    with pytest.raises(SystemExit, match="Images that are read from shards have no inputs, labels, rows"):
        tweak(images)


def test_a_name_that_is_not_utf_8(tree):
    try:
        (tree / "train" / "n01" / os.fsdecode(b"caf\xe9.JPEG")).write_bytes(image(0))
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no such name")
    with pytest.raises(SystemExit, match="caf.*is not UTF-8"):
        build.find_images(tree, "train")


class WindowsFolder(PureWindowsPath):
    """A folder on Windows, with three images."""

    def rglob(self, pattern):
        return [self / name for name in (r"n01\b.JPEG", r"n01\C.JPEG", r"A\n\x.JPEG")]

    def glob(self, pattern):
        return []

    def exists(self):
        return False


def test_images_are_called_the_same_on_windows():
    """Their names decide on random labels and order: Windows has other separators, and sorts a before B."""
    assert build.find_images(WindowsFolder(r"C:\my images"), "train") == [
        ("A/n/x.JPEG", "A"), ("n01/C.JPEG", "n01"), ("n01/b.JPEG", "n01")]


def test_images_of_other_kinds_and_sixteen_bits():
    deep = io.BytesIO()
    Image.fromarray(np.full((20, 20), 32768, np.uint16)).save(deep, "PNG")
    assert abs(np.asarray(Image.open(io.BytesIO(build.as_rgb_jpeg(deep.getvalue()))), float) - 127.5).max() < 3
    assert {".webp", ".bmp", ".tif", ".gif"} <= build.ENDINGS
    drawing = np.zeros((20, 20, 4), np.uint8)  # black on transparent
    drawing[5:15, 5:15, 3] = 255
    Image.fromarray(drawing).save(clear := io.BytesIO(), "PNG")
    pixels = np.asarray(Image.open(io.BytesIO(build.as_rgb_jpeg(clear.getvalue()))))
    assert pixels[:3].min() > 200 and pixels[8:12, 8:12].max() < 50
    Image.fromarray(np.full((20, 20), 100_000, np.int32)).save(wide := io.BytesIO(), "TIFF")
    with pytest.raises(ValueError, match="not from 0 to 65535"):
        build.as_rgb_jpeg(wide.getvalue())


def test_images_that_have_changed_are_other_images(tree, tmp_path):
    build.build(tree, tmp_path / "shards", None, workers=1)
    (tree / "train" / "n01" / "n01_0.JPEG").write_bytes(image(0, size=(80, 80)))
    with pytest.raises(SystemExit, match="holds shards of other images than .*my images has now"):
        build.build(tree, tmp_path / "shards", None, workers=1)


def test_shards_of_another_size_are_replaced(tree, tmp_path, monkeypatch):
    build.build(tree, tmp_path / "shards", None, workers=1)
    monkeypatch.setattr(build, "SMALLEST_SHARD", 10_000)
    build.build(tree, tmp_path / "shards", None, workers=1)
    assert len(list((tmp_path / "shards").glob("train-*"))) == 1 and len(stored(tmp_path / "shards", "train")) == 360


@pytest.mark.parametrize("content", ["[]", '{"pictures": {"train": 1}}'])
def test_an_index_of_something_else(tmp_path, content):
    (tmp_path / imagenet.INDEX).write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit, match="imagenet.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("random_crop", [False, True])
def test_an_image_one_pixel_high_can_be_trained_on(tmp_path, random_crop):
    folder = tmp_path / "thin" / "train" / "n01"
    folder.mkdir(parents=True)
    for name, size in ("high", (1, 50)), ("wide", (50, 1)), ("dot", (1, 1)):
        content = io.BytesIO()
        Image.fromarray(np.full((size[1], size[0], 3), 255, np.uint8)).save(content, "JPEG")
        (folder / f"{name}.jpg").write_bytes(content.getvalue())
    build.build(tmp_path / "thin", tmp_path / "shards", None, workers=1)
    train, _, _ = load(tmp_path / "shards", random_crop=random_crop)
    (images, _), = train.pipeline()
    assert images.shape == (3, 75, 75, 3) and np.isfinite(images).all()


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "bad" / "train" / "n01").mkdir(parents=True)
    (tmp_path / "bad" / "train" / "n01" / "x.JPEG").write_bytes(b"Not found")
    with pytest.raises(SystemExit, match="No image in .*train can be read"):
        build.build(tmp_path / "bad", tmp_path / "shards", None, workers=1)


def test_a_damaged_shard_is_named_and_made_again(tree, tmp_path, capsys):
    shards = tmp_path / "shards"
    build.build(tree, shards, None, workers=1)
    path = shards / "train-00001-of-00003"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    train, _, _ = load(shards)
    hook, sys.excepthook = sys.excepthook, sys.__excepthook__
    with pytest.raises(tensorflow.errors.DataLossError) as found:
        list(train.pipeline())
    hook(found.type, found.value, None)
    assert f"The shard {path} is damaged" in capsys.readouterr().err
    build.build(tree, shards, None, workers=1)
    assert path.read_bytes() == whole
    path.write_bytes(b"")
    with pytest.raises(SystemExit, match="is empty"):
        load(shards)
    build.build(tree, shards, None, workers=1)
    assert path.read_bytes() == whole


# Feeding

@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for label in "n01", "n02":
        (folder / "train" / label).mkdir(parents=True)
        for k in range(100):
            (folder / "train" / label / f"{k}.JPEG").write_bytes(image(k + 1000 * int(label[2])))
    build.build(folder, folder / "shards", None, workers=1)
    return folder / "shards"


def shown(images, batches, epoch):
    images.set_epoch(epoch)
    inputs, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(inputs), np.concatenate(labels)


@pytest.mark.parametrize("random_crop", [False, True])
def test_an_epoch_shows_what_it_shows_however_it_is_come_to(shards, random_crop):
    train, _, _ = load(shards, random_crop=random_crop)
    batches = train.pipeline()
    assert len(batches) == 4 and batches.options().autotune.enabled is False
    first, second, again = (shown(train, batches, epoch) for epoch in (0, 1, 0))
    resumed, _, _ = load(shards, random_crop=random_crop)
    np.testing.assert_array_equal(second[0], shown(resumed, resumed.pipeline(), 1)[0])
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (200, 75, 75, 3) and -1 <= first[0].min() < -0.5 and 0.5 < first[0].max() <= 1
    assert (first[1] != second[1]).any() and sorted(first[1]) == sorted(second[1])
    # In the order as stored, without a crop, the same images come every time; with one, never.
    one, other = (np.sort(inputs.mean(axis=(1, 2, 3))) for inputs, _ in (first, second))
    assert np.allclose(one, other, atol=1e-6) is not random_crop


def test_another_seed_is_another_order_and_other_labels(shards):
    one, other = (load(shards, seed=seed)[0] for seed in (0, 1))
    assert (shown(one, one.pipeline(), 0)[0] != shown(other, other.pipeline(), 0)[0]).any()
    one, other = (load(shards, seed=seed, label_noise=1.0)[0].for_evaluation() for seed in (0, 1))
    assert (shown(one, one.pipeline(), 0)[1] != shown(other, other.pipeline(), 0)[1]).any()


def test_evaluation_sees_the_center_in_order(shards):
    train, _, _ = load(shards, label_noise=1.0, random_crop=True)
    in_order = train.for_evaluation()
    inputs, labels = shown(in_order, in_order.pipeline(), 0)
    records = list(imagenet.Shards(shards, "train", 200).records(None))
    content, label, name = records[7]
    expected = tensorflow.image.resize(tensorflow.io.decode_jpeg(content)[2:28, 2:37], (75, 75)) / 127.5 - 1
    np.testing.assert_allclose(inputs[7], expected, atol=1e-5)
    assert labels[7] == imagenet.random_label(label, name, 1.0, 0, 2)


def test_limit_is_the_first_images_in_every_epoch(shards):
    train, _, _ = load(shards, limit=30)
    batches = train.pipeline()
    means = [np.sort(shown(train, batches, epoch)[0].mean(axis=(1, 2, 3))) for epoch in (0, 1)]
    assert len(means[0]) == 30
    np.testing.assert_allclose(*means, atol=1e-6)
    every = load(shards)[0].for_evaluation()
    first = shown(every, every.pipeline(), 0)[0][:30]
    np.testing.assert_allclose(means[0], np.sort(first.mean(axis=(1, 2, 3))), atol=1e-6)
    with pytest.raises(SystemExit, match="--limit 201 is not from 1 to 200"):
        load(shards, limit=201)


def test_random_labels_are_a_function_of_name_and_seed():
    """These very labels are fitted by the published runs: they must never change."""
    names = tensorflow.constant([f"n{k:08}/n{k:08}_{k}.JPEG" for k in range(20000)])
    true = tensorflow.zeros(20000, tensorflow.int64)

    def drawn(probability, seed, classes=10):
        return imagenet.random_label(true, names, probability, seed, classes).numpy()

    assert drawn(1.0, 0)[:12].tolist() == PINNED
    assert (drawn(1.0, 1) != drawn(1.0, 0)).mean() > 0.85
    counts = np.bincount(drawn(1.0, 0))
    assert abs(counts - 2000).max() < 5 * np.sqrt(2000 * 0.9)
    assert (drawn(0.0, 0) == 0).all()
    some, more = drawn(0.3, 0), drawn(0.6, 0)
    assert abs((some != 0).mean() - 0.27) < 0.02
    np.testing.assert_array_equal(more[some != 0], some[some != 0])


PINNED = [4, 2, 8, 3, 6, 0, 0, 5, 7, 7, 5, 6]


def started(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, options)])
    path = ROOT / "Inception v3" / "imagenet_inception_v3_wd.py"
    monkeypatch.setattr(speed, "fast_precision", lambda: "mixed_bfloat16")
    return imagenet.start(vars(imported(path)) | {"__file__": str(path)})


def test_a_run_is_named_after_its_images_and_has_no_figures_of_the_paper(shards, monkeypatch, tmp_path):
    run = started(monkeypatch, "--data", shards, "--image-size", "75", "--out", tmp_path)
    name = shards.parent.name
    assert run.paper == {} and run.title == f"Inception v3 on ImageNet, weight decay (image-size-75, {name})"
    assert run.stem.name == f"imagenet_inception_v3_wd--image-size-75--{name}", "it replaces no run on ImageNet"
    assert imagenet.load(run, 64, 75)[0].settings == {"batch_size": 64, "label_noise": 0, "random_crop": False,
                                                      "pictures": name, "classes": 2}


def test_a_run_on_all_of_imagenet_has_the_papers_figures_and_its_scripts_name(shards, monkeypatch, tmp_path):
    monkeypatch.setattr(imagenet, "ALL_OF_IMAGENET", 200)  # as many as there are here
    assert started(monkeypatch, "--data", shards, "--out", tmp_path).stem.name.endswith(f"_wd--{shards.parent.name}")
    monkeypatch.setattr(imagenet, "CLASSES", 2)
    run = started(monkeypatch, "--data", shards, "--out", tmp_path)
    assert run.stem.name == "imagenet_inception_v3_wd" and run.paper == {"paper_train": 90.60, "paper_test": 67.18}


@pytest.mark.parametrize("options, says", [({"image_size": 74}, "size 74 are too small.*75 or more"),
                                           ({"label_noise": 1.5}, "label noise 1.5 is not a probability"),
                                           ({"batch_size": 0}, "batch size 0 cannot be")])
def test_numbers_that_are_not_possible(shards, options, says):
    with pytest.raises(SystemExit, match=says):
        load(shards, **options)


# Scripts

SCRIPTS = sorted((ROOT / "Inception v3").glob("imagenet_*.py"))


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.stem.endswith(
    ("_v3", "_dropout_wd_rand_labels"))], ids=lambda path: path.stem)
def test_model(script):
    """What sets the other scripts apart, test_scripts.py compares."""
    keras.utils.clear_session()
    model = imported(script).build_model(75, 10)
    assert model.count_params() == 21_802_784 + 2048 * 10 + 10  # Szegedy et al., 2016, without its top
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert len(model.losses) == len(kernels) * ("_wd" in script.stem)
    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.layers) == ("dropout" in script.stem)


def test_a_script_from_end_to_end(tmp_path, forks):
    script = ROOT / "Inception v3" / "imagenet_inception_v3_dropout_wd_rand_labels.py"
    options = ["--dataset", "synthetic", "--limit", "8", "--image-size", "75", "--epochs", "2",
               "--learning-rate-decay", "0.5"]
    process = forks.run(script, *options, "--out", tmp_path, before=FEW, picture=True)
    assert process.returncode == 0, process.stderr
    model, = tmp_path.glob("*.h5")
    told = record.read(model)
    assert {"train_accuracy", "train_top_5", "test_accuracy", "test_top_5"} <= set(told)
    np.testing.assert_allclose(told["history"]["learning_rate"], [0.05, 0.025])
    assert told["title"].startswith("Inception v3 on ImageNet, dropout, weight decay, random labels (synthetic")
    loaded = keras.models.load_model(model, compile=False)
    np.testing.assert_allclose(loaded(told["probe"]["inputs"], training=False), told["probe"]["outputs"], rtol=1e-3)


@pytest.mark.parametrize("trained", [False, True])
def test_the_weights_of_a_trained_model_are_kept_and_initial_ones_drawn_again(trained):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    if trained:
        model.layers[1].moving_mean.assign([0.0, 0.0, 0.0, 1.0])
    kernels = [network.layers[0].get_weights()[0] for network in (model, inception.rebuilt(model))]
    assert np.array_equal(*kernels) is trained


def test_weights_without_batch_normalization_are_kept_and_a_model_in_a_model_is_rebuilt_too():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    np.testing.assert_array_equal(*(network.get_weights()[0] for network in (model, inception.rebuilt(model))))
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    outer = inception.rebuilt(keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Flatten()]),
                              keras.regularizers.L2(0.1))
    assert len(outer.losses) == 1
    assert any(type(layer) is inception.BatchNormalization for layer in outer._flatten_layers())


def test_the_penalty_is_on_every_kernel():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(4, 3), keras.layers.Conv2D(4, 3)])
    assert len(inception.rebuilt(model, keras.regularizers.L2(0.1)).losses) == 3


def test_no_data(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="No such file.*build_imagenet_data.py, or give another folder with --data"):
        load(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("common.data.__file__", str(tmp_path / "common" / "data.py"))
    with pytest.raises(SystemExit, match="build_imagenet_data.py.*--data.*synthetic"):
        load(None)


def test_shards_of_another_program_are_not_taken_for_ours(tree, tmp_path):
    """As TensorFlow's own, which have these names and other labels."""
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "train-00000-of-01024").touch()
    with pytest.raises(SystemExit, match="holds shards without an imagenet.json"):
        build.build(tree, tmp_path / "shards", None, workers=1)


def test_hidden_files_and_folders_are_no_images(tree):
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    for name in ".ipynb_checkpoints/x.JPEG", "n01/._n01_0.JPEG":
        (tree / "train" / name).write_bytes(image(0))
    assert len(build.find_images(tree, "train")) == 360


def test_missing_shard(tree, tmp_path):
    build.build(tree, tmp_path / "shards", None, workers=1)
    (tmp_path / "shards" / "train-00001-of-00003").unlink()
    with pytest.raises(SystemExit, match="2 of 3 shards of train"):
        load(tmp_path / "shards")
