"""What turns keras.applications' Inception v3 into the one that the scripts train."""

from common.layers import BatchNormalization

import keras
import numpy as np
from keras import layers


def rebuilt(model, kernel_regularizer=None):
    """Copies a model of keras.applications with the fused batch normalization, and a penalty on every kernel.

    Args:
        model: Keras model. Where it has batch normalization whose moving means are all 0, its weights are initial
            ones, which are drawn again; any others, as with weights="imagenet", are kept.
        kernel_regularizer: Keras regularizer, or None.

    Returns:
        A Keras model, not compiled.
    """
    def rebuild(layer):
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            return BatchNormalization.from_config(config)
        for name in {"kernel_regularizer", "depthwise_regularizer", "pointwise_regularizer"} & config.keys():
            config[name] = kernel_regularizer
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=rebuild, recursive=True)
    means = [layer.moving_mean for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    if not means or any(map(np.any, means)):
        copy.set_weights(model.get_weights())
    return copy
