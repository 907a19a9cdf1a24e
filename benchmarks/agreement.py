"""Whether all libraries compute the same thing; asked before any clock starts.

In float64 every library must give PyTorch's loss, output and gradients to 1e-8. In float32, the type that is
timed, each is held against that float64 result, within the tolerances that the cases of a benchmark state. What an
optimiser changed is compared in float64 alone and to 1e-6: the first step of RMSprop, g / (|g| / 10 + 1e-8), is the
sign of a gradient, and lifts the rounding of one next to zero by seven orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from problem import CHANGE, Array, Case, disagreement

REFERENCE = "torch"
CHANGES = 1e-6
Results = Callable[[str, str], dict[str, Array]]  # (library, dtype) -> named arrays


class Disagreement(Exception):
    """Two libraries do not compute the same thing; the message says which, where and by how much."""


def tolerance(limits: Mapping[str, float], library: str, dtype: str, sensitivity: str) -> float:
    """Largest difference that is accepted, relative to the largest value of an array: the most special key counts."""
    keys = (f"{dtype}, {sensitivity}, {library}", f"{dtype}, {sensitivity}", dtype)
    return next(limits[key] for key in keys if key in limits)


def agreement(
    case: Case, libraries: tuple[str, ...], results: Results, limits: Mapping[str, float] | None = None
) -> dict[str, dict[str, float]]:
    """Largest difference from the float64 reference over the largest value, by type and library.

    `limits` replaces the tolerances of the case.

    Raises
    ------
    Disagreement
        If one is beyond its tolerance; every such array is named.
    """
    reference = results(REFERENCE, "float64")
    found: dict[str, dict[str, float]] = {}
    for dtype in ("float64", "float32"):
        expected = {name: a for name, a in reference.items() if dtype == "float64" or not name.startswith(CHANGE)}
        for library in libraries:
            if (library, dtype) == (REFERENCE, "float64"):
                continue
            limit = tolerance(limits or case.tolerances, library, dtype, case.sensitivity)
            errors = disagreement(results(library, dtype), expected)
            bad = {
                name: f"{error:.1e}"
                for name, error in errors.items()
                if not error <= (CHANGES if name.startswith(CHANGE) else limit)
            }
            if bad:
                raise Disagreement(
                    f"{case.name}: {library} in {dtype} is further than {limit:g} from {REFERENCE} in float64: {bad}"
                )
            for name, error in errors.items():
                kept = found.setdefault(f"{dtype}, changes" if name.startswith(CHANGE) else dtype, {})
                kept[library] = max(error, kept.get(library, 0.0))
    return found
