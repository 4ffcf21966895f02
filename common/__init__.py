"""What every script of the collection shares: data, running, saving, plotting.

Scripts import it before Keras, so that what stands here takes effect.  A mistake of the user, such as a missing file or
a bad option, raises SystemExit with one sentence everywhere in this package.
"""

import importlib.util
import os
import sys
import tempfile

BACKENDS = "tensorflow", "jax"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Default on processors with AVX-512 only; elsewhere too it more than doubles the speed of convolutions.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
if not importlib.util.find_spec("tensorflow"):  # which Keras looks for even where only JAX is installed
    os.environ.setdefault("KERAS_BACKEND", "jax")


def _import_keras():
    """Imports Keras; what its backend logs meanwhile, lines about absent GPUs, is shown only should that fail."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import keras
        except BaseException as error:
            log.seek(0)
            os.write(stderr, log.read())
            if isinstance(error, KeyboardInterrupt):
                raise SystemExit("Stopped.") from None
            raise SystemExit(f"Keras does not start ({error}). Set KERAS_BACKEND to {' or '.join(BACKENDS)}, and "
                             "install what it needs.") from None
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    # What a user's ~/.keras/keras.json may have for other work would train another network here.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_dtype_policy("float32")


def _on_error(kind, error, traceback):
    if issubclass(kind, KeyboardInterrupt):
        print("\nStopped. The same command resumes a training from its last whole epoch.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _on_error
_import_keras()
