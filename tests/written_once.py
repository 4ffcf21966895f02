"""Refuses a change that writes a model's file again with the weights of before: history keeps every version.

    python tests/written_once.py             what has changed since the commit before
    python tests/written_once.py BASE        since another commit
"""

import io
import subprocess
import sys

import h5py
import numpy as np


def git(*arguments):
    process = subprocess.run(["git", *arguments], capture_output=True)
    if process.returncode:
        sys.exit(process.stderr.decode())
    return process.stdout


def weights(content):
    """The weights in the bytes of an .h5, a dict by their paths in it."""
    found = {}
    with h5py.File(io.BytesIO(content)) as file:
        file["model_weights"].visititems(
            lambda name, part: found.update({name: part[()]}) if isinstance(part, h5py.Dataset) else None)
    return found


def rewritten(base):
    """The paths of models that are in the commit `base` with the same weights, and yet other bytes."""
    changed = git("diff", "--relative", "--name-only", "-z", "--diff-filter=M", base, "--", "*.h5", ":!*.run.h5")
    same = []
    for path in filter(None, changed.decode().split("\0")):
        with open(path, "rb") as file:
            before, now = weights(git("show", f"{base}:./{path}")), weights(file.read())
        if before.keys() == now.keys() and all(np.array_equal(before[name], now[name]) for name in now):
            same.append(path)
    return same


if __name__ == "__main__":
    if paths := rewritten(*sys.argv[1:] or ["HEAD~1"]):
        sys.exit(f"{', '.join(paths)}: written again, with the weights of before. Check the earlier file out.")
