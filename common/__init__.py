"""What every script of the collection shares: options, data, training that can be resumed, saving, plotting.

Importing it sets environment variables, which Keras' backends read when they are loaded, so import it before Keras.
Everywhere here a user's mistake, such as a missing file or a bad option, raises SystemExit with one sentence.
"""

import os
import sys
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no lines about GPUs that are not there
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # more than doubles the speed of convolutions
_backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")  # no keras.json
if not find_spec(_backend):
    raise SystemExit(f"Keras' backend {_backend} is not installed. Install it, or set KERAS_BACKEND.")
for _file in "keras.py", os.path.join("keras", "__init__.py"):
    if os.path.exists(os.path.join(sys.path[0], _file)):
        raise SystemExit(f"{os.path.join(sys.path[0], _file)} hides the package keras from this script. Rename it.")


def say(text, end="\n", file=None):
    """Prints a text at once.  If that fails (a closed pipe, a full disk), the script goes on, and prints no more."""
    try:
        print(text, end=end, file=file, flush=True)
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2 if file else 1)  # `file` is sys.stderr, number 2
