"""Generated pictures and reviews in the shape of the real ones: for a first look, for tests, for classes offline."""

import numpy as np

TRAINING, TEST = 2000, 1000


def announce(kind, dataset):
    """Says that examples of this kind ("pictures", "reviews") stand in for a data set."""
    print(f"Synthetic {kind}: {TRAINING:,} generated for training, {TEST:,} for testing. "
          f"What comes out is no result on {dataset}.")


def pictures():
    """Generates ten classes of pictures that a network can tell apart: a pattern for each class, under noise.

    The same pictures every time: NumPy guarantees RandomState's stream for good (NEP 19).

    Returns:
        (training images, training labels), (test images, test labels); images uint8 of shape (n, 32, 32, 3), labels
        int32 of shape (n,), from 0 to 9.
    """
    random = np.random.RandomState(0)
    patterns = random.standard_normal((10, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)

    def draw(count):
        labels = random.randint(0, 10, count).astype(np.int32)
        noise = random.standard_normal((count, 32, 32, 3))
        return np.clip(128 + 10 * patterns[labels] + 45 * noise, 0, 255).astype(np.uint8), labels

    return draw(TRAINING), draw(TEST)


def reviews():
    """Generates positive and negative word sequences that a network can tell apart: each kind has its favourite words.

    The same sequences every time, as for `pictures`.

    Returns:
        (training reviews, training labels), (test reviews, test labels); reviews a list of int32 arrays of 20 to 299
        word ranks from 1 to 1000; labels int32 of shape (n,), 0 or 1.
    """
    random = np.random.RandomState(0)
    rarer = 1 / np.arange(1, 1001)  # Zipf's law: a word is as frequent as its rank is low
    favourites = random.permutation(1000) % 2
    chances = [np.where(favourites == label, 3, 1) * rarer for label in range(2)]

    def draw(count):
        labels = random.randint(0, 2, count).astype(np.int32)
        return [1 + random.choice(1000, random.randint(20, 300), p=chances[label] / chances[label].sum()).astype(
            np.int32) for label in labels], labels

    return draw(TRAINING), draw(TEST)
