"""Whether three libraries compute the same thing; asked before any clock starts.

In float64 every library must give PyTorch's loss, output and gradients to 1e-8. In float32, the type that is
timed, each is held against that float64 result. There batch norm over time makes a difference: rounding moves
a few of some 1e7 pre-activations across the kink of ReLU, each of which carries the gradient of all later steps,
so that single entries of a gradient change by up to 4e-3 of its largest (seen in npr and in JAX); PyTorch's own
batch norm, which adds 25,000 rows in float32, comes to 7e-3. Without norm 1e-5 is usual.
"""

from __future__ import annotations

from collections.abc import Callable

from indrnn_problem import Array, Case, disagreement

REFERENCE = "torch"
TOLERANCE = {"float64": {"none": 1e-8, "time": 1e-8}, "float32": {"none": 1e-4, "time": 1e-1}}
Results = Callable[[str, str], dict[str, Array]]  # (library, dtype) -> named arrays


class Disagreement(Exception):
    """Two libraries do not compute the same thing; the message says which, where and by how much."""


def agreement(case: Case, libraries: tuple[str, ...], results: Results) -> dict[str, dict[str, float]]:
    """Largest difference from the float64 reference over the largest value, by type and library.

    Raises
    ------
    Disagreement
        If one is beyond its tolerance; every such array is named.
    """
    reference = results(REFERENCE, "float64")
    found: dict[str, dict[str, float]] = {}
    for dtype, tolerances in TOLERANCE.items():
        limit, found[dtype] = tolerances[case.norm], {}
        for library in libraries:
            if (library, dtype) == (REFERENCE, "float64"):
                continue
            errors = disagreement(results(library, dtype), reference)
            bad = {name: f"{error:.1e}" for name, error in errors.items() if not error <= limit}
            if bad:
                raise Disagreement(
                    f"{case.name}: {library} in {dtype} is further than {limit:g} from {REFERENCE} in float64: {bad}"
                )
            found[dtype][library] = max(errors.values())
    return found
