"""Names of models, tasks and other parts, readable without importing the parts themselves."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from npr.errors import ConfigError

T = TypeVar("T")
_ROOT = Path(__file__).parent


class Registry:
    """A table from public names to the classes that carry `@<registry>.register(name)`.

    `names()` reads the decorators in the source text, so that help texts and shell completion cost
    milliseconds; `get` imports the one module that defines the name.

    Parameters
    ----------
    variable : str
        Name of the module-level variable that holds this registry, as written in the decorators.
    kind : str
        What an entry is called in messages ("model", "task").
    where : str
        File or folder below the package, with "/" between its parts ("networks", "optimizers.py").
    """

    def __init__(self, variable: str, kind: str, where: str) -> None:
        self.kind = kind
        self._entries: dict[str, Any] = {}
        self._where = where
        self._pattern = re.compile(rf'^@{variable}\.register\("([^"]+)"', re.MULTILINE)

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters a class or function under `name`."""

        def enter(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return enter

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(set(self._modules()) | set(self._entries))

    def get(self, name: str) -> Any:
        """The entry called `name`.

        Raises
        ------
        ConfigError
            If there is no such name; the message lists those that exist.
        """
        if name not in self._entries:
            modules = self._modules()
            if name not in modules:
                raise ConfigError(unknown(self.kind, name, self.names()))
            importlib.import_module(modules[name])
        return self._entries[name]

    def _modules(self) -> dict[str, str]:
        place = _ROOT / self._where
        files = sorted(place.glob("*.py")) if place.is_dir() else [place]
        found = {}
        for file in files:
            module = ".".join(("npr", *file.relative_to(_ROOT).with_suffix("").parts))
            for name in self._pattern.findall(file.read_text(encoding="utf-8")):
                found[name] = module
        return found


def unknown(kind: str, name: str, known: list[str]) -> str:
    """One sentence for a name that does not exist: the nearest one, then all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"Unknown {kind} '{name}'.{hint} Available: {', '.join(known) or 'none'}."


def chosen(kind: str, table: Mapping[str, T], name: str) -> T:
    """The entry of a plain table.

    Raises
    ------
    ConfigError
        If there is no such name; the message lists those that exist.
    """
    if name not in table:
        raise ConfigError(unknown(kind, name, sorted(table)))
    return table[name]


models = Registry("models", "model", "networks")
parametrizations = Registry("parametrizations", "parametrization", "parametrizations")
tasks = Registry("tasks", "task", "tasks")
optimizers = Registry("optimizers", "optimizer", "optimizers.py")
schedules = Registry("schedules", "schedule", "schedules.py")
losses = Registry("losses", "loss", "losses.py")
