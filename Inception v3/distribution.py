"""Several GPUs, several machines: Keras' DataParallel over JAX.

There is one process per machine, or under SLURM, where JAX gives each a GPU of its own, one per GPU.  Each works on
its part of every batch, and all hold the same weights.  They find each other by the means of Keras and JAX: the
environment variables KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID, or those that SLURM sets.

Source: https://keras.io/api/distribution/, https://docs.jax.dev/en/latest/multi_process.html
"""

import os
import sys

from common import say  # which also sets the environment that Keras and its backend read when they are imported

import keras

STEP = "SLURM_STEP_NODELIST"
ADDRESS, PROCESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES"


def start():
    """Joins the other processes, if there are any, and from now on distributes every batch over all devices.

    Call it before anything is computed.

    Raises:
        SystemExit: with a sentence, when the other processes cannot be joined.
    """
    addresses = ADDRESS in os.environ
    slurm = STEP in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1  # a shell that waits for srun has no step
    if keras.backend.backend() != "jax":
        if addresses or slurm:
            raise SystemExit(f"{ADDRESS if addresses else STEP} is set for several processes, but "
                             f"{keras.backend.backend()} trains in one process only. Set KERAS_BACKEND=jax.")
        return
    if addresses or slurm:
        try:
            keras.distribution.initialize()
        except (RuntimeError, ValueError) as error:
            raise SystemExit(f"The other processes of this training could not be joined ({error}). Check {ADDRESS}, "
                             f"{PROCESSES} and KERAS_DISTRIBUTION_PROCESS_ID, or the variables of SLURM.") from None
    if len(keras.distribution.list_devices()) > 1:
        # Each process reads its own part of the data.
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def process():
    """(number of this process, number of processes); (0, 1) for a single process."""
    if keras.distribution.distribution() is None:
        return 0, 1
    import jax
    return jax.process_index(), jax.process_count()


def devices():
    """Number of devices that a batch is distributed over."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def end_at_once(otherwise, kind, error, traceback):
    """Shows an error as the hook `otherwise` does; one of several processes then ends without waiting for the others,
    which may be gone."""
    otherwise(kind, error, traceback)
    if process()[1] > 1:
        say(f"\nThis process of the training has ended ({kind.__name__}: {error}), and the others will. Start all of "
            "them again; they resume from the last whole epoch.", file=sys.stderr)
        os._exit(1)
