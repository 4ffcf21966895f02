"""The command line of a script: its upper-case constants, and what every run has besides."""

import argparse
import contextlib
import math
import re
import tokenize
from pathlib import Path

from common import speed

HELP = {"dataset": "synthetic: generated here in a second, for a first look",
        "limit": "train on the first N examples only, and after each epoch test on as many",
        "seed": "of weights, order, crops and random labels",
        "precision": "of the training, what is saved is float32; auto: mixed_bfloat16 where that is fast, "
                     "elsewhere float32, which the file's name then says",
        "data": "where the data set is (default: data/ if it is there, else downloaded)",
        "out": "where to save (default: beside the script)",
        "fresh": "start from the first epoch; ignore any checkpoint",
        "resume": "resume from the checkpoint although the script has changed since",
        "no_weights": "save the run alone, as NAME.run.h5, and no model"}
FOLDERS, FLAGS = ("data", "out"), ("fresh", "resume", "no_weights")  # no settings, whatever constants a script has


def parse(script, dataset, others=()):
    """Makes a script's constants options, and replaces each constant by what the command line says.

    `script` is its globals(), `dataset` and `others` are the data sets it takes.  Returns (options, settings,
    differing): all that was given or is the default, as attributes; a dict of what changes the result; and a dict of
    the settings that differ from the script's own, each as a part of a file's name.
    """
    constants = {name.lower(): value for name, value in script.items() if name.isupper()
                 and type(value) in (bool, int, float, str) and name.lower() not in (*FOLDERS, *FLAGS, "help")}
    defaults = {"dataset": dataset, "limit": None, **constants, "seed": constants.get("seed", 0)}
    choices = {"dataset": [dataset, *others, "synthetic"], "precision": ["auto", "float32", "mixed_bfloat16"]}
    parser = argparse.ArgumentParser(description=script["__doc__"],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    comments = {}
    with contextlib.suppress(OSError, SyntaxError, UnicodeDecodeError):
        with tokenize.open(script["__file__"]) as file:  # in whatever encoding it has
            comments = dict(re.findall(r"^(\w+) = .*?  # (.*)", file.read(), re.MULTILINE))
    for name, default in defaults.items():
        text = HELP.get(name, comments.get(name.upper(), "")) + f" (default: {default})" * (default is not None)
        how = {"choices": choices[name]} if name in choices else {
            "metavar": "N" if default is None else type(default).__name__.upper(), "type": _type(default)}
        parser.add_argument("--" + name.replace("_", "-"), default=default, help=text.replace("%", "%%"), **how)
    for name in FOLDERS:
        parser.add_argument("--" + name, type=lambda text: Path(text).expanduser(), metavar="FOLDER", help=HELP[name])
    for name in FLAGS:
        parser.add_argument("--" + name.replace("_", "-"), action="store_true", help=HELP[name])
    options = parser.parse_args()
    if not 0 <= options.seed < 2**32 or options.limit is not None and options.limit < 1:
        parser.error("--limit is a whole number of 1 or more, and --seed one from 0 to 4294967295")
    if "precision" in constants and options.precision == "auto":
        options.precision = speed.fast_precision()
    if defaults.get("precision") == "auto":
        defaults["precision"] = "mixed_bfloat16"
    settings = {name: getattr(options, name) for name in defaults}
    script.update({name.upper(): settings[name] for name in constants})
    return options, settings, {name: _label(name, value) for name, value in settings.items() if value != defaults[name]}


def _label(name, value):
    """A setting as a part of a file's name: another one for another value, and allowed on every system."""
    text = re.sub(r'[\\/:*?"<>|%\x00-\x1f]|--', lambda match: "".join(f"%{ord(c):02X}" for c in match[0]), str(value))
    return text if name == "dataset" else f"{name.replace('_', '-')}-{text}"


def _type(default):
    """A type for argparse: that of the constant.  A constant 0 or 1 may mean a fraction and takes any number."""
    whole = default is None or type(default) is int and default not in (0, 1)

    def parse(text):
        if isinstance(default, str):
            return text
        if isinstance(default, bool) and text.lower() in ("true", "false"):
            return text.lower() == "true"
        with contextlib.suppress(ValueError):
            value = int(text) if whole or re.fullmatch(r"[-+]?\d+", text) else float(text)
            if math.isfinite(value) and not isinstance(default, bool):
                return float(value) if isinstance(default, float) else value
        kind = "true or false" if isinstance(default, bool) else f"a {'whole ' * whole}number"
        raise argparse.ArgumentTypeError(f"{text} is not {kind}")
    return parse
