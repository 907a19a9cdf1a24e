"""The fixed list of places where a gradient check compares, and how the arrays of one place are drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npr import registry
from npr.arrays import host
from npr.backends import get_backend
from npr.context import Backward, Context, Forward, Model
from npr.params import Array, Buffers, Params

SMOOTH_ACTIVATIONS = ("tanh", "sigmoid", "identity")
MAX_PRE_ACTIVATIONS = 5000


@dataclass(frozen=True)
class Case:
    """One entry of the list.

    Parameters
    ----------
    name : str
        What the case is about; it also seeds its draws.
    options : mapping
        Fields of the model; those a model does not have are left out.
    steps, batch : int
        T and B.
    ragged : bool
        Whether the sequences differ in length.
    carried : bool
        Whether an initial state comes in and the last state enters the loss.
    symbols : bool
        Whether the input is symbols instead of numbers.
    entries : bool
        Whether every entry is compared, besides one direction per tensor.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 6
    batch: int = 4
    ragged: bool = False
    carried: bool = False
    symbols: bool = False
    entries: bool = False


SMALL: Mapping[str, Any] = {"input_size": 2, "output_size": 3, "hidden_size": 4, "layers": 2}
DEPTHS: Mapping[str, Mapping[str, Any]] = {
    "indrnn-residual": {"blocks": 1},
    "indrnn-dense": {"growth": 1, "blocks": "1,1"},
    "eurnn": {"capacity": 2},
    "rrn": {"widths": "3,5"},
    "resrnn": {"linearity": 0.7},
}
DROPOUTS: Mapping[str, Any] = {
    "dropout": 0.3,
    "dropout_first": 0.2,
    "dropout_sec": 0.1,
    "dropout_trans": 0.2,
}
TEXT: Mapping[str, Any] = {"input_size": 5, "output_size": 5, "norm": "none", "readout": "every"}
# Stands for the units of the last layer, whatever they are.
TIED = -1
GATES: Mapping[str, Any] = {
    **DROPOUTS,
    "two_biases": True,
    "peephole": True,
    "reset": "before",
    "update": "new",
}

CASES = (
    Case("recurrence", {"layers": 1, "norm": "none"}, steps=5, batch=3, carried=True, entries=True),
    Case("norm-after", {"norm": "time", "norm_position": "after"}, entries=True),
    Case("norm-before", {"norm": "time", "norm_position": "before"}, ragged=True, carried=True),
    Case("norm-steps", {"norm": "step", "readout": "every"}, steps=4, batch=6, ragged=True),
    Case("norm-steps-before", {"norm": "step", "norm_position": "before"}, batch=5, carried=True),
    Case("dropout", {**DROPOUTS, "readout": "every"}, batch=5),
    Case("ragged", {"layers": 3, "norm": "none", "readout": "every"}, ragged=True, carried=True, entries=True),
    Case("one-sequence", {"norm": "time", "hidden_size": 5}, steps=12, batch=1, carried=True),
    Case("one-step", {"norm": "none"}, steps=1, batch=3, carried=True),
    Case("tanh", {"activation": "tanh", "norm": "none", "readout": "every"}, batch=3, carried=True),
    Case("identity", {"activation": "identity", "layers": 1}, batch=3),
    Case("clipped-u", {"u_bound": "clip", "u_max": 0.5, "last_u": "as-others", "layers": 3}, ragged=True),
    Case("wide", {"hidden_size": 19, "input_size": 5}, steps=3, batch=9),
    Case("both-directions", {"bidirectional": True, "readout": "every"}, ragged=True, carried=True),
    Case("both-ends", {"bidirectional": True, "dropout": 0.3}, ragged=True, carried=True),
    Case("long", {"layers": 1}, steps=200, batch=2, carried=True),
    Case("one-hot", {**TEXT, "norm": "time"}, batch=3, carried=True, symbols=True),
    Case("embedding", {**TEXT, "embedding_size": 3}, batch=3, ragged=True, carried=True, symbols=True, entries=True),
    Case("dropped-rows", {**TEXT, "embedding_size": 3, "dropout_embedding": 0.4}, batch=5, symbols=True),
    Case("tied", {**TEXT, "embedding_size": TIED, "tied": True}, carried=True, symbols=True, entries=True),
    Case("gates", {**GATES, "norm": "none", "readout": "every"}, batch=5, ragged=True, carried=True, entries=True),
    Case("gates-old", {**GATES, "update": "old", "norm": "none"}, ragged=True, carried=True),
    Case("gates-after", {**GATES, "reset": "after", "two_biases": False, "norm": "none"}, carried=True),
    Case("gates-bare", {**DROPOUTS, "norm": "none", "readout": "every"}, batch=5, carried=True),
)


def options_for(name: str, case: Case, options: Mapping[str, Any]) -> dict[str, Any]:
    """Small sizes, then the case, as far as the model has such fields; the caller's options over both."""
    model = registry.models.get(name)
    known = {entry.name for entry in dataclasses.fields(model)}
    ours = {**SMALL, **DEPTHS.get(name, {}), "seq_len": case.steps, **case.options}
    multiple = getattr(model, "unit_multiple", 1)
    ours["hidden_size"] = -(-ours["hidden_size"] // multiple) * multiple
    chosen = {key: value for key, value in ours.items() if key in known} | dict(options)
    if chosen.get("embedding_size") == TIED:
        untied = model(**{**chosen, "embedding_size": 0, "tied": False})
        chosen["embedding_size"] = untied.readout_size()
    return chosen


def applies(name: str, case: Case) -> bool:
    """Whether the model called `name` takes the kind of input that the case has, and has the weight that it ties."""
    known = {entry.name for entry in dataclasses.fields(registry.models.get(name))}
    if "tied" in case.options and not getattr(registry.models.get(name), "ties", False):
        return False
    return not case.symbols or "embedding_size" in known


class Point(NamedTuple):
    """A model with all its arrays in float64, and the weights that make one number of what it returns.

    The loss is sum(output * d_output) + sum over i of sum(last state_i * d_state_i). The arrays lie on the host; each
    pass takes them to the backend, and what it returns lies there.
    """

    model: Model
    params: Params
    buffers: Buffers
    x: Array
    state: tuple[Array, ...] | None
    lengths: Array | None
    d_output: Array
    d_state: tuple[Array, ...] | None
    mask_seed: int
    backend: Any

    def variables(self) -> dict[str, Array]:
        """What the loss is differentiated by, under its name in the report."""
        return {
            **self.params,
            **({} if self.x.dtype.kind in "iu" else {"x": self.x}),
            **{f"state.{i}": array for i, array in enumerate(self.state or ())},
        }

    def context(self) -> Context:
        """Batch statistics, the same dropout masks each time, running statistics left alone."""
        rng, keep = np.random.default_rng(self.mask_seed), frozenset({"pre_activation"})
        return Context(self.backend, dropout=True, rng=rng, norm_weight=0.0, keep=keep)

    def forward(self) -> Forward:
        """The model's forward pass at this point."""
        put = self.backend.put
        params, buffers = ({name: put(value) for name, value in some.items()} for some in (self.params, self.buffers))
        return self.model.forward(self.context(), params, buffers, put(self.x), self._put(self.state), self.lengths)

    def backward(self) -> Backward:
        """The model's backward pass at this point."""
        cache, put = self.forward().cache, self.backend.put
        params = {name: put(value) for name, value in self.params.items()}
        return self.model.backward(self.context(), params, cache, put(self.d_output), self._put(self.d_state))

    def terms(self) -> Array:
        """The products whose sum is the loss."""
        out = self.forward()
        states = [(host(h) * d).ravel() for h, d in zip(out.state, self.d_state or (), strict=bool(self.d_state))]
        return np.concatenate([(host(out.output) * self.d_output).ravel(), *states])

    def noise(self) -> float:
        """Rounding error of the loss: second differences over steps too small to show anything else."""
        terms = self.terms()
        least = float(np.finfo(np.float64).eps * np.abs(terms).sum())
        losses = np.array([self._scaled(1 + k * 1e-9).terms().sum() for k in range(-5, 6)])
        second = losses[:-2] - 2 * losses[1:-1] + losses[2:]
        return min(max(least, float(np.sqrt(np.mean(second**2) / 6))), 1000 * least)

    def _scaled(self, factor: float) -> Point:
        """The point with its input multiplied, or its parameters where the input is symbols."""
        if self.x.dtype.kind in "iu":
            return self._replace(params={name: value * factor for name, value in self.params.items()})
        return self._replace(x=self.x * factor)

    def margin(self) -> float | None:
        """Distance of the nearest valid pre-activation from the kink of ReLU or modReLU; None if none is kept."""
        if getattr(self.model, "activation", "relu") in SMOOTH_ACTIVATIONS:
            return math.inf
        kept = getattr(self.forward().cache, "kept", None) or {}
        arrays = [host(array) for name, array in kept.items() if name.endswith(("pre_activation", "kink"))]
        valid = _valid(self.lengths, *self.x.shape[:2])
        return min((float(np.abs(array[valid]).min()) for array in arrays), default=None)

    def _put(self, state: tuple[Array, ...] | None) -> tuple[Array, ...] | None:
        return None if state is None else tuple(self.backend.put(part) for part in state)


def shortened(model: Model, case: Case) -> Case:
    """The case with fewer steps, down to 4, where so many pre-activations would never all keep off the kink."""
    one_step = draw_point(model, dataclasses.replace(case, steps=1), (0,))
    units = sum(h.shape[1] for h in one_step.forward().state)
    affordable = max(4, MAX_PRE_ACTIVATIONS // (units * case.batch))
    return dataclasses.replace(case, steps=min(case.steps, affordable))


def draw_point(model: Model, case: Case, seed: tuple[int, ...]) -> Point:
    """A random point: initial parameters moved off their special values by noise, then projected.

    Parameters
    ----------
    model : Model
        Any object of the model protocol.
    case : Case
        Sizes of the batch and what it carries; its `options` are not looked at.
    seed : tuple of int
        Seed of everything drawn.

    Returns
    -------
    Point
    """
    rng = np.random.default_rng(seed)
    params, buffers = model.init(rng, dtype=np.float64)
    for value in params.values():
        value += rng.normal(size=value.shape) * (0.3 if value.ndim < 2 else value.shape[0] ** -0.5)
    buffers = model.project(params, buffers)
    sizes = (case.steps, case.batch)
    symbols = case.symbols or getattr(model, "embedding_size", 0) > 0
    x = rng.integers(0, model.input_size, sizes) if symbols else rng.normal(size=(*sizes, model.input_size))
    lengths = rng.integers(1, case.steps + 1, case.batch) if case.ragged else None
    if lengths is not None:
        lengths[-1] = case.steps
    mask_seed = int(rng.integers(2**31))
    bare = Point(model, params, buffers, x, None, lengths, np.zeros(()), None, mask_seed, get_backend("cpu"))
    out = bare.forward()
    d_output = rng.normal(size=out.output.shape)
    if d_output.ndim == 3:
        d_output *= _valid(lengths, case.steps, case.batch)[:, :, None]
    point = bare._replace(d_output=d_output)
    if not case.carried:
        return point
    state, d_state = (tuple(rng.normal(size=h.shape) for h in out.state) for _ in range(2))
    return point._replace(state=state, d_state=d_state)


def _valid(lengths: Array | None, steps: int, batch: int) -> Array:
    ends = np.full(batch, steps) if lengths is None else lengths
    return np.arange(steps)[:, None] < ends
