"""Cholesky's decomposition of a matrix that fills most of the memory, for the scripts here that solve in one step."""

import re
import time
from pathlib import Path

from common import say

import numpy as np

ROWS = 2000  # of a block


def need_memory(needed, what, minutes, fewer="images, with --limit"):
    """Says what the work will take, and stops before it where so many bytes are not free, if that can be told."""
    say(f"{what}: {needed / 1e9:.1f} GB of memory, about {minutes:.1f} minutes on two free cores")
    memory = Path("/proc/meminfo")
    found = re.search(r"MemAvailable: *(\d+)", memory.read_text(encoding="utf-8")) if memory.exists() else None
    if found and needed > (free := int(found[1]) * 1024):
        raise SystemExit(f"{what} takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Take "
                         f"fewer {fewer}.")


def solve(k, y, rows=ROWS):
    """Solves K alpha = y, blocks of so many rows at a time, in the place of K, and says how long it will take.

    Args:
        k: positive definite, of shape (n, n); overwritten.  Of what is above its diagonal blocks nothing is read.
        y: of shape (n, columns).

    Returns:
        alpha, of the shape of y and the type of K.

    Raises:
        SystemExit: where K is not positive definite in its precision, as when two examples are all but equal, or has
            entries that are not finite.
    """
    blocks, inverses, began = _blocks(len(k), rows), [], time.perf_counter()
    for number, block in enumerate(blocks, 1):
        if not (np.isfinite(k[block, block]).all() and np.isfinite(y).all()):
            raise SystemExit(f"The system to solve has entries that are not finite in {k.dtype}. Give other settings.")
        try:
            inverses.append(np.linalg.inv(np.linalg.cholesky(k[block, block])))
        except np.linalg.LinAlgError:
            raise SystemExit(f"The system is singular in {k.dtype}: two examples are all but equal, a kernel is too "
                             "wide, a penalty too small, or there are fewer examples than unknowns.") from None
        for below in blocks[number:]:
            k[below, block] = k[below, block] @ inverses[-1].T
        for column in blocks[number:]:
            k[column.start:, column] -= k[column.start:, block] @ k[column, block].T
        left = (time.perf_counter() - began) / (1 - (1 - number / len(blocks))**3) * (1 - number / len(blocks))**3
        say(f"Decomposed {block.stop:,} of {len(k):,} rows, about {left / 60:.1f} minutes left")
    alpha = y.astype(k.dtype)
    for block, inverse in zip(blocks, inverses, strict=True):  # L beta = y
        alpha[block] = inverse @ (alpha[block] - k[block, :block.start] @ alpha[:block.start])
    for block, inverse in zip(blocks[::-1], inverses[::-1], strict=True):  # L^T alpha = beta
        alpha[block] = inverse.T @ (alpha[block] - k[block.stop:, block].T @ alpha[block.stop:])
    return alpha


def add_products(k, x):
    """Adds x^T x to the lower half of k, in blocks: x.T @ x crashed here above 23,170 columns (cf. numpy issue 19685).

    Args:
        k: of shape (n, n).
        x: of shape (examples, n).
    """
    for block in _blocks(len(k), ROWS):
        k[block, :block.stop] += x[:, block].T @ x[:, :block.stop]


def _blocks(n, rows):
    return [slice(first, min(first + rows, n)) for first in range(0, n, rows)]
