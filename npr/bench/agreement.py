"""Whether all libraries compute the same thing; asked before any clock starts.

In float64 every library must give the reference's loss, output and gradients to 1e-8. In float32, the type that is
timed, each is held against that float64 result, within the tolerances that the cases of a family state. What an
optimiser changed is compared in float64 alone and to 1e-6: the first step of RMSprop, g / (|g| / 10 + 1e-8), is the
sign of a gradient, and lifts the rounding of one next to zero by seven orders.

On a device PyTorch is also asked with TF32, whose factors keep 10 bits after the point. The layers of the device's
cases in float32 with such factors, for 784 steps, 32 sequences and up to 512 units, came to 1.3e-3 of the largest value
where they were rounded and to 6.8e-3 where they were cut off; which of the two a device does is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npr.bench.problem import CHANGE, Array, Arrays, Case, package
from npr.errors import CheckFailed

REFERENCES = ("torch", "jax", "npr")
CHANGES = 1e-6
TF32_TOLERANCE = 3e-2
Results = Callable[[str, str], dict[str, Array]]  # (library, dtype) -> named arrays


def reference(libraries: tuple[str, ...]) -> str:
    """The library whose float64 results the others are held against: PyTorch where it is, npr where it is alone."""
    return next(name for name in REFERENCES if name in libraries)


def tolerance(limits: Mapping[str, float], library: str, dtype: str, sensitivity: str) -> float:
    """Largest difference that is accepted, relative to the largest value of an array: the most special key counts."""
    own = package(library)
    keys = (f"{dtype}, {library}", f"{dtype}, {sensitivity}, {own}", f"{dtype}, {sensitivity}", dtype)
    return next(limits[key] for key in keys if key in limits)


def disagreement(found: Arrays, expected: Arrays) -> dict[str, float]:
    """Largest difference of every array over the largest value expected in it; infinite where one is NaN.

    Raises
    ------
    CheckFailed
        If names or shapes differ.
    """
    if found.keys() != expected.keys():
        raise CheckFailed(f"different arrays: {sorted(found.keys() ^ expected.keys())}")
    worst = {}
    for name, value in expected.items():
        if found[name].shape != value.shape:
            raise CheckFailed(f"{name}: shape {found[name].shape}, expected {value.shape}")
        scale = float(np.abs(value).max()) or 1.0
        difference = float(np.abs(found[name].astype(np.float64) - value).max()) / scale
        worst[name] = difference if np.isfinite(difference) else float("inf")
    return worst


def agreement(
    case: Case, libraries: tuple[str, ...], results: Results, limits: Mapping[str, float] | None = None
) -> dict[str, dict[str, float]]:
    """Largest difference from the float64 reference over the largest value, by type and library.

    `limits` replaces the tolerances of the case.

    Raises
    ------
    CheckFailed
        If one is beyond its tolerance; every such array is named.
    """
    given = reference(libraries)
    truth = results(given, "float64")
    found: dict[str, dict[str, float]] = {}
    for dtype in ("float64", "float32"):
        expected = {name: a for name, a in truth.items() if dtype == "float64" or not name.startswith(CHANGE)}
        for library in libraries:
            if (library, dtype) == (given, "float64"):
                continue
            limit = tolerance(limits or case.tolerances, library, dtype, case.sensitivity)
            errors = disagreement(results(library, dtype), expected)
            _accept(errors, limit, f"{case.name}: {library} in {dtype}", given)
            for name, error in errors.items():
                kept = found.setdefault(f"{dtype}, changes" if name.startswith(CHANGE) else dtype, {})
                kept[library] = max(error, kept.get(library, 0.0))
    return found


def _accept(errors: dict[str, float], limit: float, what: str, given: str) -> None:
    bad = {
        name: f"{error:.1e}"
        for name, error in errors.items()
        if not error <= (CHANGES if name.startswith(CHANGE) else limit)
    }
    if bad:
        raise CheckFailed(f"{what} is further than {limit:g} from {given} in float64: {bad}; nothing was timed.")
