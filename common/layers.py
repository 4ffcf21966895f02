"""Layers that Keras does not have.  Import this module before loading a model that contains them."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="common")
class LocalResponseNormalization(layers.Layer):
    """Divides every channel by (1 + alpha * sum of squares over the nine channels around it) ** 0.75.

    Input and output: (batch, height, width, channels).  The constants, with alpha = 0.001 / 9, are those of the
    TensorFlow CIFAR-10 tutorial, whose network the paper's small Alexnet is.

    Source: Krizhevsky et al., 2012, section 3.3;
    https://www.tensorflow.org/api_docs/python/tf/nn/local_response_normalization (radius 4, bias 1, beta 0.75)
    """

    def build(self, input_shape):
        # The sums over neighbouring channels are a product with a banded matrix, which runs at full speed everywhere.
        channel = np.arange(input_shape[-1])
        self.band = 0.001 / 9 * (abs(channel[:, None] - channel) <= 4)

    def call(self, x):
        squares = ops.reshape(ops.square(x), (-1, x.shape[-1]))
        sums = 1 + ops.reshape(ops.matmul(squares, ops.cast(self.band, x.dtype)), ops.shape(x))
        return x * ops.rsqrt(sums * ops.sqrt(sums))  # sums ** -0.75, far faster than a power
