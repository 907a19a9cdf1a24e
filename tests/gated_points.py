"""Small LSTM and GRU networks with all their arrays, and what the oracle says they return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import oracle_gated as oracle

from npr import build, params
from npr.gradcheck_cases import Case, Point, draw_point

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("lstm", {}),
    "lstm-two-biases": ("lstm", {"two_biases": True}),
    "lstm-peephole": ("lstm", {"peephole": True}),
    "lstm-both": ("lstm", {"peephole": True, "two_biases": True}),
    "gru": ("gru", {}),
    "gru-before": ("gru", {"reset": "before"}),
    "gru-new": ("gru", {"update": "new"}),
    "gru-before-new": ("gru", {"reset": "before", "update": "new"}),
}


class Sizes(NamedTuple):
    """T, B, D, N, layers."""

    times: int = 9
    batch: int = 7
    inputs: int = 3
    units: int = 5
    layers: int = 2


SMALL = Sizes()


def point_of(variant: str, sizes: Sizes = SMALL, ragged: bool = True, carried: bool = True, **more: Any) -> Point:
    name, options = VARIANTS[variant]
    widths = {"input_size": sizes.inputs, "output_size": 4, "hidden_size": sizes.units, "layers": sizes.layers}
    model = build(name, **{**widths, "readout": "every", **options, **more})
    case = Case(variant, steps=sizes.times, batch=sizes.batch, ragged=ragged, carried=carried)
    return draw_point(model, case, (17, *variant.encode()))


def net_of(point: Point) -> oracle.Net:
    m = point.model
    masks = None
    if m.dropout:
        rng, shape = np.random.default_rng(point.mask_seed), (point.x.shape[1], m.hidden_size)
        masks = [(rng.random(shape, np.float32) >= m.dropout) / (1 - m.dropout) for _ in range(m.layers)]
    choices = {key: getattr(m, key) for key in ("reset", "update") if hasattr(m, key)}
    kind = "gru" if choices else "lstm"
    return oracle.Net(kind, m.layers, m.readout, lengths=point.lengths, masks=masks, **choices)


def zeros_of(point: Point) -> list[np.ndarray]:
    return [np.zeros((point.x.shape[1], n)) for n in point.model.state_sizes()]


def wide(point: Point) -> Point:
    """The point with its numbers in float64 again."""
    state = None if point.state is None else tuple(h.astype(np.float64) for h in point.state)
    return point._replace(params=params.pack(point.params, np.float64), x=point.x.astype(np.float64), state=state)


def passed_by_oracle(point: Point) -> oracle.Passed:
    return oracle.forward(dict(point.params), point.x, point.state or zeros_of(point), net_of(point))


def expected(point: Point) -> dict[str, np.ndarray]:
    """Everything a pass gives, by the oracle."""
    passed = passed_by_oracle(point)
    d_finals = point.d_state or zeros_of(point)
    grads = oracle.backward(dict(point.params), passed, point.d_output, d_finals, net_of(point))
    states = {f"final.{i}": state for i, state in enumerate(passed.finals)}
    return {"output": passed.output, **states, **{f"d {name}": value for name, value in grads.items()}}


def found(point: Point) -> dict[str, np.ndarray]:
    """The same by npr."""
    out, back = point.forward(), point.backward()
    states = {f"final.{i}": state for i, state in enumerate(out.state)}
    d_states = {f"d state.{i}": state for i, state in enumerate(back.state)}
    return {"output": out.output, **states, **{f"d {k}": g for k, g in back.params.items()}, "d x": back.x, **d_states}
