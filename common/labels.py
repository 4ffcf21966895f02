"""Random labels: the corruption of section 2.1 of the paper."""

import hashlib

import numpy as np


def corrupt(labels, inputs, probability, seed, classes=10):
    """Replaces each label, with the given probability, by a uniform draw from all classes.

    The draw is a hash of the seed and the example itself.  So an example keeps its label in every epoch, on every
    machine and with every version of NumPy, in whatever order the data set is stored; and a label corrupted at one
    probability is corrupted, to the same class, at every higher one.

    Args:
        labels: integers, shape (n,), the true labels.
        inputs: the n examples the labels belong to; each is hashed as its bytes.
        probability: from 0 (labels stay as they are) to 1 (all are drawn anew; one in `classes` comes out true).
        seed: integer, 0 or above.
        classes: number of classes drawn from.

    Returns:
        The labels to fit, a new array of the shape and type of `labels`.

    Source: paper, section 2.1, "partially corrupted labels" and "random labels".
    """
    key = int(seed).to_bytes(8, "little")
    hashes = b"".join(hashlib.blake2b(example.tobytes(), digest_size=16, key=key).digest() for example in inputs)
    chance, draw = np.frombuffer(hashes, "<u8").reshape(-1, 2).T
    corrupted = chance < probability * 2.0**64
    return np.where(corrupted, draw % classes, labels).astype(labels.dtype)
