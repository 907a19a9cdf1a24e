"""Whether three libraries compute the same thing; asked before any clock starts.

In float64 every library must give PyTorch's loss, output and gradients to 1e-8. In float32, the type that is
timed, each is held against that float64 result. There batch norm over time makes a difference: rounding moves
a few of some 1e7 pre-activations across the kink of ReLU, each of which carries the gradient of all later steps,
so that single entries of a gradient change by up to 5e-3 of its largest (seen in npr and in JAX, over seeds).
PyTorch's batch norm adds 100,000 rows in float32 and comes to 4e-2. Without norm all stay within 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable

from indrnn_problem import Array, Case, disagreement

REFERENCE = "torch"
TOLERANCE = {"float64": 1e-8, "float32": 1e-4, "float32, norm": 2e-2, "float32, norm, torch": 1e-1}
Results = Callable[[str, str], dict[str, Array]]  # (library, dtype) -> named arrays


class Disagreement(Exception):
    """Two libraries do not compute the same thing; the message says which, where and by how much."""


def tolerance(library: str, dtype: str, norm: str) -> float:
    """Largest difference that is accepted, relative to the largest value of an array."""
    kind = dtype if dtype == "float64" or norm == "none" else f"{dtype}, norm"
    return TOLERANCE.get(f"{kind}, {library}", TOLERANCE[kind])


def agreement(case: Case, libraries: tuple[str, ...], results: Results) -> dict[str, dict[str, float]]:
    """Largest difference from the float64 reference over the largest value, by type and library.

    Raises
    ------
    Disagreement
        If one is beyond its tolerance; every such array is named.
    """
    reference = results(REFERENCE, "float64")
    found: dict[str, dict[str, float]] = {}
    for dtype in ("float64", "float32"):
        found[dtype] = {}
        for library in libraries:
            if (library, dtype) == (REFERENCE, "float64"):
                continue
            limit = tolerance(library, dtype, case.norm)
            errors = disagreement(results(library, dtype), reference)
            bad = {name: f"{error:.1e}" for name, error in errors.items() if not error <= limit}
            if bad:
                raise Disagreement(
                    f"{case.name}: {library} in {dtype} is further than {limit:g} from {REFERENCE} in float64: {bad}"
                )
            found[dtype][library] = max(errors.values())
    return found
