"""Figures of an inspection, with matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npr.errors import StorageError
from npr.extras import require
from npr.inspect.series import Found

FORMATS = ("png", "svg")


def require_matplotlib() -> None:
    """Say what to install, before any work is done.

    Raises
    ------
    ConfigError
        If matplotlib is not there.
    """
    require("matplotlib", "plot", "A figure")


def prepared(folder: Path) -> Path:
    """The folder for figures, made if need be.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot make the folder '{folder}': {error.strerror}. Choose another place.") from error
    return folder


def save_figures(found: Found, folder: Path, title: str = "") -> list[Path]:
    """Draw what was found, each figure as PNG and SVG.

    Parameters
    ----------
    found : dict of Series
        From `thorough` or `brief`.
    folder : Path
        Where to; files of the same names are replaced.
    title : str
        Above every figure.

    Returns
    -------
    list of Path
        gradient (||dL/dh_t|| of every layer), spectrum (eigenvalues), u, growth, shares, memory: those there is
        something for.

    Raises
    ------
    ConfigError
        If matplotlib is not there.
    OSError
        If a file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    written = []
    for name, draw in _FIGURES.items():
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        if not draw(axes, found):
            continue
        axes.set_title(title, fontsize=10)
        for ending in FORMATS:
            path = folder / f"{name}.{ending}"
            figure.savefig(path, dpi=150, metadata={"Date": None} if ending == "svg" else None)
            written.append(path)
    return written


def _lines(end: str, x: str, y: str, log: bool) -> Callable[[Any, Found], bool]:
    """A drawing of one curve for every series (of one axis) whose name has an end."""

    def draw(axes: Any, found: Found) -> bool:
        own = {name.removesuffix(end).rstrip("."): s.values for name, s in found.items() if name.endswith(end)}
        for label, values in own.items():
            axes.plot(np.where(values > 0, values, np.nan) if log else values, label=label, linewidth=1)
        axes.set(xlabel=x, ylabel=y, yscale="log" if log else "linear")
        _legend(axes, len(own))
        return bool(own)

    return draw


def _spectrum(axes: Any, found: Found) -> bool:
    own = {name: s.values for name, s in found.items() if name.endswith("eigenvalues")}
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color="0.7", linewidth=1)
    for name, values in own.items():
        axes.plot(*values.T, ".", markersize=3, label=name.removesuffix("eigenvalues").rstrip("."))
    axes.set(xlabel="Re", ylabel="Im", aspect="equal")
    _legend(axes, len(own))
    return bool(own)


def _u(axes: Any, found: Found) -> bool:
    own = {name: s.values for name, s in found.items() if name.endswith((".u", ".gamma")) and s.values.ndim == 1}
    for name, values in own.items():
        axes.hist(values, bins=40, histtype="step", label=name)
    axes.set(xlabel="u" if any(name.endswith(".u") for name in own) else "gamma", ylabel="units")
    _legend(axes, len(own))
    return bool(own)


def _shares(axes: Any, found: Found) -> bool:
    whole = {
        name: float(found[name.removesuffix("share") + "norm"].values) for name in found if name.endswith(".share")
    }
    for name in sorted(whole, key=lambda name: -whole[name])[:8]:
        so_far = np.cumsum(found[name].values)
        axes.plot(found["share_at"].values, so_far, label=name.removesuffix(".share"), linewidth=1)
    axes.set(xlabel="time step t", ylabel="share of the gradient from steps up to t")
    _legend(axes, len(whole))
    return bool(whole)


def _legend(axes: Any, count: int) -> None:
    if count:
        axes.legend(fontsize=7, ncols=2 if count > 6 else 1)


_FIGURES: dict[str, Callable[[Any, Found], bool]] = {
    "gradient": _lines("dh_norm", "time step t", "||dL/dh_t||", log=True),
    "states": _lines(".h_norm", "time step t", "||h_t||", log=True),
    "spectrum": _spectrum,
    "u": _u,
    "growth": _lines("growth", "exponent", "growth rate, nats per step", log=False),
    "shares": _shares,
    "memory": _lines("fisher_memory", "steps back", "Fisher memory", log=True),
}
