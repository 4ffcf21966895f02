"""What only makes things fast: all of it could be deleted, and every result would stay within rounding."""

import functools
from pathlib import Path

import keras
import numpy as np
from keras import layers

STEPS_PER_EXECUTION = 16  # batches between two looks at the progress bar; saves a tenth of the time


def speed_up(model):
    """Sets how a compiled model is executed, which changes nothing in what it computes."""
    model.steps_per_execution = STEPS_PER_EXECUTION
    # On a CPU, TensorFlow's own kernels beat XLA's; JAX knows nothing else.
    model.jit_compile = keras.backend.backend() == "jax"
    if keras.backend.backend() == "tensorflow" and type(model.optimizer) is keras.optimizers.SGD:
        model.optimizer.update_step = functools.partial(_momentum_step, model.optimizer)


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


def resolve_precision(name):
    """Resolves "auto": bfloat16 halves the time on GPUs and on processors that have it, and is very slow elsewhere.

    JAX's compiler makes no use of a processor's bfloat16, which is slower there than float32 (Results/benchmark.json).
    """
    if name != "auto":
        return name
    features = Path("/proc/cpuinfo")
    on_processor = (keras.backend.backend() == "tensorflow" and features.exists()
                    and "avx512_bf16" in features.read_text())
    return "mixed_bfloat16" if on_processor or on_gpu() else "float32"


def on_gpu():
    """Whether Keras trains on a GPU."""
    return keras.distribution.list_devices()[0].startswith("gpu")  # these come first where there are any


def pipelines(model, train, test=None):
    """The batches of a compiled model's training and test in the form that `fit` takes the fastest.

    Args:
        model: compiled Keras model, executed by `fit` as is set here.
        train, test: with a `pipeline`; test may be None.

    Returns:
        (training, test), for `fit` and its validation_data.
    """
    speed_up(model)
    # Inception v3's images, which have no `inputs`, are too many to lie on a GPU.
    if (keras.backend.backend() != "jax" or not on_gpu() or keras.distribution.distribution()
            or not hasattr(train, "inputs")):
        return train.pipeline(), test and test.pipeline()
    model._symbolic_build(data_batch=train[0])  # `fit` would do it with the numbers of examples for inputs.
    model.steps_per_execution = 1
    train, test = _OnDevice(train), test and _OnDevice(test)
    model.train_function = train.all_steps(model.train_step)
    if test:
        model.test_function = test.all_steps(model.test_step)
    return train, test


class _OnDevice(keras.utils.PyDataset):
    """Examples that lie on the device, for JAX, which then takes the steps of an epoch without waiting for Python.

    As batches, `fit` is fed two for an epoch: the numbers of the examples in all full batches, int32 of shape (steps,
    batch_size), and those of the rest, (1, remainder).

    Args:
        batches: a `data.Batches`.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches, self.examples = batches, None

    def __len__(self):
        return len(self._rows())

    def __getitem__(self, index):
        import jax

        if self.examples is None or index == 0 and self.batches.random_crop:
            every = np.arange(len(self.batches.labels))
            self.examples = jax.device_put((self.batches.inputs(every), self.batches.labels))
        return self._rows()[index],

    def _rows(self):
        order, size = self.batches.order.astype(np.int32), self.batches.batch_size
        full = len(order) // size * size
        return [rows for rows in (order[:full].reshape(-1, size), order[full:][None]) if rows.size]

    def all_steps(self, step):
        """The model's train_function or test_function, made of its train_step or test_step."""
        import jax

        @functools.partial(jax.jit, donate_argnums=0)
        def scan(state, rows, inputs, labels):
            def one(state, rows):
                logs, state = step(state, (inputs[rows], labels[rows]))
                return state, logs
            state, logs = jax.lax.scan(one, state, rows)
            return {name: values[-1] for name, values in logs.items()}, state

        def function(state, iterator):
            rows, = next(iterator)
            return scan(state, rows, *self.examples)
        return function


def pipeline(batches):
    """The batches of a `data.Batches` in the form that `fit` takes the fastest: on TensorFlow, a tf.data.Dataset."""
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    signature = tuple(tf.TensorSpec((None, *column.shape[1:]), column.dtype) for column in batches[0])
    in_turn = tf.data.Dataset.from_generator(lambda: map(batches.__getitem__, range(len(batches))),
                                             output_signature=signature)
    return without_autotune(in_turn.prefetch(4), len(batches))


def image_pipeline(batches, images, mean, deviation):
    """The same for images that stay as they are from epoch to epoch, gathered and standardized by TensorFlow.

    Args:
        batches: the `data.Batches`; its labels are read once, its rows anew in every epoch.
        images: uint8 of shape (n, height, width, 3).
        mean, deviation: float32, by which each image / 255 is standardized, of shape (n, 1, 1, 1).
    """
    import tensorflow as tf

    images, mean, deviation, labels = map(tf.constant, (images, mean, deviation, batches.labels))

    def batch(index):
        rows = tf.ensure_shape(tf.numpy_function(batches.rows, [index], tf.int64), (None,))
        scaled = tf.cast(tf.gather(images, rows), tf.float32) * tf.constant(1 / 255, tf.float32)
        return (scaled - tf.gather(mean, rows)) / tf.gather(deviation, rows), tf.gather(labels, rows)

    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    gathered = tf.data.Dataset.range(len(batches)).map(batch).prefetch(4).with_options(options)
    return without_autotune(gathered, len(batches))


def without_autotune(dataset, length):
    """A tf.data.Dataset of so many batches, which TensorFlow does not tune while it is read.

    The thread that tunes sleeps for longer and longer, up to a minute, and the end of an epoch often waits until it
    wakes.  What is fed here needs no tuning.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options).apply(tf.data.experimental.assert_cardinality(length))


class BatchNormalization(layers.BatchNormalization):
    """Keras' batch normalization, computed on TensorFlow by its fused kernel.

    It is left unregistered on purpose: a saved model then names just "BatchNormalization", which Keras loads as its own
    layer, without this module.

    Source: https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/fused_batch_norm
    """

    def call(self, inputs, training=None, mask=None):
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        ones = tf.ones_like(self.moving_mean)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma if self.scale else ones, offset=self.beta, mean=self.moving_mean,
            variance=self.moving_variance, epsilon=self.epsilon, is_training=bool(training), exponential_avg_factor=1.0)
        if training:
            for moving, now in (self.moving_mean, mean), (self.moving_variance, variance):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs
