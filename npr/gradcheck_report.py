"""What a gradient check found: errors by parameter and case, and the entry to look at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from npr.json_values import finite

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Checked:
    """One parameter, the input `x` or an initial state `state.i`, compared in one case.

    Parameters
    ----------
    name : str
        Of the tensor.
    shape : tuple of int
        Its shape in this case.
    rel_error : float
        Largest deviation relative to the largest magnitude of the tensor; see `npr.finite_difference`.
    index : tuple of int or None
        The worst entry: of those compared, the one with the largest |analytic - numeric|, which all are set in
        relation to the same size; one that is not finite before all others, the first compared of equal ones.
        None where only a random direction was compared, or only the direction is off: in a tensor of more than a
        hundred entries the wrong one may be among those that were not compared.
    analytic, numeric : float
        Both gradients there, or both derivatives along the direction.
    case : str
        Name of the case.
    """

    name: str
    shape: tuple[int, ...]
    rel_error: float
    index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    case: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is within 1e-6."""
        return self.rel_error <= TOLERANCE

    @property
    def entry(self) -> str:
        """The index as text; "-" for a direction."""
        return "-" if self.index is None else f"[{', '.join(map(str, self.index))}]"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: what is not finite becomes None."""
        found = {key: finite(getattr(self, key)) for key in ("rel_error", "analytic", "numeric")}
        index = None if self.index is None else list(self.index)
        return {"name": self.name, "shape": list(self.shape), **found, "case": self.case, "index": index}


@dataclass(frozen=True)
class CaseResult:
    """What one case gave, and how many points near a kink were drawn before the one it used."""

    case: str
    redraws: int
    checked: tuple[Checked, ...]

    @property
    def max_rel_error(self) -> float:
        """Largest error of the case."""
        return max(entry.rel_error for entry in self.checked)


@dataclass(frozen=True)
class Report:
    """Outcome of a gradient check.

    Parameters
    ----------
    model : str
        Registry name.
    cases : tuple of CaseResult
        One per case of the list, in its order.
    device : str
        Where the passes ran.
    """

    model: str
    cases: tuple[CaseResult, ...]
    device: str = "cpu"

    @property
    def subject(self) -> str:
        """The model, and the device if it is not the CPU."""
        return self.model if self.device == "cpu" else f"{self.model} on {self.device}"

    @property
    def parameters(self) -> list[Checked]:
        """For every name the worst error over the cases, and an entry with the case it was found in.

        The entry is that of the case with the largest error; if this case has none, that of the
        worst of the cases that have one and came to the same verdict, where there is one.
        """
        by_name: dict[str, list[Checked]] = {}
        for checked in (checked for case in self.cases for checked in case.checked):
            by_name.setdefault(checked.name, []).append(checked)
        return [_located(found) for found in by_name.values()]

    @property
    def max_rel_error(self) -> float:
        """Largest error of all."""
        return max(case.max_rel_error for case in self.cases)

    @property
    def passed(self) -> bool:
        """Whether every error is within 1e-6."""
        return self.max_rel_error <= TOLERANCE

    @property
    def fault(self) -> str:
        """Sentences on the worst parameter: where it is off, and both values there; empty if all is well."""
        if self.passed:
            return ""
        worst = max(self.parameters, key=lambda checked: checked.rel_error)
        where = "along a random direction" if worst.index is None else f"at {worst.entry}"
        return (
            f"Gradient of '{worst.name}' in {self.subject} is off by {worst.rel_error:.1e} relative to its size; "
            f"the tolerance is {TOLERANCE:.0e}. In case '{worst.case}', {where}: "
            f"analytic {worst.analytic:.9g}, numeric {worst.numeric:.9g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """The document of `npr gradcheck --json`; an infinite error, which JSON lacks, becomes None.

        A device has a key of its own; the CPU has none.
        """
        rows = [checked.to_dict() for checked in self.parameters]
        place = {} if self.device == "cpu" else {"device": self.device}
        return {"model": self.model, **place, "max_rel_error": finite(self.max_rel_error), "parameters": rows}


def _located(found: list[Checked]) -> Checked:
    """The case to look at, of the cases of one name, with the worst error of them all."""
    worst = max(found, key=lambda checked: checked.rel_error)
    alike = [checked for checked in found if checked.index is not None and checked.passed == worst.passed]
    shown = worst if worst.index is not None or not alike else max(alike, key=lambda checked: checked.rel_error)
    return replace(shown, rel_error=worst.rel_error)
