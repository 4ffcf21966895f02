"""What turns keras.applications' Inception v3 into the one that the scripts train."""

from common.layers import BatchNormalization

import keras
from keras import layers


def rebuilt(model, kernel_regularizer=None):
    """Copies a model of keras.applications with the fused batch normalization, and a penalty on every kernel.

    Args:
        model: Keras model whose weights are still the initial ones; the copy's are drawn again.
        kernel_regularizer: Keras regularizer, or None.
    """
    def rebuild(layer):
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            return BatchNormalization.from_config(config)
        if "kernel_regularizer" in config:
            config["kernel_regularizer"] = kernel_regularizer
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=rebuild)
