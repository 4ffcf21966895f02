"""Trains what is missing of the networks' published runs on CIFAR-10 and IMDB, each as a user would run its script.

    python Results/train.py                                  all that is missing, one after the other
    python Results/train.py "MLP1/*" "LSTM/*label-noise*"    of these what is missing
    python Results/train.py "LSTM/*" --at-once 2             two at a time, each on half of the cores
    python Results/train.py "MLP?/*" --seeds 5               these with seeds 1 to 4, too
    python Results/train.py table-1 --at-once 19 --out all   the whole of Table 1 into a folder, all at once on a GPU

Runs side by side, each on cores of its own, take less time than one after the other on all cores, the LSTM's above all.
Other options go to every script, with their values as --name=value; give --out with them, since a run
counts as there once a file has its published name, whatever the options.  A run that was interrupted, by SIGTERM or
Ctrl-C to this program, too, is resumed.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import catalog
from common import say


def command(row):
    """The command that trains a row, as a list; it keeps no weights where the published run is without its model."""
    options = [word for name, value in row.options.items() for word in (f"--{name}", str(value))]
    no_weights = ["--no-weights"] * (".h5" not in catalog.endings(row))
    return [sys.executable, str(catalog.script_of(row)), *options, *no_weights]


def chosen(patterns, seeds=1):
    """The rows that a pattern names, each with so many seeds, what takes longest first; all if there is no pattern."""
    return [catalog.with_seed(row, seed) for row in catalog.trained() if not patterns or any(
        row in catalog.CIFAR10 and not row.options if pattern == "table-1" else fnmatch(row.name, pattern)
        for pattern in patterns) for seed in range(seeds)]


def shares(count):
    """The processor's cores in `count` parts, a list of sets; empty sets where they cannot be divided so."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [set(cores[k::count]) if count <= len(cores) else set() for k in range(count)]


def take_cores(free):
    """Keeps this thread, and the scripts that it starts, to one of the sets of cores, and takes it from the list."""
    if cores := free.pop():
        os.sched_setaffinity(0, cores)


def folder(text):
    """The path that an option of the command line names, with the home folder in the place of ~."""
    return Path(os.path.expanduser(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)  # --seed is not --seeds
    parser.add_argument("runs", nargs="*", metavar="RUN", help="names as --list prints them, with * and ?, or table-1")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1 of each (default: 1)")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="runs side by side (default: 1)")
    parser.add_argument("--out", type=folder, metavar="FOLDER", help="where to save (default: beside the scripts)")
    parser.add_argument("--data", type=folder, metavar="FOLDER", help="where the data sets are")
    parser.add_argument("--list", action="store_true", help="only list what would be trained")
    options, others = parser.parse_known_intermixed_args()
    words = [*options.runs, *others]  # in `others` are names, too, those after an option that is not one of these
    options.runs = [word for word in words if not word.startswith("-")]
    others = [word for word in words if word.startswith("-")]

    running, stopping = [], []

    def there(row):
        place = options.out or (catalog.ROOT / row.script).parent
        # Where bfloat16 is slow, the script adds its precision to the name.
        names = {path.name.replace("--precision-float32", "") for path in place.glob("*.h5")}
        return any(row.stem + ending in names for ending in catalog.endings(row))

    def train(row):
        began, pipe = time.perf_counter(), subprocess.PIPE if options.at_once > 1 else None
        where = [f"--{name}={place}" for name in ("out", "data") if (place := getattr(options, name))]
        process = subprocess.Popen([*command(row), *where, *others], text=True, errors="replace", stdout=pipe,
                                   stderr=pipe)
        running.append(process)
        if stopping:
            process.terminate()
        _, errors = process.communicate()
        say(f"{row.name}: {'done' if process.returncode == 0 else 'FAILED'} after "
            f"{(time.perf_counter() - began) / 60:.1f} minutes")
        if process.returncode and errors:
            say(errors[-2000:])
        return process.returncode == 0

    def stop(number, _):
        stopping.append(number)
        for process in running:
            process.terminate()  # its script writes where it is
        sys.exit(128 + number)

    if min(options.seeds, options.at_once) < 1:
        parser.error("--seeds and --at-once are 1 or more")
    if options.out and options.out.exists() and not options.out.is_dir():
        parser.error(f"{options.out} is no folder")
    if unknown := [pattern for pattern in options.runs if not chosen([pattern])]:
        parser.error(f"no run is named {' or '.join(unknown)}; other options are given as --name=value")
    rows = chosen(options.runs, options.seeds)
    if any(row.options.get("seed", 0) >= catalog.SEEDS.get(row.network, 1) for row in rows):
        print("The tables take as many seeds as SEEDS in catalog.py says, fewer than these.", file=sys.stderr)
    missing = [row for row in rows if not there(row)]
    if options.list:
        print("\n".join(row.name for row in missing))
        return
    if not missing:
        hint = " To train with other options, give --out FOLDER." * bool(others and not options.out)
        print(f"Nothing is missing.{hint}")
        return
    if options.out:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"{options.out} cannot be made ({error.strerror})")
    began, at_once = time.perf_counter(), min(options.at_once, len(missing))
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, stop)
    with ThreadPoolExecutor(at_once, initializer=take_cores, initargs=[shares(at_once)]) as pool:
        done = list(pool.map(train, missing))
    say(f"Trained {sum(done)} of {len(missing)} runs in {(time.perf_counter() - began) / 60:.1f} minutes")
    sys.exit(not all(done))


if __name__ == "__main__":
    main()
