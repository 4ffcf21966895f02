"""Speed alone: without this module every result would be the same, up to rounding."""

import functools
import timeit

from common import data, record

import keras
import numpy as np

CALL = 0.4        # about how many seconds of forward passes are compiled into one call; Ctrl-C acts only between calls
MOST_STEPS = 100  # in a call; more save nothing


def feeds(model, train, test=None, callbacks=()):
    """Sets how a compiled model is executed; returns (train, test), its examples, in the form that is fastest."""
    backend = keras.backend.backend()
    stepwise = any(not str(getattr(callback, f"on_{kind}batch_{when}").__module__).startswith("keras.")
                   for callback in callbacks for kind in ("", "train_", "test_") for when in ("begin", "end")) or any(
        getattr(callback, f"{what}_freq", "epoch") != "epoch" for callback in callbacks for what in ("save", "update"))
    model.train_function = model.test_function = model.predict_function = None  # compiled before, for single steps
    if backend == "tensorflow" and type(model.optimizer) is keras.optimizers.SGD and model.optimizer.momentum:
        model.optimizer.update_step = functools.partial(_momentum_step, model.optimizer)
    if backend == "jax" and on_gpu() and isinstance(train, keras.utils.PyDataset) and not stepwise:
        from common import gpu
        return gpu.feeds(model, train, test)
    if not hasattr(train, "pipeline") and not stepwise:  # stepwise: the user's callback must see each step
        seconds = min(timeit.repeat(functools.partial(model, train[0][0]), number=1, repeat=2))
        model.steps_per_execution = int(np.clip(CALL / seconds, 1, min(len(train), MOST_STEPS)))
    return feed(train), test and feed(test)


def _momentum_step(optimizer, gradient, variable, learning_rate):
    """What keras.optimizers.SGD does to a variable, bit for bit, in one pass through memory in place of five.
    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/ResourceApplyKerasMomentum"""
    import tensorflow as tf
    momentum = optimizer.momentums[optimizer._get_variable_index(variable)].value
    learning_rate, gradient = tf.cast(learning_rate, variable.dtype), tf.cast(gradient, variable.dtype)
    return tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle, accum=momentum.handle, lr=learning_rate, grad=gradient,
        momentum=tf.cast(optimizer.momentum, variable.dtype), use_nesterov=optimizer.nesterov)


def fast_precision():
    """Returns "mixed_bfloat16" where that is fast, on GPUs and for TensorFlow on some processors, else "float32"."""
    on_processor = keras.backend.backend() == "tensorflow" and "avx512_bf16" in record.PROCESSOR
    return "mixed_bfloat16" if on_processor or on_gpu() else "float32"


def on_gpu():
    """Whether Keras trains on a GPU."""
    return keras.distribution.list_devices()[0].startswith("gpu")  # these come first where there are any


def feed(batches):
    """Batches in the form that is fastest: with TensorFlow as a tf.data.Dataset, else as they are."""
    if hasattr(batches, "pipeline"):  # imagenet.Images, which builds its own tf.data.Dataset
        return batches.pipeline()
    if keras.backend.backend() != "tensorflow" or type(batches).__getitem__ is not data.Batches.__getitem__:
        return batches
    import tensorflow as tf
    # TensorFlow gathers each batch; to call Python for it would cost a small network a fifth of its time.
    with tf.device("cpu"):
        inputs, labels = (tf.Variable(part, trainable=False) for part in (batches.shown, batches.labels))
    fed = [batches.shown]

    def order():
        if fed[0] is not batches.shown or not np.array_equal(fed[0][::97], inputs[::97]):  # or changed in its place
            fed[0] = batches.shown
            inputs.assign(fed[0])
        labels.assign(batches.labels)
        yield batches.order

    orders = tf.data.Dataset.from_generator(order, output_signature=tf.TensorSpec((None,), tf.int64))
    batched = orders.rebatch(batches.batch_size).map(lambda rows: (tf.gather(inputs, rows), tf.gather(labels, rows)))
    return without_autotune(batched.take(len(batches)), len(batches))


def without_autotune(dataset, length):
    """A tf.data.Dataset of `length` batches, without autotuning, for which an epoch's end may wait up to a minute."""
    import tensorflow as tf
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options).apply(tf.data.experimental.assert_cardinality(length))
