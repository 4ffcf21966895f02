"""What only makes things fast: without it every result would stay within rounding."""

import functools
import time
from pathlib import Path

import keras
import numpy as np

LONGEST_CALL = 0.3  # seconds of training steps that are compiled into one call; between calls Ctrl-C is heard
MOST_STEPS = 100    # in a call; more save nothing


def feeds(model, train, test=None):
    """Sets how a compiled model is executed, and gives its examples the form in which `fit` takes them the fastest.

    Args:
        model: compiled Keras model.
        train, test: as a `load` of this collection returns them; test may be None.

    Returns:
        (training, test), for `fit` and its validation_data.
    """
    # On a CPU, TensorFlow's own kernels beat XLA's; JAX always uses XLA.
    model.jit_compile = keras.backend.backend() == "jax"
    if keras.backend.backend() == "tensorflow" and type(model.optimizer) is keras.optimizers.SGD:
        model.optimizer.update_step = functools.partial(_momentum_step, model.optimizer)
    if keras.backend.backend() == "jax" and on_gpu():
        from common import gpu
        if gpu.takes(train):
            return gpu.feeds(model, train, test)
    model.steps_per_execution = min(len(train), _steps_per_call(model, train))
    return feed(train), test and feed(test)


def _steps_per_call(model, train):
    """How many training steps take LONGEST_CALL, by the time of a forward pass, a third of a step."""
    inputs = next(iter(feed(train)))[0] if hasattr(train, "pipeline") else train[0][0]
    model(inputs)
    began = time.perf_counter()
    model(inputs)
    return int(np.clip(LONGEST_CALL / (3 * (time.perf_counter() - began)), 1, MOST_STEPS))


def _momentum_step(optimizer, gradient, variable, learning_rate):
    """What keras.optimizers.SGD does to a variable, bit for bit, in one pass through memory in place of five.

    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/ResourceApplyKerasMomentum
    """
    import tensorflow as tf

    if not optimizer.momentum:
        return keras.optimizers.SGD.update_step(optimizer, gradient, variable, learning_rate)
    momentum = optimizer.momentums[optimizer._get_variable_index(variable)].value
    learning_rate, gradient = tf.cast(learning_rate, variable.dtype), tf.cast(gradient, variable.dtype)
    return tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle, accum=momentum.handle, lr=learning_rate, grad=gradient,
        momentum=tf.cast(optimizer.momentum, variable.dtype), use_nesterov=optimizer.nesterov)


def fast_precision():
    """"mixed_bfloat16" where it halves the time, on GPUs and on processors that compute in it, else "float32".

    JAX's compiler makes no use of a processor's bfloat16, which is slower there than float32 (Results/benchmark.json).
    """
    features = Path("/proc/cpuinfo")
    on_processor = (keras.backend.backend() == "tensorflow" and features.exists()
                    and "avx512_bf16" in features.read_text(encoding="utf-8"))
    return "mixed_bfloat16" if on_processor or on_gpu() else "float32"


def on_gpu():
    """Whether Keras trains on a GPU."""
    return keras.distribution.list_devices()[0].startswith("gpu")  # these come first where there are any


def feed(batches):
    """Batches in the form that Keras takes the fastest: with TensorFlow a tf.data.Dataset, else as they are.

    Args:
        batches: a `data.Batches`, or whatever makes a dataset of itself, with `pipeline`.
    """
    if hasattr(batches, "pipeline"):
        return batches.pipeline()
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    if hasattr(batches, "images"):
        dataset = _gathered(batches)
    else:
        signature = tuple(tf.TensorSpec((None, *column.shape[1:]), column.dtype) for column in batches[0])
        dataset = tf.data.Dataset.from_generator(lambda: map(batches.__getitem__, range(len(batches))),
                                                 output_signature=signature)
    return without_autotune(dataset.prefetch(4), len(batches))


def _gathered(batches):
    """Batches of a `cifar10.Images`, cut out and standardized by TensorFlow; an epoch's order and crops are its data.

    Nothing calls Python for a batch, which costs a small network a fifth of its time.
    """
    import tensorflow as tf

    images, labels, size = tf.constant(batches.images), tf.constant(batches.labels), batches.batch_size

    def epoch(order, tops, lefts, means, deviations):
        def batch(number):
            rows = order[number * size:(number + 1) * size]
            windows, across = tf.gather(images, rows), tf.range(batches.side)
            if batches.random_crop:
                windows = tf.gather(windows, tf.gather(tops, rows)[:, None] + across, axis=1, batch_dims=1)
                windows = tf.gather(windows, tf.gather(lefts, rows)[:, None] + across, axis=2, batch_dims=1)
            scaled = tf.cast(windows, tf.float32) * tf.constant(1 / 255, tf.float32)
            return (scaled - tf.gather(means, rows)) / tf.gather(deviations, rows), tf.gather(labels, rows)
        return tf.data.Dataset.range(len(batches)).map(batch)

    def columns():
        arrays = batches.order, batches.tops, batches.lefts, batches.means, batches.deviations
        return tuple(array.astype(np.int32) if array.dtype.kind == "i" else array for array in arrays)

    epochs = tf.data.Dataset.from_generator(lambda: [columns()], output_signature=tuple(
        tf.TensorSpec((None, *column.shape[1:]), column.dtype) for column in columns()))
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    return epochs.flat_map(epoch).with_options(options)


def without_autotune(dataset, length):
    """A tf.data.Dataset of so many batches, which TensorFlow does not tune while it is read.

    The thread that tunes sleeps for longer and longer, up to a minute, and the end of an epoch often waits until it
    wakes.  What is fed here needs no tuning.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options).apply(tf.data.experimental.assert_cardinality(length))
