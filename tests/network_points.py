"""Small IndRNN networks with all their arrays, and what the oracles say they return."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle_networks
import oracles

from npr import build, params, registry
from npr.gradcheck_cases import Case, Point, draw_point

ORACLES = {
    "indrnn": lambda p, x, net, m: oracle_networks.plain(p, x, net, m.layers),
    "indrnn-residual": lambda p, x, net, m: oracle_networks.residual(p, x, net, m.blocks, m.last_size > 0),
    "indrnn-dense": lambda p, x, net, m: oracle_networks.dense(
        p, x, net, [int(n) for n in m.blocks.split(",")], m.last_transition, m.first_layer
    ),
}
SHAPES: dict[str, dict[str, Any]] = {
    "indrnn": {"hidden_size": 5, "layers": 3},
    "indrnn-residual": {"hidden_size": 5, "blocks": 2},
    "indrnn-dense": {"growth": 2, "blocks": "2,1"},
}
NAMES = sorted(ORACLES)


def point_of(name: str, case: Case, **options: Any) -> Point:
    sizes = {"input_size": 3, "output_size": 4, "seq_len": case.steps, "dropout": 0.0}
    model = build(name, **{**sizes, **SHAPES[name], **options})
    return draw_point(model, case, (11, *name.encode()))


def in_float32(point: Point) -> Point:
    state = None if point.state is None else tuple(h.astype(np.float32) for h in point.state)
    return point._replace(params=params.pack(point.params, np.float32), x=point.x.astype(np.float32), state=state)


def net_of(point: Point, **changes: Any) -> oracle_networks.Net:
    m = point.model
    net = oracle_networks.Net(
        m.activation,
        m.norm,
        m.norm_position,
        m.norm_eps,
        m.readout,
        lengths=point.lengths,
        states=point.state,
    )
    return net._replace(**changes)


def counted(point: Point, output: np.ndarray) -> np.ndarray:
    """The output with zeros behind the end of each sequence, where it means nothing."""
    if output.ndim == 2:
        return output
    return output * oracles.valid_steps(point.lengths, *output.shape[:2])


def expected(point: Point, **changes: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    name = next(n for n in NAMES if type(point.model) is registry.models.get(n))
    wide = {key: value.astype(np.float64) for key, value in point.params.items()}
    net = net_of(point, **changes)
    return ORACLES[name](wide, point.x.astype(np.float64), net, point.model)


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    assert got.shape == wanted.shape
    return float(np.abs(got - wanted).max() / (np.abs(wanted).max() or 1.0))
