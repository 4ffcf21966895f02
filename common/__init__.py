"""What every script of the collection shares: data, running, saving, plotting.

Scripts import it before Keras, so that what stands here takes effect.
"""

import importlib.util
import os

# TensorFlow's own log greets with lines about absent GPUs; what goes wrong reaches the user as an exception anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# TensorFlow uses oneDNN's kernels by default only on processors with AVX-512; elsewhere too they more than double the
# speed of convolutions.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Keras asks for TensorFlow even where only JAX is installed.
if not importlib.util.find_spec("tensorflow"):
    os.environ.setdefault("KERAS_BACKEND", "jax")
