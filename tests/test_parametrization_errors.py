"""What parametrisations refuse: options that make no sense, and parameters that are not finite."""

from __future__ import annotations

import numpy as np
import pytest

from npr.errors import ConfigError, DivergedError
from npr.registry import parametrizations

BAD = [
    ("euclidean", {"size": 0}, "size = 0"),
    ("euclidean", {"recurrent_init": "ones"}, "recurrent_init = 'ones'.*'glorot-normal'"),
    ("orthogonal", {"size": 2.0}, "size = 2.0"),
    ("orthogonal", {"map": "exp"}, "map = 'exp'.*'expm'"),
    ("orthogonal", {"skew_init": "Henaff"}, "skew_init = 'Henaff'.*'henaff'"),
    ("orthogonal", {"rebase_every": -2}, "rebase_every = -2"),
    ("orthogonal", {"project_every": -1}, "project_every = -1"),
    ("orthogonal", {"precision": "float16"}, "precision = 'float16'"),
    ("scaled-cayley", {"rho": 5}, r"rho = 5.*\[0, 4\]"),
    ("scaled-cayley", {"rho": -1}, "rho = -1"),
    ("scaled-cayley", {"skew_init": "none"}, "skew_init"),
    ("schur", {"size": 5}, "size = 5.*even"),
    ("schur", {"mask": "both"}, "mask = 'both'.*'code', 'paper'"),
    ("schur", {"gamma_penalty": -1.0}, "gamma_penalty = -1.0"),
    ("schur", {"gamma_penalty": float("nan")}, "gamma_penalty = nan"),
    ("schur", {"precision": "double"}, "precision = 'double'"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD, ids=str)
def test_options_that_do_not_exist(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parametrizations.get(name)(**{"size": 4} | options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["orthogonal", "scaled-cayley", "schur"])
def test_parameters_that_are_not_finite(name: str, value: float) -> None:
    p = parametrizations.get(name)(size=4)
    theta, buffers = p.init(np.random.default_rng(0))
    theta["log_P" if name == "schur" else "skew"][2] = value
    with pytest.raises(DivergedError, match="NaN or infinity"):
        p.forward(theta, buffers)
