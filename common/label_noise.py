"""Random labels, and the training accuracy on examples with the true label and on mislabeled ones."""

import hashlib

from common import data, say

import keras
import numpy as np
from keras import ops


def corrupt_labels(labels, inputs, probability, seed, classes=10):
    """Replaces each label, with a probability from 0 to 1, by a uniform draw from all classes, in a new array.

    The draw is a hash of the seed and the example itself.  So an example keeps its label on every machine, in whatever
    order the data set is stored; and a label corrupted at one probability is corrupted, to the same class, at every
    higher one.  `labels` are integers, one for each of `inputs`.  Source: paper, section 2.1, "random labels".
    """
    hashes = b"".join(_hash(example, seed, 16) for example in inputs)
    chance, draw = np.frombuffer(hashes, "<u8").reshape(-1, 2).T.reshape(2, *labels.shape)  # 0 to 2**64 - 1
    return np.where(chance < probability * 2.0**64, draw % classes, labels).astype(labels.dtype)


def random_state(example, seed):
    """A numpy RandomState that is a function of the example and the seed alone, whatever its place in the data set."""
    return np.random.RandomState(int.from_bytes(_hash(example, seed, 4), "little"))


def _hash(example, seed, size):
    return hashlib.blake2b(example.tobytes(), digest_size=size, key=int(seed).to_bytes(8, "little")).digest()


def training_part(run, inputs, labels, probability, classes):
    """Takes a run's training examples from the whole set, up to its limit, and adds label noise; returns (inputs,
    labels, mislabeled), the last an array of bools, or None if no label is wrong or all are redrawn."""
    if not 0 <= probability <= 1:
        raise SystemExit(f"The label noise {probability:g} is no probability. Give a number from 0 to 1.")
    inputs, true = (part[:data.limited(run, len(part))] for part in (inputs, labels))
    if not probability:
        return inputs, true, None
    labels = corrupt_labels(true, inputs, probability, run.seed, classes)
    say(f"Random labels (probability {probability:g}, seed {run.seed}): {np.mean(labels == true):.1%} of the training "
        "labels are still the true ones.")
    return inputs, labels, (labels != true if probability < 1 and (labels != true).any() else None)


def metrics(train):
    """What a script adds to its metrics: accuracy_clean and accuracy_mislabeled where label noise lies between 0 and 1,
    which show what is learned first (Arpit et al., 2017, "A Closer Look at Memorization in Deep Networks")."""
    known = train.mislabeled is not None and type(train).__getitem__ is data.Batches.__getitem__  # as they were loaded
    return [CleanAndMislabeled(train)] if known and np.array_equal(train.labels, train.loaded_labels) else []


class CleanAndMislabeled(keras.metrics.Metric):
    """Training accuracy on examples with the true label and on mislabeled ones; meaningless in a test pass."""

    NAMES = "accuracy_clean", "accuracy_mislabeled"

    def __init__(self, train):
        super().__init__(name="clean_and_mislabeled")
        self.train, train.metric = train, self  # so that train.set_epoch can reset this metric
        self.groups = self.add_weight((max(len(train.labels), len(train.rows)),), "zeros", "int32", name="groups")
        self.seen = self.add_weight((), "zeros", "int32", name="seen")
        self.parts = [keras.metrics.SparseCategoricalAccuracy(name) for name in self.NAMES]

    def reset_state(self):
        super().reset_state()
        self.groups.assign(np.resize(self.train.mislabeled[self.train.order], self.groups.shape))  # 1: mislabeled

    def update_state(self, labels, logits, sample_weight=None):
        if logits.shape[-1] == 1:
            raise SystemExit("accuracy_clean needs an output for each class. Leave label_noise.metrics out.")
        count = ops.shape(labels)[0]
        groups = ops.take(self.groups, (self.seen + ops.arange(count, dtype="int32")) % self.groups.shape[0])
        for group, part in enumerate(self.parts):
            part.update_state(labels, logits, ops.equal(groups, group))
        self.seen.assign_add(count)

    def result(self):
        return {part.name: part.result() for part in self.parts}
