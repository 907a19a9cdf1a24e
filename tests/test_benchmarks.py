"""The programs of `benchmarks/` that are no case of `npr bench`: they start, and the picture is drawn; no timing."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gradient_picture  # noqa: E402

PROGRAMS = sorted(file.stem for file in BENCHMARKS.glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_imports_exists(program: str) -> None:
    tree = ast.parse((BENCHMARKS / f"{program}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("npr"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")
    importlib.import_module(program)


def test_the_picture_of_the_readme_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setitem(gradient_picture.SHARED, "delay", 40)
    monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path / "a.png"), "--json", str(tmp_path / "a.json")])
    gradient_picture.main()
    assert (tmp_path / "a.png").stat().st_size > 5000
    told = json.loads((tmp_path / "a.json").read_text())["models"]
    assert {name: found["word"] for name, found in told.items()} == {
        "lstm": "vanishing", "rnn": "vanishing", "irnn": "stable", "indrnn": "stable", "exprnn": "stable"
    }  # fmt: skip


@pytest.mark.parametrize("file", sorted((BENCHMARKS / "results").glob("*.json")), ids=lambda file: file.stem)
def test_every_result_is_json(file: Path) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
