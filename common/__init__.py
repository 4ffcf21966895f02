"""What every script of the collection shares: data, running, saving, plotting.

Scripts import it before Keras, so that what stands here takes effect.  A mistake of the user, such as a missing file or
a bad option, raises SystemExit with one sentence everywhere in this package.
"""

import importlib.util
import os

# TensorFlow's own log greets with lines about absent GPUs; what goes wrong reaches the user as an exception anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Default on processors with AVX-512 only; elsewhere too it more than doubles the speed of convolutions.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if not importlib.util.find_spec("tensorflow"):  # which Keras looks for even where only JAX is installed
    os.environ.setdefault("KERAS_BACKEND", "jax")
