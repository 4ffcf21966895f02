"""Results/verify.py holds on what is published, and fails for each kind of change to it."""

import argparse
import os
import shutil
import subprocess
import sys

import catalog
import draw
import verify

import h5py
import numpy as np
import pytest
from conftest import ROOT, one_sentence, write_batches

OPTIONS = argparse.Namespace(data=None, models=[], every_image=False)
NAMES = "cifar10_keras_mlp", "cifar10_keras_mlp_rand"
REAL = pytest.mark.skipif(not all((ROOT / "data" / name).exists() for name in ("cifar-10-batches-py", "imdb.npz")),
                          reason="CIFAR-10 or IMDB is not in data/")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small repository: the READMEs and two models, all that is drawn from them."""
    for path in [*(ROOT / "MLP1" / f"{name}.h5" for name in NAMES), ROOT / "Results" / "benchmark.json",
                 *ROOT.glob("*/*.md"), ROOT / "README.md"]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    draw.main()
    return tmp_path


def failing(check):
    return [what for holds, what in check(OPTIONS) if not holds]


def change(path, old, new):
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))


def test_a_changed_figure_picture_or_spreadsheet_fails(published):
    assert failing(verify.drawings) == []
    results = published / "Results"
    one, other = (verify.record.read(published / "MLP1" / f"{name}.h5") for name in NAMES)
    change(published / "README.md", f"**{100 * one['test_accuracy']:.1f}**".encode(), b"**12.3**")
    change(results / "README.md", f"**{100 * other['train_accuracy']:.2f}**".encode(), b"**12.34**")
    change(results / "results.csv", b",60,", b",61,")
    change(results / "history.csv", b"\nMLP1/cifar10_keras_mlp,1,", b"\nMLP1/cifar10_keras_mlp,1,1")
    shutil.copy(results / "MLP1_Cifar10.png", results / "MLP1_Cifar10_rand_labels.png")
    (results / "Nothing.png").touch()
    (published / "MLP1" / "cifar10_keras_mlp.png").unlink()
    assert set(failing(verify.drawings)) == {f"{name} is not what the runs' files say" for name in (
        "README.md", "Results/README.md", "Results/results.csv", "Results/history.csv",
        "Results/MLP1_Cifar10_rand_labels.png", "MLP1/cifar10_keras_mlp.png")} | {
        "Results/Nothing.png belongs to no run"}


@REAL
def test_a_changed_file_fails_by_its_digest_and_a_changed_model_by_what_it_answers(published):
    assert failing(verify.files) == []
    attribute, weights = (published / "MLP1" / f"{name}.h5" for name in NAMES)
    with h5py.File(attribute, "a") as file:
        file["run"].attrs["test_accuracy"] += 0.002
    with h5py.File(weights, "a") as file:
        bias, = (name for name in names(file) if file[name].shape == (10,))
        file[bias][0] += 1
    (published / "LSTM" / "mine.h5").touch()  # of which nothing is published
    assert failing(verify.files) == [f"MLP1/{name}.h5 is not as SHA256SUMS lists it" for name in NAMES]
    shutil.copy(ROOT / "MLP1" / "cifar10_keras_mlp_wd.h5", published / "MLP1")
    checked = {what.split(":")[0]: (holds, what) for holds, what in verify.models(OPTIONS)}
    assert {name: holds for name, (holds, _) in checked.items()} == {
        **{f"MLP1/{name}.h5": False for name in NAMES}, "MLP1/cifar10_keras_mlp_wd.h5": True}
    changed = verify.record.read(attribute)["test_accuracy"]
    assert f"its file has 100.00% and {changed:.2%}" in checked[f"MLP1/{NAMES[0]}.h5"][1]


@REAL
def test_a_part_of_the_training_images_tells_more_than_chance_from_what_the_file_says(published, monkeypatch):
    monkeypatch.setitem(verify.SAMPLES, "MLP1", 2000)
    other, weights = (published / "MLP1" / f"{name}.h5" for name in NAMES)
    (holds, what), (random_hold, _) = verify.models(OPTIONS)
    assert holds and random_hold
    assert "% train of 2,000 images, 51.0" in what
    with h5py.File(other, "a") as file:
        file["run"].attrs["train_accuracy"] -= 0.05
    with h5py.File(weights, "a") as file:
        bias, = (name for name in names(file) if file[name].shape == (10,))
        file[bias][0] += 1
    assert [holds for holds, _ in verify.models(OPTIONS)] == [False, False]
    assert verify.agree(0.9, 0.9003) is False and verify.agree(0.9, 0.92, 5000) is False
    assert verify.agree(0.9, 0.9001) and verify.agree(0.9, 0.91, 5000) and verify.agree(1, 0.9998, 5000)


def names(file):
    found = []
    file.visititems(lambda name, part: found.append(name) if isinstance(part, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("read, name", [(verify.cifar_10, "data_batch_1"), (verify.reviews, "imdb.npz")])
def test_data_that_are_not_in_the_folder_are_one_sentence(tmp_path, read, name):
    with pytest.raises(SystemExit, match=f"{name} cannot be read .*, or give another folder with --data"):
        read(tmp_path)


@REAL
def test_other_labels_and_another_data_set_fail(monkeypatch):
    monkeypatch.setattr(verify.label_noise, "corrupt_labels", lambda labels, *rest: np.roll(labels, 1))
    assert len(failing(verify.labels)) == 4
    monkeypatch.setattr(verify.imdb, "DIGEST", "0" * 32)
    assert len(failing(verify.data_sets)) == 1


@REAL
def test_a_changed_measure_fails(published, monkeypatch):
    for name in "measures", "margins":
        shutil.copy(ROOT / "Results" / f"{name}.csv", published / "Results")
    draw.write_sums()
    assert failing(verify.measured) == [] == failing(verify.files)
    path = published / "Results" / "measures.csv"
    text = path.read_text(encoding="utf-8")
    line, = (line for line in text.splitlines() if line.startswith("MLP1/cifar10_keras_mlp,"))
    name, *cells, sharpness = line.split(",")
    path.write_text(text.replace(line, ",".join([name, *cells, str(float(sharpness) + 0.01)])), encoding="utf-8")
    assert [what.split(":")[0] for what in failing(verify.measured)] == ["MLP 1x512"]
    assert failing(verify.files) == ["Results/measures.csv is not as SHA256SUMS lists it"]
    path.write_text(text, encoding="utf-8")
    header, line = text.splitlines()[0].split(","), line.split(",")
    far = [str(2 * float(cell)) if column == "distance" else cell for column, cell in zip(header, line, strict=True)]
    path.write_text(text.replace(",".join(line), ",".join(far)), encoding="utf-8")
    assert [what.split(":")[0] for what in failing(verify.measured)] == ["MLP 1x512"]
    with monkeypatch.context() as trained_elsewhere:  # another backend begins with other weights
        stored = verify.catalog.run_of
        trained_elsewhere.setattr(verify.catalog, "run_of", lambda row: stored(row) | {"versions": {"jax": "0.11"}})
        assert failing(verify.measured) == []
    path.write_text(text, encoding="utf-8")
    path = published / "Results" / "margins.csv"
    text = path.read_text(encoding="utf-8")
    start, images = max((line.rpartition(",")[::2] for line in text.splitlines()
                         if line.startswith("MLP1/cifar10_keras_mlp,")), key=lambda line: int(line[1]))
    path.write_text(text.replace(f"{start},{images}", f"{start},{int(images) - 50}"), encoding="utf-8")
    assert [what.split(":")[0] for what in failing(verify.measured)] == ["MLP 1x512"]


@REAL
def test_theorem_1_is_evaluated_in_float64_on_jax_too():
    code = ("import verify; from pathlib import Path; whole = verify.cifar_10(None)\n"
            "verify.cifar_10 = lambda folder: [(images[:300], labels[:300]) for images, labels in whole]\n"
            "print(verify.accuracies(Path('MLP1/cifar10_theorem_1.h5'), None, None)[0])")
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ
                             | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(ROOT / "Results")])})
    assert process.stdout.strip().endswith("1.0"), process.stdout + process.stderr


@REAL
def test_random_labels_of_theorem_1_are_those_of_its_images(monkeypatch):
    stored = catalog.run_of(catalog.THEOREM_1)
    monkeypatch.setattr(catalog, "run_of", lambda row: stored | {"row": {"y": np.roll(stored["row"]["y"], 1)}})
    assert len(failing(verify.labels)) == 1


def test_trainings_that_end_with_other_bits_fail(monkeypatch):
    for change in 0, 1e-6:
        changes = [change, 0]

        def saved(script, folder, *rest, changes=changes):
            shutil.copy(ROOT / "MLP1" / f"{NAMES[1]}.h5", folder)
            with h5py.File(f"{folder}/{NAMES[1]}.h5", "a") as file:
                bias, = (name for name in names(file) if file[name].shape == (10,))
                file[bias][0] += changes.pop()

        monkeypatch.setattr(verify, "run_script", saved)
        assert len(failing(verify.training)) == (change > 0) and not changes


@REAL
def test_other_solutions_than_the_files_fail(monkeypatch):
    norm, kernel = "MLP1/cifar10_minimum_norm.py", "MLP1/cifar10_gaussian_kernel.py"
    stored = catalog.run_of(catalog.MINIMUM_NORM)
    runs = {norm: stored, kernel: {"width": 25.0, "test_accuracy": 0, "random_test_accuracy": 0}}
    monkeypatch.setattr(verify, "run_script", lambda script, *rest: runs[script])
    monkeypatch.setattr(verify, "random_features", lambda *rest: (True, "not computed"))
    wrong = failing(verify.solved)
    assert [what.split(", ")[-1].split(":")[0] for what in wrong] == ["true labels", "random_labels"]
    for name, what in zip(("test_accuracy", "random_test_accuracy"), wrong, strict=True):
        runs[kernel][name] = float(what.split(": ")[1].split("%")[0]) / 100
    assert failing(verify.solved) == []
    runs[norm] = stored | {"solutions": stored["solutions"] | {"norm": 1.01 * stored["solutions"]["norm"]}}
    assert [what.split(":")[0] for what in failing(verify.solved)] == ["SGD and the solution of minimum norm"]


def test_random_features_are_solved_again(tmp_path):
    noise = argparse.Namespace(data=write_batches(tmp_path / "data", 200))  # in place of CIFAR-10, which takes a minute
    holds, what = verify.random_features(noise, str(tmp_path), 1000)
    assert holds, what


@pytest.mark.parametrize("options, says", [(["figures"], "no check is named figures"),
                                           (["models", "--models", "MLP1/*.h6"], "no model is named MLP1/*.h6; give"),
                                           ("files --models MLP1/*".split(), "belong to the check models")])
def test_what_there_is_not_is_refused(options, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["verify.py", *options])
    with pytest.raises(SystemExit) as refusal:
        verify.main()
    assert says in str(refusal.value) + capsys.readouterr().err


def test_nothing_to_check_is_no_success(tmp_path, monkeypatch):
    """As for the measures in a clone without the models."""
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["verify.py", "measures"])
    with pytest.raises(SystemExit, match="nothing to check: the published models are not here"):
        verify.main()


def test_accuracies_agree_within_one_test_image_as_the_files_round_them():
    stored = float(np.float32(0.8795))  # 0.87949997
    assert verify.agree(stored, 0.8796) and verify.agree(stored, 0.8794) and not verify.agree(stored, 0.8797)


def test_published_files_are_as_listed():
    assert failing(verify.files) == []


@pytest.mark.parametrize("holds, last", [(True, "All 1 checks hold."), (False, "1 of 1 checks fail: sums")])
def test_the_last_line_and_the_status_say_whether_all_holds(holds, last, monkeypatch, capsys):
    monkeypatch.setitem(verify.CHECKS, "files", lambda options: [(holds, "sums")])
    monkeypatch.setattr(sys, "argv", ["verify.py", "files"])
    with pytest.raises(SystemExit) as end:
        verify.main()
    assert end.value.code is not holds and capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_a_model_is_written_once(tmp_path):
    """A change of its weights is another model; a change of anything else in its file is refused."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_CONFIG_GLOBAL"] = os.devnull  # whatever the user has set

    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=me", "-c", "user.email=me@here", *arguments], cwd=tmp_path, check=True,
                       env=environment)

    def check():
        return subprocess.run([sys.executable, ROOT / "tests" / "written_once.py", "HEAD"], cwd=tmp_path,
                              capture_output=True, text=True, env=environment)

    git("init", "-q")
    (tmp_path / "My MLP").mkdir()
    models = [tmp_path / "My MLP" / name for name in ("one.h5", "other.h5")]
    for model in models:
        shutil.copy(ROOT / "MLP1" / "cifar10_theorem_1.h5", model)
    git("add", ".")
    git("commit", "-qm", "models")
    assert check().returncode == 0
    for model, change_of in zip(models, ("run", "weights"), strict=True):
        with h5py.File(model, "a") as file:
            if change_of == "run":
                file["run"].attrs["title"] = "Better"
            else:
                file[names(file)[0]][...] = 1
    assert one_sentence(check()).startswith("My MLP/one.h5: written again")
