"""Other systems' habits: Windows' files, locales, Matplotlib's settings, streams, signals, files in the way."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

from common import data, experiment, record
from importing import imported

import numpy as np
import pytest
from conftest import FULL, HEAD, ROOT, edited, one_sentence, run

SCRIPT = ROOT / "MLP1" / "cifar10_keras_mlp_rand.py"
QUICK = ["--dataset", "synthetic", "--limit", "100", "--epochs", "1"]
STEM = "cifar10_keras_mlp_rand--synthetic--limit-100--epochs-1"


def copy(folder, *changes, encoding="utf-8", name="my_mlp.py"):
    """A copy of a script with a small network, with these changes; returns its path."""
    path = folder / name
    path.write_text(edited(SCRIPT.read_text(), ("UNITS = 512", "UNITS = 16"), *changes), encoding=encoding)
    return path


def start(monkeypatch, *options, **constants):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, options)])
    return experiment.start(dict(vars(imported(SCRIPT)), **constants))


# Windows' files

WINDOWS = """
import errno, fcntl
synchronize, replace, busy = os.fsync, os.replace, []

def fsync(number):
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    synchronize(number)

def replace_later(source, target):
    if target not in busy:  # a viewer has it open at the first try
        busy.append(target)
        raise PermissionError(errno.EACCES, "Access is denied")
    replace(source, target)

os.fsync, os.replace = fsync, replace_later
import time
time.sleep = lambda seconds: None
"""


def test_saves_where_only_writable_files_are_synchronized_and_an_open_one_cannot_be_replaced_at_once(forks, tmp_path):
    process = forks.run(SCRIPT, *QUICK, "--out", tmp_path, before=WINDOWS, picture=True)
    assert process.returncode == 0, process.stderr
    assert {path.name for path in tmp_path.iterdir()} == {STEM + ".h5", STEM + ".png"}


def test_a_file_that_stays_open_elsewhere_is_one_sentence(monkeypatch, tmp_path):
    def refuse(source, target):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(SystemExit, match="Access is denied.*close it elsewhere"):
        record.write(tmp_path / "run.h5", {"title": "T"})
    assert not list(tmp_path.iterdir())


# Locales

LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
BOTH = """
import locale, runpy, sys
from common import experiment
assert locale.getpreferredencoding(False).upper() not in ("UTF-8", "UTF8"), locale.getpreferredencoding(False)
scripts, options = sys.argv[1:3], sys.argv[3:]
for script in scripts:
    sys.argv = [script, *options]
    runpy.run_path(script, run_name="__main__")
"""


def test_letters_of_other_languages_under_a_locale_and_on_a_terminal_that_lack_them(tmp_path):
    title = "MLP 1x512 on CIFAR-10, random labels."
    chinese = copy(tmp_path, (title, "多层感知机 " + title), ("of the first epoch", "第一轮的学习率"),
                   name="chinese.py")
    german = copy(tmp_path, ('"""MLP', '# -*- coding: latin-1 -*-\n"""Größeres MLP'),
                  ("of the first epoch", "größte Lernrate"), name="german.py", encoding="latin-1")
    environment = os.environ | LOCALE | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run([sys.executable, "-c", BOTH, chinese, german, *QUICK], env=environment, cwd=tmp_path,
                             capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "\\u591a\\u5c42" in process.stdout and "Gr\\xf6\\xdferes MLP" in process.stdout
    files = [tmp_path / f"{name}--synthetic--limit-100--epochs-1.h5" for name in ("chinese", "german")]
    titles = [record.read(file)["title"] for file in files]
    assert titles[0].startswith("多层感知机 MLP 1x512") and titles[1].startswith("Größeres MLP 1x512")
    assert all(file.with_suffix(".png").stat().st_size > 10_000 for file in files)


def test_help_in_letters_of_another_language(monkeypatch, capsys, tmp_path):
    script = copy(tmp_path, ("of the first epoch", "größte Lernrate, in %"), encoding="latin-1")
    script.write_bytes(b"# -*- coding: latin-1 -*-\n" + script.read_bytes())
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        experiment.start(vars(imported(script)))
    assert ended.value.code == 0 and "größte Lernrate, in % (default: 0.01)" in capsys.readouterr().out


# Matplotlib's settings, and pictures that cannot be drawn

DRAWN = """
from common import experiment
import runpy
script = runpy.run_path(sys.argv[0])
for name, title in ("plain", script["__doc__"]), ("dollar", "It costs $5 and $x_{ more, 100 % of \\\\alpha^"):
    run = experiment.start(script | {"__doc__": title})
    run.stem = run.stem.with_name(name)
    run.write({"history": {"loss": [2.0, 1.0], "val_loss": [2.0, 3.0], "accuracy": [0.1, 0.5],
                           "val_accuracy": [0.1, 0.1]}}, None)
"""


@pytest.fixture(scope="module")
def pictures(forks, tmp_path_factory):
    """Pictures' bytes by the user's Matplotlib settings and the name of the picture."""
    found = {}
    for kind, settings in [("none", ""), ("TeX", "text.usetex: True\n"),
                           ("dark", "axes.facecolor: black\nfigure.facecolor: black\ntext.color: white\n"
                                    "lines.linewidth: 9\nsavefig.dpi: 30\nfont.size: 30\naxes.grid: True\n")]:
        folder = tmp_path_factory.mktemp(kind)
        (folder / "matplotlibrc").write_text(settings)
        # Matplotlib reads it when it is imported, which it has been: so again.
        again = "import matplotlib\nmatplotlib.rcParams.update(matplotlib.rc_params_from_file(sys.argv.pop()))\n"
        process = forks.run(SCRIPT, "--out", folder, folder / "matplotlibrc", before=again + DRAWN, picture=True,
                            run=False)
        assert process.returncode == 0 and "could not be drawn" not in process.stdout, process
        found |= {(kind, path.stem): path.read_bytes() for path in folder.glob("*.png")}
    return found


@pytest.mark.parametrize("settings", ["TeX", "dark"])
def test_pictures_have_our_style_whatever_the_users(pictures, settings):
    assert pictures[settings, "plain"] == pictures["none", "plain"]


def test_a_title_with_signs_of_mathematics_is_drawn_as_it_is_written(pictures):
    assert len(pictures["none", "dollar"]) > 10_000 and pictures["none", "dollar"] != pictures["none", "plain"]


def test_a_picture_that_cannot_be_drawn_is_said_once_and_loses_nothing(monkeypatch, capsys, tmp_path):
    run, tried = start(monkeypatch, "--out", tmp_path, "--no-weights"), []

    def draw(told, path):
        tried.append(path.name)
        raise SystemExit("no room for a picture")

    run.write({"history": {"loss": [1.0], "accuracy": [0.5]}, "train_accuracy": 0.5, "test_accuracy": 0.25}, draw)
    said = capsys.readouterr().out
    assert len(tried) == 1 and said.count("no room for a picture") == 1 and "50.00 % train, 25.00 % test" in said
    assert [path.name for path in tmp_path.iterdir()] == ["cifar10_keras_mlp_rand.run.h5"]


# Streams

@pytest.mark.skipif(not shutil.which("sh"), reason="no shell that closes streams")
def test_streams_that_are_closed_cost_nothing(tmp_path):
    script = copy(tmp_path)
    process = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&- 2>&-', sys.executable, script, *QUICK],
                             stdin=subprocess.DEVNULL)
    assert process.returncode == 0
    assert record.read(tmp_path / "my_mlp--synthetic--limit-100--epochs-1.h5")["title"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".py", ".h5", ".png"}


@pytest.mark.parametrize("stdout, before", [pytest.param("/dev/full", "", marks=FULL), (None, HEAD)],
                         ids=["full disk", "head"])
def test_where_nobody_reads_any_more_the_run_goes_on(forks, tmp_path, stdout, before):
    process = forks.run(SCRIPT, *QUICK, "--out", tmp_path, stdout=stdout, before=before)
    assert process.returncode == 0 and process.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == [STEM + ".h5"]


# Signals

SENT = """
import signal
from common import training
training.CHECKPOINT, write, written = 0, training.write_checkpoint, []
{prepare}

def send(run, *args):
    write(run, *args)
    written.append(run)
    if len(written) == 2:
        os.kill(os.getpid(), signal.{name})

training.write_checkpoint = send
"""


@pytest.mark.parametrize("name, status", [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_to_end_has_a_word_a_checkpoint_and_the_usual_status(forks, tmp_path, name, status):
    options = ["--dataset", "synthetic", "--limit", "100", "--epochs", "6", "--out", tmp_path]
    prepare = f"signal.signal(signal.{name}, signal.default_int_handler if {name == 'SIGINT'} else signal.SIG_DFL)"
    process = forks.run(SCRIPT, *options, before=SENT.format(name=name, prepare=prepare))
    assert process.returncode == status
    assert process.stderr.strip() == ("Stopped after 2 of 6 epochs. Run the same command again to resume (without "
                                      "--fresh), or with --fresh to start from the first epoch.")
    checkpoint, = tmp_path.iterdir()
    assert checkpoint.name == ".cifar10_keras_mlp_rand--synthetic--limit-100.checkpoint.npz"
    with np.load(checkpoint) as state:
        assert len(json.loads(str(state["history"]))["loss"]) == 2


def test_signals_that_the_run_was_started_to_ignore_stay_ignored(forks, tmp_path):
    """As under nohup, and in the background of a shell script."""
    options = ["--dataset", "synthetic", "--limit", "100", "--epochs", "4", "--no-weights", "--out", tmp_path]
    ignored = "\n".join(f"signal.signal(signal.{name}, signal.SIG_IGN)" for name in ("SIGINT", "SIGHUP"))
    sent = SENT.format(name="SIGINT", prepare=ignored).replace("SIGINT)\n\ntrain", "SIGINT)\n"
                                                               "        os.kill(os.getpid(), signal.SIGHUP)\n\ntrain")
    assert sent.count("os.kill") == 2
    process = forks.run(SCRIPT, *options, before=sent)
    assert process.returncode == 0 and process.stderr == ""
    file, = tmp_path.iterdir()
    assert len(record.read(file)["history"]["loss"]) == 4


# Scripts without a file, files in the way, folders

NO_FILE = "A run is named after its script, and this one has no file. Run it as: python NAME.py"


def test_a_script_that_is_executed_as_text_is_told_that_it_has_no_file(forks):
    process = forks.run(SCRIPT, *QUICK, before="exec(open(script).read(), {'__name__': '__main__'})", run=False)
    assert one_sentence(process).strip() == NO_FILE


@pytest.mark.parametrize("name", ["keras.py", "keras/__init__.py"])
def test_a_file_beside_a_script_that_hides_keras(tmp_path, name):
    script = copy(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    said = one_sentence(run(script, *QUICK))
    assert said.strip() == f"{tmp_path / name} hides the package keras from this script. Rename it."


@pytest.mark.parametrize("option", ["data", "out"])
def test_a_folder_of_the_users_home(monkeypatch, tmp_path, option):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "my folder").mkdir()
    told = start(monkeypatch, f"--{option}=~/my folder", *["--out", tmp_path] * (option == "data"))
    assert (told.data if option == "data" else told.stem.parent) == tmp_path / "my folder"


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(monkeypatch, tmp_path):
    import keras

    run = start(monkeypatch, "--out", tmp_path)
    run.checkpoint.write_bytes(b"somebody else's")
    train = data.Batches(np.zeros((4, 2), np.float32), np.arange(4, dtype=np.int32) % 2, 4)

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(np, "load", refuse)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(SystemExit) as refusal:
        run.fit(model, train, None, 1)
    assert "Permission denied" in str(refusal.value) and "Make it readable" in str(refusal.value)
    assert "damaged" not in str(refusal.value)
    assert run.checkpoint.read_bytes() == b"somebody else's"


# What importing changes, and what starting does

SETTINGS = """
import json, signal, sys
import common.layers
import keras

def told():
    return [sys.excepthook is sys.__excepthook__, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            keras.config.image_data_format(), keras.config.floatx(),
            keras.config.epsilon(), keras.config.dtype_policy().name, keras.backend.backend()]

users = told()
sys.argv, script = sys.argv[:1], sys.argv[1]
from common import experiment
users_still = told()
import runpy
experiment.start(runpy.run_path(script))
print(json.dumps([users, users_still, told()]))
"""


def test_importing_leaves_the_users_settings_alone_and_starting_a_run_ignores_them(tmp_path):
    """And in the end of the same process: a script that Python reads from its input, python - < script."""
    (tmp_path / "keras.json").write_text(json.dumps({"image_data_format": "channels_first", "floatx": "float16",
                                                     "epsilon": 0.1, "backend": "torch"}))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    process = subprocess.run([sys.executable, "-", copy(tmp_path)], capture_output=True, text=True, cwd=ROOT,
                             input=SETTINGS + SCRIPT.read_text(), env=environment | {"KERAS_HOME": str(tmp_path)})
    assert one_sentence(process).strip() == NO_FILE
    users, still, ours = json.loads(process.stdout)
    backend = "tensorflow" if importlib.util.find_spec("tensorflow") else "jax"  # whatever keras.json says
    assert users == still == [True, True, "channels_first", "float16", 0.1, "float16", backend]
    assert ours == [False, True, "channels_last", "float32", 1e-7, "float32", backend]
