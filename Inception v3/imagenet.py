"""ImageNet, or other images in shards as build_imagenet_data.py makes them, fed by tf.data."""

import functools
import json
import os
import sys

import distribution
from common import cifar10, data, experiment, say, speed

import keras

try:
    import tensorflow as tf
except ImportError:
    raise SystemExit("ImageNet's images are read by TensorFlow, whatever Keras computes with. Run 'pip install "
                     "tensorflow'.") from None

if keras.backend.backend() == "jax":
    tf.config.set_visible_devices([], "GPU")  # else TensorFlow takes the memory that JAX trains in

INDEX = "imagenet.json"
NUMBERED = "-?????-of-?????"  # how the shards' names end
SMALLEST = 75  # height and width of the smallest images that Inception v3 takes, in pixels
CLASSES = 1000  # of ImageNet
ALL_OF_IMAGENET = 1_000_000  # a training set at least this large is taken to be all of ImageNet (1,281,167 images)
SHUFFLE = 2048        # records in memory that the next one is drawn from; the shards themselves are in random order
CENTER = 0.875        # of height and width: what the network sees of an image that is not cropped at random
AREA = 0.08, 1.0      # share of an image that a random crop covers
ASPECT = 3 / 4, 4 / 3  # width / height of a random crop


def start(script):
    """Joins the other processes of the training, if there are any, and starts a run as `experiment.start` does.

    Unless the images are all of ImageNet, their name becomes part of the run's, which then has no figures of the paper.

    Raises:
        SystemExit: with a sentence, as `experiment.start`; also when the shards cannot be read.
    """
    distribution.start()
    run = experiment.start(script, dataset="imagenet", part=_part)
    run.writes = distribution.process()[0] == 0
    if distribution.devices() > 1:
        # JAX raises many kinds of exceptions when a connection breaks.
        sys.excepthook = functools.partial(distribution.end_at_once, sys.excepthook)
    return run


def _part(options):
    """What the files' names call the images, where they are not all of ImageNet."""
    if options.dataset == "synthetic":
        return "synthetic"
    _, index = _shards(options.data)
    whole = index["pictures"]["train"] >= ALL_OF_IMAGENET and len(index["classes"]) == CLASSES
    return None if whole else index["name"]


def _shards(folder):
    """The folder of the shards, and what its index says."""
    folder = data.find_folder(folder, INDEX)
    if folder is None:
        raise SystemExit("ImageNet cannot be downloaded by a script. Make shards of it, or of any images, with "
                         "build_imagenet_data.py and give the folder with --data, or try --dataset synthetic.")
    index = read_index(folder)
    if "pictures" not in index:
        raise SystemExit(f"The shards in {folder} are not complete. Run build_imagenet_data.py again, which resumes.")
    return folder, index


def load(run, batch_size, image_size, label_noise=0, random_crop=False):
    """Loads the images of a run, as batches ready for `fit`.

    Args:
        run: an `experiment.Run`; its dataset, data, limit and seed are read.
        batch_size: images in a step of training, over all processes.
        image_size: height and width of what the network sees, in pixels.
        label_noise: probability that a training label is redrawn from all classes.
        random_crop: train on random crops of random size, mirrored and with other colors, drawn anew in each
            epoch; otherwise on the center of each image.

    Returns:
        (training, test, classes): two `Images`, the second one None where there is no test set, and the number of
        classes.

    Raises:
        SystemExit: with a sentence, when the images cannot be read, and for a batch size, an image size or a label
            noise that is not possible.
    """
    if type(batch_size) is not int or batch_size < 1 or batch_size % distribution.devices():
        count = distribution.devices()
        raise SystemExit(f"The batch size {batch_size} cannot be shared evenly among {count} devices. Give {count}, "
                         f"{2 * count} or another multiple of {count}.")
    if image_size < SMALLEST:
        raise SystemExit(f"Images of size {image_size} are too small for Inception v3. Give {SMALLEST} or more, or, "
                         "for another network, change SMALLEST in imagenet.py.")
    if not 0 <= label_noise <= 1:
        raise SystemExit(f"The label noise {label_noise:g} is not a probability. Give a number from 0 to 1.")
    if run.dataset == "synthetic":
        name, classes = "synthetic", 10
        splits = [Generated(*split) for split in cifar10.synthetic("ImageNet")]
    else:
        folder, index = _shards(run.data)
        sys.excepthook = functools.partial(_name_damaged_shard, folder, sys.excepthook)
        name, classes = index["name"], len(index["classes"])
        run.provenance["data"] = index["source"]
        splits = [Shards(folder, split, count) for split, count in index["pictures"].items() if count]
    settings = {"batch_size": batch_size, "label_noise": label_noise, "random_crop": random_crop, "pictures": name,
                "classes": classes}
    count = data.limited(run, len(splits[0]))
    if count < distribution.devices():
        raise SystemExit(f"The training images are {count}, fewer than the {distribution.devices()} devices. Give more "
                         "images, or fewer devices.")
    train = Images(splits[0], count, classes, image_size, batch_size, random_crop,
                   label_noise, run.seed, shuffle=True, settings=settings, contents=run.provenance.get("data", name))
    test = [Images(split, len(split), classes, image_size, batch_size) for split in splits[1:]]
    return train, test[0] if test else None, classes


def _name_damaged_shard(folder, otherwise, kind, error, traceback):
    """Says which shard is damaged when reading one has ended the script, because TensorFlow does not say it."""
    damaged = next((path for path in sorted(folder.glob("[!.]*" + NUMBERED)) if not intact(path)), None) if (
        issubclass(kind, tf.errors.DataLossError)) else None
    if damaged:
        sentence = f"The shard {damaged} is damaged. Run build_imagenet_data.py again, which replaces it."
        distribution.end_at_once(lambda *_: say(sentence, file=sys.stderr), kind, error, traceback)
    else:
        otherwise(kind, error, traceback)


def serialized(content, label, name):
    """Makes a TFRecord from an image.

    Args:
        content: bytes of the JPEG.
        label: number of the class, from 0.
        name: path of the image within its split; its random label depends on it.

    Returns:
        bytes.
    """
    features = {"image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "image/filename": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()]))}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def read_index(folder):
    """Reads a folder's imagenet.json: what the shards hold.

    Returns:
        dict: source (digest of the images' names, classes and sizes); if the shards are complete also name, classes
        (list, in the order of their labels) and pictures (dict, split to number of images).

    Raises:
        SystemExit: with a sentence, when it cannot be read.
    """
    with data.reading(folder / INDEX, "Make the shards again with build_imagenet_data.py"):
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        needed = {"source", "name", "classes"} if "pictures" in index else {"source"}
        if lacking := needed - index.keys():
            raise ValueError(f"it lacks {min(lacking)}")
        return index


def random_label(label, name, probability, seed, classes):
    """Replaces the label, with the given probability, by a uniform draw from all classes.

    As in `label_noise.corrupt_labels` the draw is a hash, here of the seed and the image's name.  So an image keeps
    its label in every epoch, on every machine and with any number of processes, and no list of labels is needed.

    Args:
        label: int64 tensor, the true label.
        name: string tensor, path of the image within its split.
        probability: from 0 to 1.
        seed: integer, 0 or above.
        classes: number of classes drawn from.

    Returns:
        int64 tensor.

    Source: paper, section 2.1; https://www.tensorflow.org/api_docs/python/tf/strings/to_hash_bucket_strong
    """
    steps = 2**30
    chance = tf.strings.to_hash_bucket_strong(name, steps, [seed, 0])
    draw = tf.strings.to_hash_bucket_strong(name, classes, [seed, 1])
    return tf.where(chance < int(probability * steps), draw, label)


class Shards:
    """The records of a split, read from its shards.

    Raises:
        SystemExit: with a sentence, when a shard is missing.
    """

    def __init__(self, folder, split, count):
        self.count, self.paths = count, sorted(map(str, folder.glob(split + NUMBERED)))
        expected = int(self.paths[0][-5:]) if self.paths else 1
        if len(self.paths) != expected:
            raise SystemExit(f"{folder} holds {len(self.paths)} of {expected} shards of {split}. Run "
                             "build_imagenet_data.py again, which adds those that are missing.")
        for path in self.paths:
            if not os.path.getsize(path):
                raise SystemExit(f"The shard {path} is empty. Run build_imagenet_data.py again, which replaces it.")

    def __len__(self):
        return self.count

    def records(self, order):
        """(JPEG, label, name) of each image, in the order of the shards, or shuffled with `order` as the seed."""
        paths = tf.data.Dataset.from_tensor_slices(self.paths)
        if order is not None:
            paths = paths.shuffle(len(self.paths), seed=order, reshuffle_each_iteration=False)
        # Records of eight shards in turn: this mixes their images, and reads several files at a time.
        records = paths.interleave(tf.data.TFRecordDataset, cycle_length=8, num_parallel_calls=8, deterministic=True)
        features = {"image/encoded": tf.io.FixedLenFeature([], tf.string),
                    "image/class/label": tf.io.FixedLenFeature([], tf.int64),
                    "image/filename": tf.io.FixedLenFeature([], tf.string)}
        return records.map(lambda serialized: tuple(tf.io.parse_single_example(serialized, features)[name]
                                                    for name in features))


def intact(path):
    """Whether a shard is there, has at least one record, and the checksum of every record is right."""
    try:
        return sum(1 for _ in tf.data.TFRecordDataset(str(path))) > 0
    except tf.errors.OpError:
        return False


class Generated:
    """The records of generated images, which are uint8 of shape (n, height, width, 3)."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def records(self, order):
        numbers = tf.data.Dataset.range(len(self))
        if order is not None:
            numbers = numbers.shuffle(len(self), seed=order, reshuffle_each_iteration=False)
        images, labels = tf.constant(self.images), tf.constant(self.labels, tf.int64)
        return numbers.map(lambda k: (tf.io.encode_jpeg(images[k]), labels[k], tf.strings.as_string(k)))


class Images:
    """Batches of images and labels for Keras, (float32 of shape (batch, size, size, 3) from -1 to 1, int64).

    The images of an epoch, their order and their crops depend on seed and epoch only.  When several processes train
    together, each gets its part of every batch, and together they see what one process would see.  If the devices do
    not divide the number of images, each epoch leaves a few out.

    Args:
        source: `Shards` or `Generated`.
        count: number of images that are used, the first ones.
        classes: number of classes.
        size: height and width of what the network sees, in pixels.
        batch_size: images in a batch, over all processes.
        random_crop: as for `load`.
        label_noise: probability that a label is random.
        seed: of order, crops and random labels.
        shuffle: whether every epoch has another order.
        settings: dict of what the .h5 records about the images.
        contents: digest of all images' names, classes and sizes.
    """

    def __init__(self, source, count, classes, size, batch_size, random_crop=False, label_noise=0, seed=0,
                 shuffle=False, settings=None, contents=""):
        self.settings, self.contents = settings or {}, contents
        self.source, self.count, self.classes, self.size, self.batch_size = source, count, classes, size, batch_size
        self.random_crop, self.label_noise, self.seed, self.shuffle = random_crop, label_noise, seed, shuffle
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Sets the epoch that the next pass over the batches belongs to (0 is the first)."""
        self.epoch = epoch

    def _not_here(self, *_):
        raise SystemExit("Images that are read from shards have no inputs, labels, rows or batches by number. Change "
                         "imagenet.py's _image or random_label instead, and give the model an Input.")

    inputs = labels = rows = mislabeled = property(_not_here, _not_here)  # as other data sets' Batches have them
    __getitem__ = _not_here

    def digest(self):
        """A short text that tells these images from others."""
        return f"{self.count} of {self.contents}, label noise {self.label_noise}, seed {self.seed}"

    def __len__(self):
        uneven = self.count % distribution.devices()  # left out, or the last batch filled up: see `pipeline`
        count = self.count - uneven if self.shuffle else self.count + -uneven % distribution.devices()
        return -(-count // self.batch_size)

    def pipeline(self):
        """The batches as a tf.data.Dataset; images are decoded in parallel, while the network trains.

        Where the devices do not divide the number of images, batches for evaluation have weights, too, float32 of
        shape (batch,).
        """
        process, processes = distribution.process()
        uneven = self.count % distribution.devices()
        # The pipeline is built once and used in every epoch, so the number of the epoch is part of its data.
        epochs = tf.data.Dataset.from_generator(lambda: [self.epoch], output_signature=tf.TensorSpec((), tf.int64))
        records = epochs.flat_map(self._records)
        if uneven and self.shuffle:  # a few images are left out, other ones in every epoch
            records = records.take(self.count - uneven)
        elif uneven:  # the last batch is filled up with images of weight 0
            filling = distribution.devices() - uneven
            weight = 1 + filling / self.count  # as Keras divides the losses' sum by the number of all, these too
            records = records.map(lambda *record: (*record, weight)).concatenate(
                records.repeat().take(filling).map(lambda *record: (*record, 0.0)))
        # One call for each core; AUTOTUNE would mean 16 at most, as nothing is tuned here (see below).
        images = records.shard(processes, process).map(self._image, num_parallel_calls=os.cpu_count())
        ready = images.batch(self.batch_size // processes).prefetch(2)
        return speed.without_autotune(ready, len(self))

    def for_evaluation(self, count=None):
        """Batches of the same images and labels, or the first ones, in order, without random crops."""
        return Images(self.source, min(count or self.count, self.count), self.classes, self.size, self.batch_size,
                      label_noise=self.label_noise, seed=self.seed)

    def _records(self, epoch):
        """The records of an epoch, each with the seed of its random crop."""
        tf.random.set_seed(1)  # of this graph only: where Keras has set it to 0, shuffle's seed cannot be a tensor
        order = self.seed * 100_000 + epoch
        if not self.shuffle:
            records = self.source.records(None)
        elif self.count == len(self.source):
            records = self.source.records(order).shuffle(SHUFFLE, seed=order, reshuffle_each_iteration=False)
        else:  # of the first images only, which are the same in every epoch
            records = self.source.records(None).take(self.count)
            records = records.shuffle(min(self.count, 10 * SHUFFLE), seed=order, reshuffle_each_iteration=False)
        return records.take(self.count).enumerate().map(lambda number, record: (*record, tf.stack([order, number])))

    def _image(self, content, label, name, seed, *weight):
        label = random_label(label, name, self.label_noise, self.seed, self.classes)
        shape = tf.io.extract_jpeg_shape(content)
        if self.random_crop:
            seeds = tf.unstack(tf.random.split(seed, 6))
            begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
                shape, tf.zeros((1, 0, 4)), seeds[0], min_object_covered=0, aspect_ratio_range=ASPECT,
                area_range=AREA, max_attempts=10, use_image_if_no_bounding_boxes=True)
            window = tf.concat([begin[:2], extent[:2]], 0)
        else:
            extent = tf.maximum(1, tf.cast(tf.cast(shape[:2], tf.float32) * CENTER, tf.int32))
            window = tf.concat([(shape[:2] - extent) // 2, extent], 0)
        image = tf.image.decode_and_crop_jpeg(content, window, channels=3)
        image = tf.image.resize(image, (self.size, self.size)) / 255
        if self.random_crop:
            image = tf.image.stateless_random_flip_left_right(image, seeds[1])
            image = tf.image.stateless_random_brightness(image, 32 / 255, seeds[2])
            image = tf.image.stateless_random_saturation(image, 0.5, 1.5, seeds[3])
            image = tf.image.stateless_random_hue(image, 0.2, seeds[4])
            image = tf.image.stateless_random_contrast(image, 0.5, 1.5, seeds[5])
            image = tf.clip_by_value(image, 0, 1)
        return 2 * image - 1, label, *weight
