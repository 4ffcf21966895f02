"""What every script of the collection shares: data, running, saving, plotting.

Scripts import it before Keras, so that what stands here takes effect.
"""

import os

# TensorFlow's own log greets with lines about absent GPUs; what goes wrong reaches the user as an exception anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
