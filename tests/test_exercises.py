"""Results/exercises.md: every command runs, and every answer has our figures."""

import re
import runpy
import shutil
import sys

import catalog
import exercises

import keras
import pytest
from conftest import ROOT

PAGE = (ROOT / "Results" / "exercises.md").read_text(encoding="utf-8")
TASKS = dict(enumerate(PAGE.split("\n## ")[1:], 1))
# What makes a command a matter of seconds, as far as its script has these options
TINY = {"--dataset": "synthetic", "--limit": "200", "--epochs": "1", "--images": "20", "--trainings": "4",
        "--draws": "1", "--filters": "8"}


def changed(diff):
    """What a part of a diff finds in a script, and what it puts there."""
    old = "".join(line[1:] for line in diff.splitlines(True) if line[0] != "+")
    new = "".join(line[1:] for line in diff.splitlines(True) if line[0] != "-")
    return old, new


def test_there_are_twelve_tasks_each_with_command_minutes_question_and_answer():
    assert len(TASKS) == 12 == len(exercises.ANSWERS)
    for number, task in TASKS.items():
        before, answer = task.split("<details>")
        assert "```sh\npython " in before or "```sh\ncp " in before
        assert "minute" in before and "?" in before or number == 12
        assert re.search(r"\d", answer.split("-->")[1].split("<!--")[0]) or "Not here yet." in answer


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.splitlines()[0])
def test_the_command_runs_at_a_tiny_size(task, tmp_path, monkeypatch, eagerly):
    commands = re.search(r"```sh\n(.*?)```", task, re.DOTALL)[1].splitlines()
    folder = tmp_path / "MLP1"
    folder.mkdir()
    for command in commands:
        program, *words = command.split()
        if program == "cp":
            copy = tmp_path / words[1]
            shutil.copy(ROOT / words[0], copy)
            text = copy.read_text(encoding="utf-8")
            for diff in re.findall(r"```diff\n(.*?)```", task, re.DOTALL):
                first, second = diff.split("-", 1)  # two places of the script
                for part in first, "-" + second:
                    old, new = changed(part)
                    assert text.count(old) == 1
                    text = text.replace(old, new)
            copy.write_text(text, encoding="utf-8")
            continue
        assert program == "python"
        script = tmp_path / words[0] if (tmp_path / words[0]).exists() else ROOT / words[0]
        source = script.read_text(encoding="utf-8")
        options = {name: value for name, value in TINY.items() if name in ("--dataset", "--limit")
                   or re.search(rf"^{name[2:].upper()} = ", source, re.MULTILINE)}
        given = dict(zip(words[1::2], words[2::2], strict=True)) | options
        monkeypatch.setattr(sys, "argv", [str(script), *(word for pair in given.items() for word in pair), "--out",
                                          str(tmp_path)])
        runpy.run_path(str(script), run_name="__main__")
        keras.config.set_dtype_policy("float32")
    assert list(tmp_path.glob("*.png")) and list(tmp_path.glob("*.h5"))


def test_the_answers_are_our_figures():
    answers = exercises.answers()
    random = catalog.run_of(catalog.row("MLP 1x512", "_rand"))
    assert f"{100 * random['train_accuracy']:.1f} % train" in answers["answer 1"]
    assert "102,352" in answers["answer 6"]
    for name, answer in answers.items():
        assert f"<!-- {name} -->\n{answer}\n<!-- end of {name} -->" in PAGE
