"""Generated pictures in the shape of CIFAR-10: for a first look, for tests, and for classes without a network."""

import numpy as np

TRAINING, TEST = 2000, 1000


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
