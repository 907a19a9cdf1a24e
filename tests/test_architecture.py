"""Rules about the source itself: who imports whom, what is imported nowhere, and how large a file may grow."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "npr").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
# A module may import from its own level and from those before it.
LEVELS = [
    {"arrays", "errors", "extras", "fields", "json_values", "params", "registry", "slices", "stretches"},
    {"kernels"},
    {"backends", "context", "initializers"},
    {"layers", "parametrizations"},
    {"cells"},
    {"networks"},
    {"losses", "clipping", "optimizers", "optimizer_groups", "schedules", "segments"},
    {"data", "tasks", "finite_difference"},
    {"gradcheck", "gradcheck_cases", "gradcheck_plot", "gradcheck_report", "inspect"},
    {"training"},
    {"sampling", "interop", "report", "compare", "bench"},
]


def _imports(file: Path, functions: bool = True) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if functions else ast.iter_child_nodes(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _part(file: Path) -> str:
    return file.relative_to(ROOT / "npr").parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", [f for f in SOURCES if f.is_relative_to(ROOT / "npr")], ids=str)
def test_imports_run_one_way(file: Path) -> None:
    level = {part: number for number, parts in enumerate(LEVELS) for part in parts}
    if _part(file) == "__init__":
        return
    own = level[_part(file)]
    for name in _imports(file, functions=False):
        parts = name.split(".")
        if parts[0] == "npr" and len(parts) > 1 and parts[1] in level:
            assert level[parts[1]] <= own, f"{file.name} imports {name}"


@pytest.mark.parametrize("file", SOURCES, ids=str)
def test_pickle_is_imported_nowhere(file: Path) -> None:
    assert not any(name.split(".")[0] in ("pickle", "cPickle", "dill", "joblib") for name in _imports(file))


@pytest.mark.parametrize("file", [f for f in SOURCES if f.is_relative_to(ROOT / "npr")], ids=str)
def test_the_library_knows_nothing_of_the_command_line(file: Path) -> None:
    assert not any(name.split(".")[0] in ("click", "npr_cli") for name in _imports(file))


@pytest.mark.parametrize("file", SOURCES, ids=str)
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("module", ["npr.training", "npr.networks.plain", "npr.tasks", "npr.optimizers"])
def test_numba_is_imported_by_kernels_only(module: str) -> None:
    code = f"import sys, {module}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("file", SOURCES, ids=str)
def test_peers_are_imported_in_worker_processes_only(file: Path) -> None:
    own = {"torch_peer": "torch", "jax_peer": "jax"}.get(file.parent.name)
    assert {name.split(".")[0] for name in _imports(file)} & {"torch", "jax"} <= {own}


def _public() -> list[tuple[str, object]]:
    import importlib

    found = []
    for file in SOURCES:
        if not file.is_relative_to(ROOT / "npr") or file.name == "__init__.py":
            continue
        if file.parent.name in ("torch_peer", "jax_peer"):  # need torch and jax, which tests may not have
            continue
        name = ".".join(("npr", *file.relative_to(ROOT / "npr").with_suffix("").parts))
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if not key.startswith("_") and getattr(value, "__module__", None) == name:
                found.append((f"{name}.{key}", value))
    return found


@pytest.mark.parametrize(("name", "item"), _public(), ids=lambda value: value if isinstance(value, str) else "")
def test_public_names_are_documented_and_documented_parameters_exist(name: str, item: object) -> None:
    if not callable(item):
        return
    text = inspect.getdoc(item)
    assert text, f"{name} has no docstring"
    if "Parameters\n---" not in text or not (inspect.isfunction(item) or inspect.isclass(item)):
        return
    block = text.split("Parameters\n", 1)[1].split("\n\n", 1)[0]
    named = [line.split(":")[0] for line in block.splitlines()[1:] if line and not line.startswith((" ", "-"))]
    known = set(inspect.signature(item).parameters)
    for part in ",".join(named).split(","):
        assert part.strip().lstrip("*") in known, f"{name}: documented parameter {part.strip()!r} does not exist"
