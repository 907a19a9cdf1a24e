"""Where in time and in which unit the gradient of a recurrent network lives or dies.

from npr.inspect import Subject, observe, thorough, verdicts

seen = observe(Subject(model, params, buffers, x, loss, backend))
seen.series["layers.0.dh"].norm("sequence", "unit").values      # ||dL/dh_t|| for every t
"""

from __future__ import annotations

import importlib
from typing import Any

# Names are imported when they are asked for: a training without inspections needs none, and no SciPy.
_HOME = {
    "saturation": ("activity",),
    "inspection": ("brief", "thorough", "verdicts"),
    "jacobians": ("growth_rates", "singular_values", "step_jacobians"),
    "series": ("Series",),
    "shares": ("parameter_shares",),
    "spectrum": (
        "departure",
        "eigenvalues",
        "fisher_memory",
        "own_parts",
        "recurrent_matrices",
        "schur_form",
        "time_constants",
    ),
    "subject": ("Subject",),
    "through_time": ("Observation", "norms", "observe", "unit_norms"),
    "trend": ("Verdict", "verdict"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'npr.inspect' has no attribute {name!r}")
    return getattr(importlib.import_module(f"npr.inspect.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULE)
