"""What batches of pictures and batches of reviews have in common."""

from common import labels as random_labels

import keras
import numpy as np

EVALUATION_BATCH = 500  # examples at a time where no gradient is needed


def asked_for(run, inputs, labels, classes):
    """The training examples that the run asks for: the first ones where it has a limit, with random labels if wanted.

    Args:
        run: an `experiment.Run`; its limit, label_noise and seed are looked at.
        inputs, labels: the whole training set, sequences of the same length; labels are integers below `classes`.

    Returns:
        (inputs, labels), of the types they came in.

    Raises:
        SystemExit: with a sentence, for a limit beyond the data.
    """
    count = limited(run, len(inputs))
    inputs, labels = inputs[:count], labels[:count]
    if run.label_noise:
        true, labels = labels, random_labels.corrupt(labels, inputs, run.label_noise, run.seed, classes)
        print(f"Random labels (probability {run.label_noise:g}, seed {run.seed}): "
              f"{np.mean(labels == true):.1%} of the training labels are still the true ones.")
    return inputs, labels


def limited(run, count):
    """How many of `count` training examples the run's limit leaves.

    Raises:
        SystemExit: with a sentence, for a limit beyond the data.
    """
    if run.limit is None:
        return count
    if run.limit > count:
        raise SystemExit(f"--limit {run.limit} is beyond the data: there are {count} training examples.")
    return run.limit


def untuned(dataset, length):
    """A tf.data.Dataset of so many batches, which TensorFlow does not tune while it is read.

    The thread that tunes sleeps for longer and longer, up to a minute, and the end of an epoch often waits until it
    wakes.  What is fed here needs no tuning.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options).apply(tf.data.experimental.assert_cardinality(length))


class Batches(keras.utils.PyDataset):
    """Batches of examples for Keras; subclasses say what an example looks like.

    Which examples a batch holds, and for a random crop which part of them, is a function of seed, epoch and number of
    the batch alone, so that a resumed training sees what the uninterrupted one would have seen.

    Args:
        labels: int32 of shape (n,).
        batch_size: examples in a batch; the last one of an epoch may be smaller.
        shuffle_seed: None keeps the examples in their order; an integer shuffles them anew in every epoch.
    """

    def __init__(self, labels, batch_size, shuffle_seed=None):
        super().__init__()
        self.labels, self.batch_size, self.shuffle_seed = labels, batch_size, shuffle_seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Shuffles the examples and draws their crops for this epoch (0 is the first)."""
        random, count = np.random.RandomState([self.shuffle_seed or 0, epoch]), len(self.labels)
        self.order = np.arange(count) if self.shuffle_seed is None else random.permutation(count)
        self.draw_crops(random)

    def draw_crops(self, random):
        """Draws from a RandomState which part of each example this epoch shows."""
        raise NotImplementedError

    def inputs(self, rows):
        """The inputs of the examples with these numbers, as the network sees them."""
        raise NotImplementedError

    def __len__(self):
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index):
        rows = self.rows(index)
        return self.inputs(rows), self.labels[rows]

    def rows(self, index):
        """The numbers of the examples in a batch."""
        return self.order[index * self.batch_size:(index + 1) * self.batch_size]

    def batches(self):
        """The same batches in the form that `fit` takes the fastest."""
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        signature = tuple(tf.TensorSpec((None, *column.shape[1:]), column.dtype) for column in self[0])
        in_turn = tf.data.Dataset.from_generator(lambda: map(self.__getitem__, range(len(self))),
                                                 output_signature=signature)
        return untuned(in_turn.prefetch(4), len(self))

    def as_tested(self):
        """Batches of the same examples and labels in order, without a random crop, for the final accuracy."""
        raise NotImplementedError
