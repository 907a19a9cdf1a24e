"""The README's Python example runs, and its two commands are the ones that the project and CI use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_names_every_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code
    names: dict = {}
    exec(compile(code[1], "README.md", "exec"), names)
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == list(names["params"])
    assert printed[:3] == ["layers.0.W_in", "layers.0.bias", "layers.0.u"]
    assert names["moments"].step == 1
    assert abs(names["params"]["layers.1.u"]).max() <= 2 ** (1 / 100) * (1 + 1e-7)


def test_the_example_takes_a_step_downhill() -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code
    names: dict = {}
    exec(compile(code[1], "README.md", "exec"), names)
    again = names["model"].forward(names["ctx"], names["params"], names["buffers"], names["x"])
    assert names["mse"](again.output, names["target"])[0] < names["loss"]


def test_the_example_of_inspection_runs() -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    names: dict = {}
    exec(compile(code[1], "inspect.md", "exec"), names)
    assert names["seen"].series["layers.0.dh"].values.shape == (50, 8, 16)


def test_ci_calls_the_test_command_of_the_readme() -> None:
    command = 'pip install -e ".[test]" && pytest'
    assert f"    {command}\n" in TEXT
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["train", "resume", "eval", "inspect", "ckpt", "gradcheck", "presets", "bench"])
def test_commands_of_the_readme_exist(command: str) -> None:
    assert f"npr {command}" in TEXT
    assert (ROOT / "cli" / "commands" / f"{command}.py").exists()
