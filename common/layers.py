"""Layers that Keras does not have.  Import this module before loading a model that contains them."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="common")
class LocalResponseNormalization(layers.Layer):
    """Divides every channel by (bias + alpha * sum of squares over the channels around it) ** beta.

    Input and output: (batch, height, width, channels).  The defaults are those of TensorFlow's CIFAR-10 tutorial, whose
    network the paper's small Alexnet is.

    Args:
        radius: how many channels to either side are summed, so 2 * radius + 1 in all.

    Source: Krizhevsky et al., 2012, section 3.3;
    https://www.tensorflow.org/api_docs/python/tf/nn/local_response_normalization
    """

    def __init__(self, radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta

    def build(self, input_shape):
        # The sums over neighbouring channels are a product with a banded matrix, which runs at full speed everywhere.
        channel = np.arange(input_shape[-1])
        self.band = self.alpha * (abs(channel[:, None] - channel) <= self.radius)

    def call(self, x):
        channels = x.shape[-1]
        squares = ops.reshape(ops.square(x), (-1, channels))
        sums = ops.reshape(ops.matmul(squares, ops.cast(self.band, x.dtype)), ops.shape(x))
        return x * ops.power(self.bias + sums, -self.beta)

    def get_config(self):
        return {**super().get_config(), "radius": self.radius, "bias": self.bias, "alpha": self.alpha,
                "beta": self.beta}


class BatchNormalization(layers.BatchNormalization):
    """Keras' batch normalization, computed on TensorFlow by its fused kernel, which is faster.

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
