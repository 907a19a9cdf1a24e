"""Everything that is looked at, at two prices: what a training can afford now and then, and all of it."""

from __future__ import annotations

import numpy as np

from npr.inspect.jacobians import growth_rates, singular_values, step_jacobians
from npr.inspect.saturation import activity
from npr.inspect.series import Found, Series
from npr.inspect.shares import parameter_shares
from npr.inspect.spectrum import departure, eigenvalues, fisher_memory, own_parts, recurrent_matrices, time_constants
from npr.inspect.subject import Subject
from npr.inspect.through_time import Observation, norms, observe, unit_norms
from npr.inspect.trend import Verdict, verdict

_LINEAR_STEPS = _GROWTH_STEPS = 200
_PARTS = 100


def brief(subject: Subject) -> dict[str, Series]:
    """What costs about two updates: norms through time, eigenvalues of layers with one matrix, u or gamma, saturated
    and dead units.

    Parameters
    ----------
    subject : Subject
        The network and the batch.

    Returns
    -------
    dict of Series
        See `npr.inspect.through_time.norms`, `spectrum.eigenvalues`, `spectrum.own_parts`, `activity`; and "loss" ().
    """
    return _seen(subject, observe(subject)) | eigenvalues(_whole(recurrent_matrices(subject), subject))


def thorough(subject: Subject, jacobians: int = 16, exponents: int = 16) -> dict[str, Series]:
    """All of it: `brief`, norms per unit, shares of the steps in every parameter's gradient, singular values of some
    step Jacobians, growth rates, departure from normality, time constants, Fisher memory.

    So that long sequences take seconds, shares are of at most 100 chunks of steps, growth rates and memory of the last
    200 steps.

    Parameters
    ----------
    subject : Subject
        The network and the batch.
    jacobians : int
        Steps, evenly spread, whose Jacobians' singular values are wanted.
    exponents : int
        Growth rates per layer.

    Returns
    -------
    dict of Series
        As the parts name them. A network of two directions has no step Jacobians and no shares.
    """
    observation = observe(subject)
    # Every part below asks for W_rec: it is built here once.
    explicit = subject.written_out()
    matrices = recurrent_matrices(explicit)
    found = {
        **_seen(subject, observation),
        **unit_norms(observation),
        **eigenvalues({place: W for place, W in matrices.items() if place + "u" not in subject.params}),
        **_of_matrices(subject, matrices),
    }
    for name in [name for name in found if name.endswith(".u")]:
        found[name[:-1] + "time_constants"] = Series(time_constants(found[name].values), ("unit",))
    if not getattr(subject.model, "bidirectional", False):
        found |= _of_steps(explicit, jacobians, exponents)
    return found


def _seen(subject: Subject, observation: Observation) -> dict[str, Series]:
    """What one observed pass shows."""
    return {
        "loss": Series(np.array(observation.loss), ()),
        **norms(observation, subject.ends),
        **own_parts(subject),
        **activity(subject, observation),
    }


def verdicts(found: Found) -> dict[str, Verdict]:
    """What the norms of dL/dh_t say, by place; of sequences that differ in length those from their ends on."""
    places = [name.removesuffix("dh_norm") for name in found if name.endswith("dh_norm")]
    ragged = {place: found.get(place + "dh_from_end") for place in places}
    return {
        place: verdict(found[place + "dh_norm"].values if from_end is None else from_end.values[::-1])
        for place, from_end in ragged.items()
    }


def _whole(matrices: dict[str, np.ndarray], subject: Subject) -> dict[str, np.ndarray]:
    """The matrices of layers that have one, not those of gates, nor of IndRNN, where u says it all."""
    gates = {place for place in matrices if len(place.split(".")[-2]) == 1 and not place.split(".")[-2].isdigit()}
    return {place: W for place, W in matrices.items() if place not in gates and place + "u" not in subject.params}


def _of_matrices(subject: Subject, matrices: dict[str, np.ndarray]) -> dict[str, Series]:
    found = {}
    for place, W in matrices.items():
        found[place + "departure"] = Series(np.array(departure(W)), ())
        v = np.random.default_rng(0).normal(size=len(W))
        try:
            memory = fisher_memory(W, v / np.linalg.norm(v), min(subject.steps, _LINEAR_STEPS))
        except (np.linalg.LinAlgError, ValueError):
            continue  # no figure is better than a wrong one
        found[place + "fisher_memory"] = memory
    return found


def _of_steps(subject: Subject, jacobians: int, exponents: int) -> dict[str, Series]:
    chunk = -(-subject.steps // _PARTS)
    shares = parameter_shares(subject, chunk)
    shares["share_at"] = Series(np.arange(subject.steps, 0, -chunk)[::-1] - 1.0, ("time",))
    last = int(subject.ends[0])
    if last < 2:
        return shares
    times = np.unique(np.linspace(1, last - 1, jacobians).round().astype(int)).tolist()
    values = singular_values(step_jacobians(subject, times))
    at = {"singular_values_at": Series(np.array(times, np.float64), ("time",))}
    return shares | values | at | growth_rates(subject, exponents, last=_GROWTH_STEPS)
