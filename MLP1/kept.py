"""What a script that works for hours without `fit` has so far, kept so that an interrupted run is resumed."""

import json

from common import data, record

import numpy as np


def write(run, **arrays):
    """Writes arrays in the place of what was kept before, in one step; `run` is an `experiment.Run`.

    Delete `run.checkpoint` at the end.
    """
    with record.replacing(run.checkpoint) as part:
        np.savez(part, facts=json.dumps(_facts(run)), **arrays)


def read(run):
    """Reads what was kept: a dict of arrays, empty where there is nothing, or with --fresh.

    Raises:
        SystemExit: where the script, a setting or the data set is another one now, unless with --resume.
    """
    if run.given.fresh or not run.checkpoint.exists():
        return {}
    with data.reading(run.checkpoint, "Make it readable, or add --fresh", ""), np.load(run.checkpoint) as saved:
        arrays = dict(saved)
        then, now = json.loads(str(arrays.pop("facts"))), _facts(run)
    changed = [name for name in now if then.get(name) != now[name]]
    if changed and not run.given.resume:
        raise SystemExit(f"{run.checkpoint} was made with another {' and another '.join(changed)}. Add --resume to "
                         "resume from it all the same, or --fresh to begin again; that replaces it.")
    return arrays


def _facts(run):
    return run.settings | {f"{name}'s digest": run.provenance.get(name) for name in ("script", "data")}
