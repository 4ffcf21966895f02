"""What a script that works for hours without `fit` has so far, kept so that an interrupted run is resumed."""

import json
import shutil
import signal
import sys
import time

from common import data, experiment, record

import keras
import numpy as np


def path(run):
    """Where it is kept, hidden beside the files of `run`, an `experiment.Run`; to be deleted at the end."""
    return run.stem.with_name(f".{run.stem.name}.checkpoint.npz")


def need_disk(run, needed):
    """Stops where so many bytes are not free for what is to be kept; what is kept already is replaced, so it counts."""
    needed -= path(run).stat().st_size if path(run).exists() else 0
    if needed > (free := shutil.disk_usage(run.stem.parent).free):
        raise SystemExit(f"{run.stem.parent} needs {needed / 1e9:.1f} GB for checkpoints, and {free / 1e9:.1f} GB are "
                         "free there. Make room, or give another --out.")


def write(run, **arrays):
    """Writes arrays and the seconds so far in the place of what was kept before, in one step."""
    with record.replacing(path(run)) as part:
        np.savez(part, facts=json.dumps(_facts(run)), seconds=seconds(run), **arrays)


def seconds(run):
    """Seconds since `read`, and those that were kept of the interrupted run."""
    return time.perf_counter() - run.began


def read(run):
    """Reads what was kept: a dict of arrays, empty where there is nothing, or with --fresh.  The run's time begins.

    Raises:
        SystemExit: where a setting, the backend or the data set is another one now; without --resume also where the
            code is, of the script or of what it imports from its folder.
    """
    for number in set(experiment.SIGNALS) - {signal.SIGINT}:  # so that `write` deletes what it has half written
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    run.began = time.perf_counter()
    if run.given.fresh or not path(run).exists():
        return {}
    with data.reading(path(run), "Make it readable, or add --fresh", ""), np.load(path(run)) as saved:
        then, now = json.loads(str(saved["facts"])), _facts(run)
        changed = [name for name in now if then.get(name) != now[name] and not (name == "code" and run.given.resume)]
        arrays = {} if changed else {name: saved[name] for name in saved.files if name != "facts"}
    if changed:
        resume = ", or --resume to resume from it all the same" * (changed == ["code"])
        raise SystemExit(f"{path(run)} was made with another {' and another '.join(changed)}. Add --fresh to begin "
                         f"again{resume}.")
    run.began -= float(arrays.pop("seconds", 0))
    return arrays


def _facts(run):
    return run.settings | {"backend": keras.backend.backend(), "data set": run.provenance.get("data"),
                           "code": run.provenance["script"]}
