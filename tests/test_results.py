"""What is published: every committed .h5, the tables, the pictures."""

import ast
import importlib.util
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import catalog
import claims
import draw
import histories
import measures
import train
from common import cifar10, plot, record

import benchmark
import keras
import numpy as np
import pytest
from conftest import FULL, ROOT, every_script

FILES = sorted({path for row in catalog.published() if "--" not in (path := catalog.file_of(row)).name
                or ".run." not in path.name})
MODELS = [path for path in FILES if "history" in record.read(path) and ".run." not in path.name]
RUNS = sorted(path for row in catalog.published() if ".run." in (path := catalog.file_of(row)).name)  # without weights
PUBLISHED = pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)

LOAD = """
import os, sys
import keras, numpy, h5py
kinds = set()
for path in sys.argv[2:]:
    if "Mini Alexnet" in path:
        from common import layers
    model = keras.models.load_model(path, compile=False)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}, path
    kind = path if sys.argv[1] == "all" else os.path.dirname(path)
    if kind not in kinds:
        with h5py.File(path) as file:
            inputs, outputs = file["run/probe/inputs"][:], file["run/probe/outputs"][:]
        compiled = keras.backend.backend() == "jax"  # which takes longer to compile each operation by itself
        found = model.predict(inputs, verbose=0) if compiled else model(inputs, training=False)
        numpy.testing.assert_allclose(keras.ops.convert_to_numpy(found), outputs, rtol=1e-3, atol=1e-3, err_msg=path)
    kinds.add(kind)
print(len(sys.argv) - 2)
"""
# An environment with the oldest versions that pyproject.toml allows, where .ci/run has made one
OLDEST = ROOT / ".oldest" / "bin" / "python"


@pytest.mark.parametrize("backend, python", [("tensorflow", sys.executable), ("jax", sys.executable),
                                             ("torch", sys.executable), ("tensorflow", OLDEST)],
                         ids=["tensorflow", "jax", "torch", "oldest"])
def test_published_models_predict_with_keras_alone_what_they_did(backend, python, tmp_path):
    """In a fresh process, and in a folder without `common`; Alexnet's, which has a layer of its own, with that.

    All of them with the backend they were trained with; with others, and older versions, one of each network.
    """
    which = "all" if (backend, python) == ("tensorflow", sys.executable) else "one of each"
    shown = MODELS if which == "all" else list({path.parent: path for path in MODELS}.values())
    if not importlib.util.find_spec(backend) or not Path(python).exists():
        pytest.skip(f"{backend}, {python} is not here")
    alexnet = [path for path in shown if path.parent.name == "Mini Alexnet"]
    models = [path for path in shown if path not in alexnet] + alexnet * (backend != "torch" and python is not OLDEST)
    process = subprocess.run([python, "-c", LOAD, which, *models], capture_output=True, text=True, cwd=tmp_path,
                             env=os.environ | {"KERAS_BACKEND": backend})
    assert process.returncode == 0, process.stderr
    assert process.stdout.split()[-1] == str(len(models))


@pytest.mark.skipif(not OLDEST.exists(), reason="no environment with the oldest versions is here")
def test_a_script_runs_with_the_oldest_versions(tmp_path):
    process = subprocess.run([OLDEST, ROOT / "MLP1" / "cifar10_keras_mlp_rand.py", "--dataset", "synthetic", "--limit",
                              "200", "--epochs", "1", "--out", tmp_path], capture_output=True, text=True,
                             env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.returncode == 0, process.stderr


@PUBLISHED
def test_published_run_is_that_of_its_script(model):
    """Full real data, and the paper's figures; its settings are looked at below, with those of all other runs."""
    told, row = record.read(model), next(row for row in catalog.TRAINED if ROOT / (row.name + ".h5") == model)
    script = catalog.script_of(row).read_text(encoding="utf-8")
    assert told["settings"]["dataset"] == model.name.split("_")[0] and told["settings"]["limit"] is None
    for constant in "WEIGHT_DECAY", "LABEL_NOISE":  # that a script does not have, its run was not trained with
        found = re.search(rf"^{constant} = ([\d.e-]+)", script, re.MULTILINE)
        assert (told["settings"].get(constant.lower()) or None) == (float(found[1]) if found else None), constant
    paper = re.search(r"^PAPER = \(([\d.]+), ([\d.]+)\)", script, re.MULTILINE)
    assert (told.get("paper_train"), told.get("paper_test")) == (
        (float(paper[1]), float(paper[2])) if paper else (None, None))
    assert 1 <= len(told["history"]["loss"]) <= told["settings"]["epochs"]


@pytest.mark.parametrize("row", [row for row in catalog.TRAINED if catalog.file_of(row) and not row.options],
                         ids=lambda row: row.stem)
def test_the_picture_beside_a_script_is_the_one_in_results(row):
    beside = (ROOT / row.script).with_suffix(".png")
    assert beside.read_bytes() == (ROOT / "Results" / (row.picture + ".png")).read_bytes()


def test_every_script_has_its_row():
    assert {catalog.script_of(row) for row in catalog.TRAINED} == set(every_script())


def test_what_is_chosen_to_be_trained():
    table_1 = train.chosen(["table-1"])
    assert len(table_1) == 19 and {row.name for row in table_1} == {row.name for row in catalog.CIFAR10
                                                                    if not row.options}
    assert [row.name for row in train.chosen(["MLP1/cifar10_keras_mlp"], 3)] == [
        "MLP1/cifar10_keras_mlp" + ending for ending in ("", "--seed-1", "--seed-2")]
    assert train.chosen([]) == catalog.trained()


def test_a_row_is_called_what_its_script_is_called():
    """The first line of the script's docstring, but for commas; behind it what the row's options make of it."""
    rows = [row for row in sum(catalog.TABLES.values(), []) if not row.part]
    for row in rows:
        tree = ast.parse(catalog.script_of(row).read_text(encoding="utf-8"))
        title = ast.get_docstring(tree).splitlines()[0].rstrip(".")
        if row.options.get("label-noise") == 0:
            title = title.replace("random labels", "true labels")
        assert row.title.replace(",", "").startswith(title.replace(",", "")), row
    for row, form in (catalog.FEATURES, ""), (catalog.MORE_FEATURES, "dual form, "):
        assert row.variant == f"{form}{catalog.run_of(row)['settings']['filters']:,} filters"


def test_every_run_has_its_script_s_settings_but_for_the_options_in_its_name():
    rows = catalog.published()
    assert len(rows) > 150 and sum(bool(row.options) for row in rows) > 100
    for row in rows:
        settings, script = catalog.run_of(row)["settings"], catalog.script_of(row).read_text(encoding="utf-8")
        settings = {"learning_rate_decay": 0.95} | settings  # which was the same for all, and is in no older file
        constants = re.findall(r"^([A-Z][A-Z_]*) = ([\d.e-]+|None|True|False)\b", script, re.MULTILINE)
        expected = {name.lower(): ast.literal_eval(value) for name, value in constants if name.lower() in settings}
        expected |= {name.replace("-", "_"): value for name, value in row.options.items()}
        assert {name: settings[name] for name in expected} == expected, row.name


def test_names_and_titles_are_put_together_from_fields():
    row = catalog.with_noise("LSTM", 0.4)
    assert row.name == "LSTM/imdb_lstm_rand_labels--label-noise-0.4"
    assert (row.title, row.label) == ("LSTM on IMDB, label noise 0.4", "LSTM, label noise 0.4")
    assert catalog.TINY.label == "Inception v3 on tiny-imagenet-20" and catalog.TINY.name == (
        "Inception v3/imagenet_inception_v3--batch-size-125--learning-rate-0.003--image-size-75--tiny-imagenet-20")
    assert train.command(row)[1:] == [str(ROOT / "LSTM" / "imdb_lstm_rand_labels.py"), "--label-noise", "0.4",
                                      "--no-weights"]
    assert train.command(catalog.row("MLP 1x512"))[1:] == [str(ROOT / "MLP1" / "cifar10_keras_mlp.py")]


def test_every_run_that_is_kept_is_published():
    kept = shutil.which("git") and subprocess.run(["git", "ls-files", "*.h5"], cwd=ROOT, capture_output=True,
                                                  text=True).stdout.splitlines()
    if not kept:
        pytest.skip("no git, or no repository")
    assert {catalog.file_of(row).relative_to(ROOT).as_posix() for row in catalog.published()} == set(kept)


def test_trials_of_a_user_change_nothing_that_is_published(tmp_path, monkeypatch):
    """Those of a script's copy, and of the options of a published run that is kept without its model."""
    noisy = catalog.file_of(catalog.with_noise("MLP 1x512", 0.5))
    (tmp_path / "MLP1").mkdir()
    for name in "cifar10_keras_mlp.h5", noisy.name:
        shutil.copy(ROOT / "MLP1" / name, tmp_path / "MLP1")
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    before = draw.digests()
    for name in ("cifar10_keras_mlp--seed-1.h5", "my_mlp.h5", "my_mlp--label-noise-0.5.h5",
                 noisy.name.replace(".run", ""), ".1.part.my_mlp.h5"):
        shutil.copy(ROOT / "MLP1" / "cifar10_keras_mlp_rand.h5", tmp_path / "MLP1" / name)
    assert draw.digests() == before and len(before) == 2
    assert catalog.file_of(catalog.with_noise("MLP 1x512", 0.5)) == tmp_path / "MLP1" / noisy.name
    assert len(catalog.seeds(catalog.row("MLP 1x512"))) == 1


def test_older_files_are_read_under_the_names_of_today():
    older = catalog.with_noise("MLP 1x512", 0.4)
    assert "accuracy_wrong" in record.read(catalog.file_of(older))["history"]
    run = catalog.run_of(older)
    assert "accuracy_mislabeled" in run["history"] and "accuracy_wrong" not in run["history"]
    assert catalog.run_of(catalog.row("Mini Alexnet"))["title"] == "Mini Alexnet on CIFAR-10"


def test_the_papers_figures_are_beside_no_run_they_are_not_for():
    for row in catalog.published():
        if row.options.keys() - {"seed"} and not row.paper:
            assert catalog.paper_of(row) == (), row.name


def test_a_table_has_as_many_cells_in_every_line():
    for page in [ROOT / "README.md", *ROOT.glob("*/*.md")]:
        for block in re.findall(r"(?m)(?:^\|.*\n)+", page.read_text(encoding="utf-8")):
            assert len({line.count("|") for line in block.splitlines()}) == 1, f"{page}: {block.splitlines()[0]}"


def test_what_takes_longest_comes_first():
    """By what the runs took: the median of each network, in the order in which the table of minutes has them."""
    minutes = {}
    for row in catalog.trained():
        if catalog.file_of(row) and row.script not in catalog.MINUTES:
            minutes.setdefault(row.network, []).append(catalog.run_of(row)["seconds"] / 60)
    medians = [np.median(values) for values in minutes.values()]
    assert medians == sorted(medians, reverse=True) and len(medians) == 5
    for network, values in minutes.items():
        assert np.median(values) / 2 < catalog.MINUTES[network] < np.median(values) * 2, network
    assert set(catalog.MINUTES) - set(catalog.NETWORKS) <= {row.script for row in catalog.trained()}


def test_tables_and_pictures_are_those_of_the_models(tmp_path, monkeypatch, undrawn):
    """Written anew in a copy, the tables come out as committed, byte for byte.  (Pictures: Results/verify.py.)"""
    for path in [*FILES, *RUNS, *ROOT.glob("*/*.md"), ROOT / "README.md", *ROOT.glob("Results/*.json"),
                 *(ROOT / "Results" / name for name in ("measures.csv", "margins.csv"))]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    (tmp_path / "Results").mkdir(exist_ok=True)
    draw.main()
    benchmark.fill_tables(tmp_path)
    for path in [ROOT / "README.md", *ROOT.glob("*/*.md"), *ROOT.glob("Results/*.csv")]:
        assert (tmp_path / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    drawn = {path.name for path in (tmp_path / "Results").glob("*.png")}
    assert drawn == {path.name for path in (ROOT / "Results").glob("*.png")}


def test_the_rest_is_drawn_where_models_are_missing_or_damaged(tmp_path, monkeypatch, capsys):
    for path in [*ROOT.glob("MLP1/cifar10_keras_ml*[pd].h5"), *ROOT.glob("*/*.md"), ROOT / "README.md"]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    damaged = tmp_path / "MLP1" / "cifar10_keras_mlp_wd.h5"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    draw.main()
    assert f"{damaged} cannot be read (" in capsys.readouterr().out
    assert (tmp_path / "Results" / "MLP1_Cifar10.png").exists()
    assert not (tmp_path / "Results" / "MLP1_Cifar10_wd.png").exists()


def test_nothing_is_drawn_or_measured_where_published_files_are_missing(tmp_path, monkeypatch):
    """As in a clone without the models, which would lose their rows."""
    (tmp_path / "Results").mkdir()
    (tmp_path / "Results" / draw.SUMS).write_text("0" * 64 + "  MLP1/x.h5\n", encoding="utf-8")
    (tmp_path / "Results" / "measures.csv").write_text("name,distance\nMLP1/x,1.0\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in (tmp_path / "Results").iterdir()}
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="1 published files are not here.*, MLP1/x.h5 the first.*git checkout"):
        draw.main()
    with pytest.raises(SystemExit, match="1 of the models in .*measures.csv are not here, MLP1/x.h5 the first"):
        measures.main()
    assert {path: path.read_bytes() for path in (tmp_path / "Results").iterdir()} == before


def test_nothing_is_drawn_where_a_published_file_is_damaged(tmp_path, monkeypatch, capsys):
    for folder in "Results", "MLP1":
        (tmp_path / folder).mkdir()
    (tmp_path / "MLP1" / "cifar10_keras_mlp.h5").write_bytes(b"cut")
    (tmp_path / "Results" / draw.SUMS).write_text("0" * 64 + "  MLP1/cifar10_keras_mlp.h5\n", encoding="utf-8")
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="1 published files are not here or not readable, MLP1/cifar10_keras_mlp.h5"):
        draw.main()
    assert [path.name for path in (tmp_path / "Results").iterdir()] == [draw.SUMS]
    assert "cannot be read" in capsys.readouterr().out


def test_the_claims_are_the_papers_in_its_order():
    sections = ["1, 2.1", "2.1", "2.2", "3", "4", "5", "appendix"]
    places = [sections.index(claim.section) for claim in claims.CLAIMS]
    assert len(places) >= 25 and places == sorted(places) and set(places) == set(range(len(sections)))
    for claim in claims.CLAIMS:
        assert len(claim.text.split()) <= 13, claim.text
        assert bool(claim.rows) == bool(claim.judge) and (claim.judge or claim.because), claim.text
        assert re.match(r"\*\*(holds|differs|open)\*\*[:,] .*\d|not trained yet|not here: ",
                        claims.verdict(claim))


NEVER = {"history": {"accuracy": np.linspace(0, 0.97, 50)}}  # fitted
CHANCE = {"history": {"accuracy": np.full(50, 0.1)}}
# Judge: its rows, changes of their runs, and the verdict then
OTHER_FIGURES = {
    claims.fitted: [(0, {"train_accuracy": 0.98}, False), (0, {"train_accuracy": 0.995}, True)],
    claims.at_chance: [(0, {"test_accuracy": 0.15}, False), (0, {"test_accuracy": 0.05}, False)],
    claims.same_settings: [(1, {"settings": {"batch_size": 7}}, None), (1, {"train_accuracy": 0.9}, None),
                           (1, {"history": {"loss": np.ones(5), "learning_rate": np.ones(5)}}, None)],
    claims.does_not_converge: [(0, {"train_accuracy": 0.4}, True), (0, {"train_accuracy": 0.6}, False)],
    claims.batch_norm: [(0, {"test_accuracy": 0.9}, None), (0, {"test_accuracy": 0.86}, True),
                        (0, {"test_accuracy": 0.84}, None)],
    claims.coin: [(0, {"train_accuracy": 0.8}, False), (1, {"train_accuracy": 0.8}, False)],
    claims.each_helps: [(0, {"test_accuracy": 0.5}, False), (0, {"test_accuracy": 0.847}, None)],
    claims.signal_and_noise: [(0, {"test_accuracy": 0.1}, False), (0, {"train_accuracy": 0.9}, False)],
    claims.theorem_1: [(0, {"train_accuracy": 0.9999}, False), (0, {"weights": 102_353}, False)],
    claims.kernel: [(0, {"test_accuracy": 0.4}, False), (0, {"test_accuracy": 0.978}, False),
                    (0, {"train_accuracy": 0.99}, False), (0, {"random_train_accuracy": 0.99}, False)],
    claims.without_regularizers: [(0, {"test_accuracy": 0.99}, False)],
    claims.first_beats_second: [(2, {"test_accuracy": 0.99}, False), (0, {"test_accuracy": 0.95}, True),
                                (0, {"test_accuracy": 0.89}, None)],
    claims.architecture: [(0, {"test_accuracy": 0.84}, False)],
    claims.above_chance: [(0, {"test_accuracy": 0.1}, False)],
    claims.stopping_helps: [(0, {"history": {"val_accuracy": np.array([0.8, 0.3])}}, True),
                            (0, {"history": {"val_accuracy": np.array([0.8, 0.785])}}, False),
                            (0, {"history": {"val_accuracy": np.array([*[0.8] * 8, 0.79, 0.76])}}, True),
                            (0, {"history": {"val_accuracy": np.array([*[0.8] * 8, 0.81, 0.76])}}, None)],
    claims.stopping_brings_nothing: [(0, {"history": {"val_accuracy": np.array([0.8, 0.3])}}, False)],
    claims.sooner: [(0, {"history": {"accuracy": np.linspace(0, 1, 50)}}, False), (1, CHANCE, False),
                    (2, CHANCE, True)],
    claims.slower_with_noise: [(5, {"history": {"accuracy": np.array([0.1, 1])}}, False), (-1, NEVER, False),
                               (5, {"history": {"accuracy": np.linspace(0, 1, 500)}}, False)],
    claims.worse_with_noise: [(5, {"test_accuracy": 0.9}, False), (10, {"test_accuracy": 0.05}, False)]}


@pytest.mark.parametrize("judge", OTHER_FIGURES, ids=lambda judge: judge.__name__)
def test_a_verdict_follows_the_figures_in_the_files(judge, monkeypatch):
    rows = max((claim.rows for claim in claims.CLAIMS
                if claim.judge is judge and all(map(catalog.file_of, claim.rows))), key=len)
    monkeypatch.setattr(catalog, "seeds", lambda row: [row])
    stored = catalog.run_of
    assert any(judge(rows)[0] != verdict for *_, verdict in OTHER_FIGURES[judge]), "no case changes the verdict"
    for place, changes, verdict in OTHER_FIGURES[judge]:
        for module in claims, catalog:  # which has the accuracies
            monkeypatch.setattr(module, "run_of", lambda row, name=rows[place].name, changes=changes:
                                stored(row) | (changes if row.name == name else {}))
        found = judge(rows)[0]
        assert found is None if verdict is None else bool(found) is verdict and found is not None


@pytest.mark.parametrize("place, changes", [(1, {"history": {"accuracy": np.linspace(0, 1, 99)}}), (7, NEVER)])
def test_random_labels_that_are_fitted_slowly_or_never_are_named(place, changes, monkeypatch):
    stored, rows = catalog.run_of, claims.LABEL_PAIRS
    assert claims.fast_once_begun(rows)[0]
    monkeypatch.setattr(claims, "run_of", lambda row: stored(row) | (changes if row == rows[place] else {}))
    holds, figures = claims.fast_once_begun(rows)
    assert not holds and figures.endswith(f"; longer: {rows[place - 1].label}")


@pytest.mark.parametrize("lows, verdict", [((0.8, 0.1, 0.8, 0.1), True), ((0.8, 0.1, 0.1, 0.8), False)])
def test_the_steadier_network_is_the_one_whose_test_accuracy_falls_less(lows, verdict, monkeypatch):
    lows = dict(zip((row.name for row in claims.BATCH_NORM), lows, strict=True))
    monkeypatch.setattr(claims, "run_of", lambda row: {"history": {"val_accuracy": np.array([0.9, lows[row.name]])}})
    assert bool(claims.steadier(claims.BATCH_NORM)[0]) is verdict


def test_early_stopping_is_to_gain_as_much_as_in_the_paper_with_weight_decay_and_without(monkeypatch):
    for row, last, verdict in ((catalog.TINY, 0.77, True), (catalog.TINY_WEIGHT_DECAY, 0.77, False),
                               (catalog.TINY_WEIGHT_DECAY, 0.75, True)):
        monkeypatch.setattr(claims, "run_of", lambda row, last=last: {
            "history": {"val_accuracy": np.array([0.8, last])}})
        assert bool(claims.stopping_helps([row])[0]) is verdict


@pytest.mark.parametrize("holds, word", [(True, "holds"), (False, "differs"), (None, "open")])
def test_a_verdict_with_a_reservation_is_open(holds, word):
    for because, verdict in ("one run", "**open**, one run: 1 %"), ("", f"**{word}**: 1 %"):
        claim = claims.Claim("3", "x", [catalog.row("MLP 1x512")], lambda rows: (holds, "1 %"), because)
        assert claims.verdict(claim) == verdict


def test_one_seed_that_is_not_fitted_is_enough_for_a_claim_to_differ(monkeypatch):
    monkeypatch.setattr(catalog, "accuracies", lambda row, split: np.array([100, 100, 100, 96.5]))
    holds, figures = claims.fitted([catalog.row("MLP 1x512")])
    assert not holds and figures == "99.12 % train; less than it takes: MLP 1x512"


def test_what_contradicts_a_claim_is_named(monkeypatch):
    rows = [catalog.row("MLP 1x512", "_wd"), catalog.row("MLP 1x512"), catalog.row("MLP 3x512", "_wd"),
            catalog.row("MLP 3x512")]
    for gains, verdict in ([-2, 3], False), ([0.5, 3], None), ([1, 3], True), ([-2, 0.5], False):
        monkeypatch.setattr(claims, "gains_of_pairs", lambda rows, gains=gains: gains)
        holds, figures = claims.each_helps(rows)
        assert holds is verdict and ("less than one: MLP 1x512, weight decay" in figures) is (gains[0] < 1)


def test_a_training_set_is_fitted_as_well_as_the_papers(monkeypatch):
    row, plain = catalog.row("MLP 1x512", "_rand_wd", paper=("99.21", "-")), catalog.row("MLP 1x512")
    for accuracy, of_paper, alone in (98.5, True, False), (98.0, False, False), (99.5, True, True):
        monkeypatch.setattr(catalog, "accuracies", lambda row, split, accuracy=accuracy: np.array([accuracy]))
        monkeypatch.setattr(catalog, "run_of", lambda row: {})
        assert claims.fitted([row])[0] is of_paper and claims.fitted([plain])[0] is alone


# What runs like these write, and the opposite, which the claim must not pass
NORMS = {"images": [7, 9], "true": [[10, 12], [0, 0], [0.5, 0.45]], "wrong": [[10, 20], [0, 0], [0.5, 0.6]],
         "narrow": [[5], [0], [0.8]]}
CENTERS = {name: np.array([[10, 99], [0, 0], [0.5, 0.7]]) for name in ("noise", "other images")}
MNIST = {"pixels": [5, 0, 0.012], "pixels, penalty": [4, 0, 0.012], "wavelets": [9, 0, 0.006],
         "wavelets, penalty": [8, 0, 0.006]}


@pytest.mark.parametrize("judge, run, opposite", [
    (claims.coin, {"train_accuracy": 1.0}, {"train_accuracy": 0.8}),
    (claims.features, {"error": {"test": np.array([0.175, 0.15])}}, {"error": {"test": np.array([0.175, 0.17])}}),
    (claims.features, {"error": {"test": np.array([0.175, 0.15])}}, {"error": {"test": np.array([0.19, 0.15])}}),
    (claims.minimum_norm, {"curves": {"distance": np.array([[5, 9], [1e-6, 4]])}},
     {"curves": {"distance": np.array([[5, 9], [1e-6, 1e-6]])}}),
    (claims.minimum_norm, {"curves": {"distance": np.array([[5, 9], [1e-6, 4]])}},
     {"curves": {"distance": np.array([[5, 9], [4, 4]])}}),
    (claims.norm_and_error, {"standardized": NORMS}, {"standardized": NORMS | {"narrow": [[50], [0], [0.8]]}}),
    (claims.norm_and_error, {"standardized": NORMS}, {"standardized": NORMS | {"narrow": [[5], [0.1], [0.8]]}}),
    *((claims.bad_interpolants, {"standardized": NORMS}, {"standardized": NORMS | {"wrong": wrong}})
      for wrong in ([[10, 11], [0, 0], [0.5, 0.6]], [[10, 20], [0, 0.1], [0.5, 0.6]], [[10, 20], [0, 0], [0.5, 0.4]])),
    *((claims.random_centers, {"solutions": CENTERS}, {"solutions": CENTERS | {kind: np.array(other)}})
      for kind in CENTERS for other in ([[10, 9], [0, 0], [0.5, 0.7]], [[10, 99], [0, 0.1], [0.5, 0.7]],
                                        [[10, 99], [0, 0], [0.5, 0.4]])),
    *((judge, {"solutions": MNIST}, {"solutions": MNIST | {kind: other}}) for judge, kind, other in (
        (claims.wavelets, "wavelets", [9, 0, 0.007]), (claims.wavelets, "wavelets", [9, 0.1, 0.006]),
        (claims.larger_norm_of_wavelets, "wavelets", [9, 0.1, 0.006]),
        (claims.penalty_on_mnist, "pixels, penalty", [4, 0, 0.01]),
        (claims.penalty_on_mnist, "wavelets, penalty", [4, 0, 0.005])))],
    ids=lambda value: getattr(value, "__name__", ""))
def test_claims_are_judged_once_their_runs_are_here(judge, run, opposite, monkeypatch):
    for stored, verdict in (run, True), (opposite, False):
        standardized = {name: np.array(values) for name, values in stored.get("standardized", {}).items()}
        stored = {"settings": {"images": 7, "extra": 2, "penalty": 0.1}, "shares": np.array([0, 1]), "paper_train": 100,
                  "paper_test": 99.4} | stored | {"standardized": standardized}
        for module in claims, catalog:
            monkeypatch.setattr(module, "run_of", lambda row, stored=stored: stored)
        monkeypatch.setattr(catalog, "seeds", lambda row: [row])
        found = judge([catalog.KERNEL_NORMS])[0]
        assert found is not None and bool(found) is verdict


@pytest.mark.parametrize("judge, kind, found", [
    (claims.larger_norm_of_wavelets, "wavelets", [4, 0, 0.006]),  # smaller, but under a narrower kernel
    (claims.larger_norm_of_wavelets, "wavelets", [9, 0, 0.013]),
    (claims.penalty_on_mnist, "wavelets, penalty", [8, 0, 0.05]),  # too large a penalty
    (claims.penalty_on_mnist, "pixels, penalty", [4.9, 0, 0.012])])  # too small a one
def test_what_cannot_tell_leaves_a_claim_open(judge, kind, found, monkeypatch):
    monkeypatch.setattr(claims, "run_of", lambda row: {
        "settings": {"penalty": 0.1}, "solutions": MNIST | {kind: found}})
    assert judge([catalog.GABOR])[0] is None


def test_a_claim_whose_run_is_missing_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    for claim in claims.CLAIMS:
        if claim.judge:
            assert claims.verdict(claim) == "not trained yet"


def test_early_stopping_is_that_of_the_histories():
    run = {"history": {"val_accuracy": np.array([0.5, 0.7, 0.7, 0.6])}}
    assert histories.early_stopping(run) == (60, 70) and histories.best_epoch(run) == 2
    assert histories.gain(run) == pytest.approx(10)
    rows = catalog.with_true_labels()
    table = draw.early_stopping_table()
    lines = [line for line in table.splitlines() if re.search(r"\| \d+ of \d+ \|$", line)]
    assert {data: len(of) for data, of in rows.items()} == {"CIFAR-10": 21, "IMDB": 7, "tiny-imagenet-20": 3}
    assert len(lines) == 31
    for path in MODELS:
        told = record.read(path)
        if told["settings"].get("label_noise") or "rademacher" in path.stem:
            continue
        label, = (row.label for row in catalog.TRAINED if ROOT / (row.name + ".h5") == path)
        curve = 100 * told["history"]["val_accuracy"]
        assert (f"| {label} | {curve[-1]:.2f} | {max(curve):.2f} | **{max(curve) - curve[-1]:.2f}** "
                f"| {1 + list(curve).index(max(curve))} of {len(curve)} |") in table


def test_means_and_spreads_are_those_of_the_files():
    """Counted here from the files' names, by Python's own statistics."""
    lines, several = (ROOT / "Results" / "README.md").read_text(encoding="utf-8").splitlines(), 0
    for model in MODELS:
        seeds = [model, *(path for path in model.parent.glob(f"{model.stem}--seed-*.run.h5") if path in RUNS)]
        if len(seeds) == 1:
            continue
        several += 1
        line, = (line for line in lines if f"/{model.stem}.py), [model]" in line and " ± " in line)
        for split in "train", "test":
            values = [100 * record.read(path)[f"{split}_accuracy"] for path in seeds]
            assert f"**{statistics.mean(values):.2f}** ± {statistics.stdev(values):.2f} ({len(seeds)})" in line
        runs = [record.read(path)["settings"] for path in seeds]
        assert sorted(run["seed"] for run in runs) == list(range(len(seeds))), model
        assert runs[0].pop("words", "as written") == "as written"  # in older files what is a transform today
        for other in runs[1:]:  # older files have fewer settings
            assert {name for name in runs[0] if runs[0][name] != other[name]} == {"seed"}
            assert not other.get("transform")
    assert several


def test_a_paper_s_figure_beyond_the_spread_is_marked(monkeypatch):
    row = catalog.row("MLP 1x512")
    for test_accuracies, marked in ([0.50, 0.51, 0.505], False), ([0.60, 0.601, 0.602], True), ([0.6], False):
        monkeypatch.setattr(catalog, "seeds", lambda row, values=test_accuracies: [
            catalog.with_seed(row, seed) for seed in range(len(values))])
        monkeypatch.setattr(catalog, "run_of", lambda row, values=test_accuracies: {
            "train_accuracy": 1.0, "test_accuracy": values[row.options.get("seed", 0)], "seconds": 60,
            "paper_train": 100.0, "paper_test": 50.51})
        table = draw.table([row])
        assert ("50.51 *" in table) is marked and ("prediction interval" in table) is marked
    # numpy: mean 60.1, standard deviation 0.1, 4.303 x 0.1 x sqrt(4 / 3)
    monkeypatch.setattr(catalog, "accuracies", lambda row, split: np.array([60, 60.1, 60.2]))
    assert draw.prediction(row, "test") == (59.6, 60.6)
    monkeypatch.setattr(catalog, "accuracies", lambda row, split: np.array([99.9, 99.9, 100]))
    assert draw.prediction(row, "test") == (99.64, 100)


def test_pandas_opens_the_spreadsheets():
    pandas = pytest.importorskip("pandas")
    results, history = (pandas.read_csv(ROOT / "Results" / name) for name in ("results.csv", "history.csv"))
    assert results.name.is_unique and set(results.name) == {row.name for row in catalog.published()}
    results = results.set_index("name")
    for row in catalog.published():
        told, line = record.read(catalog.file_of(row)), results.loc[row.name]
        for name, value in told["settings"].items():
            assert line[name] == value if value is not None else pandas.isna(line[name]), name
        for name in ("train_accuracy", "test_accuracy", "train_loss", "test_loss", "seconds"):
            assert line[name] == pytest.approx(told[name], rel=1e-7) if name in told else pandas.isna(line[name])
        assert line.processor == told["machine"]["processor"] and line.version_keras == told["versions"]["keras"]
        curves = history[history.name == row.name]
        assert len(curves) == (line.epochs_trained if "history" in told else 0)
        if len(curves):
            assert list(curves.epoch) == list(range(1, len(curves) + 1))
            np.testing.assert_allclose(curves.loss, told["history"]["loss"], rtol=1e-7)
    assert results.best_test_accuracy.dropna().ge(0).all() and results.paper_test.dtype == float
    assert results.loc["Mini Inception/cifar10_tf_inception"].paper_test == 85.75
    assert results.loc[catalog.with_noise("MLP 1x512", 0.5).name].isna().paper_train
    assert history.groupby("name").val_accuracy.max().dropna().equals(results.best_test_accuracy.dropna().sort_index())


def test_a_picture_has_the_papers_lines_the_range_of_seeds_and_an_axis_for_its_losses(monkeypatch):
    drawn = []
    monkeypatch.setattr(plot, "save", lambda figure, path: drawn.append(figure.axes))
    for losses, scale in ([2.0, 1.9], "linear"), ([2.0, 0.01], "log"), ([-0.5, -0.9], "linear"):
        run = {"title": "T", "paper_train": 99.5, "paper_test": 10.0,
               "history": {"loss": np.array(losses), "accuracy": np.array([0.1, 0.9])}}
        plot.curves(run, None, [run])
        left, right = drawn[-1]
        assert right.get_yscale() == scale and len(left.collections) == len(right.collections) == 1
        assert [line.get_ydata()[0] for line in left.lines if line.get_linestyle() == ":"] == [99.5, 10.0]


def test_the_spreadsheets_are_plain_text():
    for path in ROOT.glob("Results/*.csv"):
        text = path.read_bytes()
        assert b"\r" not in text and text.endswith(b"\n") and text.decode("utf-8")


def test_missing_runs_are_trained_as_a_user_would(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", "--data", str(tmp_path), "MLP1/*noise-0.5", "--out", str(tmp_path),
                                      "--dataset=synthetic", "--limit=200", "--epochs=1"])
    with pytest.raises(SystemExit) as end:
        train.main()
    assert end.value.code is False and "Trained 1 of 1 runs" in capfd.readouterr().out
    assert (tmp_path / "cifar10_keras_mlp_rand--synthetic--limit-200--epochs-1--label-noise-0.5.run.h5").exists()


@pytest.mark.parametrize("arguments, says", [
    (["MLP1/*", "--seeds", "0"], "--seeds and --at-once are 1 or more"),
    (["MLP1/*", "--at-once", "0"], "--seeds and --at-once are 1 or more"), (["MLP5/*"], r"no run is named MLP5/\*"),
    (["MLP1/*", "LSMT/*"], r"no run is named LSMT/\*;"), (["MLP1/*", "--at-once", "2", "LSMT/*"], r"named LSMT/\*;"),
    (["MLP1/*", "--epochs=1", "LSMT/*"], r"named LSMT/\*;"),
    (["MLP1/*", "--epochs", "1"], "named 1; other options are given as --name=value"),
    (["MLP1/*", "--out", __file__, "--list"], "test_results.py is no folder")])
def test_what_cannot_be_trained_is_refused(monkeypatch, capsys, arguments, says):
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as refusal:
        train.main()
    assert refusal.value.code == 2 and re.search(says, capsys.readouterr().err)


def test_a_run_that_fails_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "MLP1/*rand_wd", "--out", str(tmp_path / "runs" / "today")])
    monkeypatch.setattr(train, "command", lambda row: [sys.executable, "-c", "raise SystemExit('no')"])
    with pytest.raises(SystemExit) as refusal:
        train.main()
    assert refusal.value.code is True and "rand_wd: FAILED" in capsys.readouterr().out


def test_what_is_there_is_not_trained_again(tmp_path, monkeypatch, capsys):
    """Of a row with options a model is a user's own trial; where bfloat16 is slow, a name has the precision."""
    for name in "cifar10_keras_mlp_rand--label-noise-0.5.h5", "cifar10_keras_mlp3_rand--precision-float32.h5":
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "argv", ["train.py", "MLP3/*_rand", "--out", str(tmp_path), "MLP1/*noise-0.5", "--list"])
    train.main()
    assert capsys.readouterr().out.split() == ["MLP1/cifar10_keras_mlp_rand--label-noise-0.5"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that asks a process to end")
def test_a_signal_to_end_reaches_the_scripts(tmp_path):
    code = (f"import signal, sys, pathlib, time; here = pathlib.Path({str(tmp_path)!r})\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit((here / 'ended').write_text('x')))\n"
            "(here / 'begun').touch()\ntime.sleep(60)")
    driver = ("import sys, train\ncode = sys.argv.pop()\ntrain.command = lambda row: [sys.executable, '-c', code]\n"
              "sys.argv[1:] = ['MLP1/*_rand_wd', '--out', sys.argv[1]]\ntrain.main()")
    process = subprocess.Popen([sys.executable, "-c", driver, str(tmp_path), code], cwd=ROOT / "Results",
                               stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert "FAILED" in process.communicate(timeout=30)[0] and process.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "ended").exists()


@FULL
def test_all_runs_are_trained_though_nobody_can_read_of_it(tmp_path):
    driver = ("import sys, train\ncode = 'import pathlib, sys; pathlib.Path(sys.argv[1]).touch()'\n"
              "train.command = lambda row: [sys.executable, '-c', code, sys.argv[3] + '/' + row.stem]\n"
              "sys.argv[1:] = ['MLP1/*_wd', '--out', sys.argv[1]]\ntrain.main()")
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = subprocess.run([sys.executable, "-c", driver, str(tmp_path)], cwd=ROOT / "Results", stdout=full,
                                 stderr=subprocess.PIPE, text=True)
    assert process.returncode == 0 and not process.stderr, process.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"cifar10_keras_mlp_wd", "cifar10_keras_mlp_rand_wd"}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_runs_side_by_side_have_cores_of_their_own(tmp_path, monkeypatch):
    meet = ("import os, pathlib, time; here = pathlib.Path('{}'); here.write_text(str(os.sched_getaffinity(0)))\n"
            "for _ in range(3000):\n    if len(list(here.parent.glob('*.cores'))) > 1: break\n    time.sleep(0.01)")
    monkeypatch.setattr(sys, "argv", ["train.py", "MLP1/*_wd", "--out", str(tmp_path), "--at-once", "2"])
    monkeypatch.setattr(train, "command", lambda row: [sys.executable, "-c", meet.format(
        tmp_path / f"{row.stem}.cores")])
    before = os.sched_getaffinity(0)
    with pytest.raises(SystemExit) as end:
        train.main()
    assert end.value.code is False and os.sched_getaffinity(0) == before
    one, other = (eval(path.read_text()) for path in tmp_path.glob("*.cores"))
    assert one and other and not one & other and one | other == before


def test_epochs_to_fit_are_interpolated():
    fitted = {"history": {"accuracy": np.array([0.5, 0.97, 0.99])}}
    assert histories.epochs_to_fit(fitted) == pytest.approx(2.5)
    assert np.isnan(histories.epochs_to_fit({"history": {"accuracy": np.array([0.5, 0.97])}}))


@pytest.mark.parametrize("readme", sorted([ROOT / "README.md", *ROOT.glob("[!.]*/README.md"),
                                            ROOT / "Results" / "exercises.md"]), ids=lambda path: path.parent.name)
def test_links_lead_somewhere(readme):
    links = re.findall(r"\]\(([^)]+)\)|<img [^>]*src=\"([^\"]+)\"", readme.read_text(encoding="utf-8"))
    assert links
    for link in (a or b for a, b in links if not a.startswith("http")):
        path, _, anchor = link.replace("%20", " ").partition("#")
        page = readme.parent / path if path else readme
        assert page.exists(), f"{readme}: {link}"
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)", page.read_text(encoding="utf-8"))
            assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings], link


@pytest.mark.skipif(not (ROOT / "data" / "cifar-10-batches-py").exists(), reason="CIFAR-10 is not in data/")
def test_the_readme_says_how_a_model_is_loaded_and_fed(monkeypatch):
    monkeypatch.chdir(ROOT)
    training, (images, labels) = cifar10.read(ROOT / "data")
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: (training, (images, labels)))
    code, = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    made = {}
    exec(code, made)
    told = record.read(ROOT / "MLP1" / "cifar10_keras_mlp.h5")
    assert np.mean(made["logits"].argmax(axis=1) == labels) == pytest.approx(told["test_accuracy"], abs=2e-4)
