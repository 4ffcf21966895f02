"""What turns keras.applications' Inception v3 into the one that the scripts train."""

from common.layers import BatchNormalization

import keras
import numpy as np
from keras import layers


def rebuilt(model, kernel_regularizer=None):
    """Copies a model of keras.applications with the fused batch normalization, and a penalty on every kernel.

    Args:
        model: Keras model with batch normalization. Initial weights are drawn again; trained ones, as with
            weights="imagenet", are kept: their moving means are not 0.
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

    copy = keras.models.clone_model(model, clone_function=rebuild)
    if any(np.any(layer.moving_mean) for layer in model.layers if isinstance(layer, layers.BatchNormalization)):
        copy.set_weights(model.get_weights())
    return copy
