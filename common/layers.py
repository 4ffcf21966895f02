"""Layers that Keras does not have or computes slowly.  Import this before loading a model of Mini Alexnet."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="common")
class LocalResponseNormalization(layers.Layer):
    """Divides every channel by (1 + 0.001 / 9 * sum of squares over the nine channels around it) ** 0.75.

    Input and output: (batch, height, width, channels).  The constants are those of TensorFlow's CIFAR-10 tutorial.
    Source: Krizhevsky et al., 2012, section 3.3; tf.nn.local_response_normalization (radius 4, bias 1, beta 0.75)
    """

    def build(self, input_shape):
        # The sums over neighboring channels are a product with a banded matrix, which runs at full speed everywhere.
        channel = np.arange(input_shape[-1])
        self.band = 0.001 / 9 * (abs(channel[:, None] - channel) <= 4)

    def call(self, x):
        squares = ops.reshape(ops.square(x), (-1, x.shape[-1]))
        sums = 1 + ops.reshape(ops.matmul(squares, ops.cast(self.band, x.dtype)), ops.shape(x))
        return x * ops.rsqrt(sums * ops.sqrt(sums))  # sums ** -0.75, far faster than a power


class BatchNormalization(layers.BatchNormalization):
    """Keras' batch normalization, computed on TensorFlow by its fused kernel, in half the time of a training step.

    It is not registered, so that Keras loads it as its own layer.  The moving variance has n - 1 in place of Keras' n.
    Source: https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/fused_batch_norm
    """

    def call(self, inputs, training=None, mask=None):
        fused = keras.backend.backend() == "tensorflow" and self.center and self.trainable and not self.renorm
        if not fused or len(inputs.shape) != 4 or self.axis not in (-1, 3) or self.variable_dtype != "float32":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma if self.scale else tf.ones_like(self.beta), offset=self.beta,
            mean=self.moving_mean, variance=self.moving_variance, epsilon=self.epsilon, is_training=bool(training),
            exponential_avg_factor=1.0)
        if training:
            for moving, now in (self.moving_mean, mean), (self.moving_variance, variance):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs
