"""Optimisers against plain NumPy written from the papers, hand-computed numbers and, where present, torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle_optimizers import FACTORS, SHAPES, draw, oracle, train

from npr.optimizers import SGD, Adam, RMSprop
from npr.params import flat_of, pack

TOLERANCE = {np.float64: {"rtol": 1e-12, "atol": 1e-15}, np.float32: {"rtol": 2e-5, "atol": 2e-6}}


RULES = [
    pytest.param(SGD, {"momentum": 0.0}, id="sgd"),
    pytest.param(SGD, {"momentum": 0.9}, id="sgd-momentum"),
    pytest.param(RMSprop, {}, id="rmsprop"),
    pytest.param(RMSprop, {"alpha": 0.9, "momentum": 0.5, "eps": 1e-3}, id="rmsprop-momentum"),
    pytest.param(RMSprop, {"rmsprop_form": "tf1", "alpha": 0.5}, id="rmsprop-tf1"),
    pytest.param(RMSprop, {"rmsprop_form": "tf1", "momentum": 0.5, "eps": 1e-3}, id="rmsprop-tf1-momentum"),
    pytest.param(Adam, {}, id="adam"),
    pytest.param(Adam, {"beta1": 0.0, "beta2": 0.9, "eps": 1e-3}, id="adam-betas"),
]
DECAYS = [
    pytest.param({}, id="no-decay"),
    pytest.param({"weight_decay": 0.1}, id="coupled"),
    pytest.param({"weight_decay": 0.1, "decay": "decoupled"}, id="decoupled"),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("rule", "options"), RULES)
def test_three_updates_follow_the_equations(rule, options, decay, dtype):
    o = rule(lr=0.02, **options, **decay)
    params, grads = draw(0, dtype), [draw(1 + k, dtype) for k in range(3)]
    wanted = {k: oracle(o, params[k], [g[k] for g in grads], o.lr, o.weight_decay) for k in params}
    state = train(o, params, grads)
    assert state.step == 3
    assert flat_of(params).dtype == dtype
    for name, value in params.items():
        np.testing.assert_allclose(value, wanted[name], **TOLERANCE[dtype], err_msg=name)


@pytest.mark.parametrize(
    ("o", "wanted"),
    [
        # g = 2, then g = -1, from p = 1.
        pytest.param(SGD(lr=0.1, momentum=0.5), [0.8, 0.8], id="sgd"),
        pytest.param(RMSprop(lr=0.1, alpha=0.75), [1 - 0.2, 0.8 + 0.1], id="rmsprop"),
        pytest.param(
            RMSprop(lr=0.1, alpha=0.75, rmsprop_form="tf1"),
            [1 - 0.2 / math.sqrt(1.75), 1 - 0.2 / math.sqrt(1.75) + 0.1 / math.sqrt(1.5625)],
            id="rmsprop-tf1",
        ),
        # m' = 2 then (0.5 * 1 - 0.5) / 0.75 = 0: the second step is none.
        pytest.param(Adam(lr=0.1, beta1=0.5, beta2=0.5), [0.9, 0.9], id="adam"),
        pytest.param(SGD(lr=0.1, momentum=0.0, weight_decay=0.5), [0.75, 0.8125], id="l2"),
        pytest.param(Adam(lr=0.1, weight_decay=0.5, decay="decoupled"), [0.85, None], id="adamw"),
    ],
)
def test_hand_computed_steps(o, wanted):
    params = pack({"p": np.array([1.0])})
    state = o.init(params)
    for g, value in zip((2.0, -1.0), wanted, strict=True):
        state = o.update(params, pack({"p": np.array([g])}), state)
        if value is not None:
            assert params["p"][0] == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize(("rule", "options"), [case for case in RULES if "tf1" not in str(case.id)])
def test_equals_torch(rule, options):
    torch = pytest.importorskip("torch", reason="torch is an optional peer, it comes with the extra 'bench'")
    o = rule(lr=0.02, weight_decay=0.1, **options)
    params, grads = draw(0), [draw(1), draw(2), draw(3)]
    tensors = [torch.tensor(value.copy(), requires_grad=True) for value in params.values()]
    settings: dict[str, object] = {"lr": o.lr, "weight_decay": o.weight_decay}
    if isinstance(o, Adam):
        peer = torch.optim.Adam(tensors, betas=(o.beta1, o.beta2), eps=o.eps, **settings)
    elif isinstance(o, RMSprop):
        peer = torch.optim.RMSprop(tensors, alpha=o.alpha, momentum=o.momentum, eps=o.eps or 1e-8, **settings)
    else:
        peer = torch.optim.SGD(tensors, momentum=o.momentum, **settings)
    for g, factor in zip(grads, FACTORS, strict=True):
        peer.param_groups[0]["lr"] = o.lr * factor
        for tensor, value in zip(tensors, g.values(), strict=True):
            tensor.grad = torch.tensor(value)
        peer.step()
    train(o, params, grads)
    for value, tensor in zip(params.values(), tensors, strict=True):
        np.testing.assert_allclose(value, tensor.detach().numpy(), rtol=1e-12, atol=1e-15)


def test_adamw_equals_torch():
    torch = pytest.importorskip("torch", reason="torch is an optional peer, it comes with the extra 'bench'")
    o = Adam(lr=0.02, weight_decay=0.1, decay="decoupled")
    params, grads = draw(0), [draw(1), draw(2)]
    tensor = torch.tensor(flat_of(params).copy(), requires_grad=True)
    peer = torch.optim.AdamW([tensor], lr=o.lr, weight_decay=o.weight_decay)
    for g, factor in zip(grads, FACTORS, strict=False):
        peer.param_groups[0]["lr"] = o.lr * factor
        tensor.grad = torch.tensor(flat_of(g))
        peer.step()
    train(o, params, grads)
    np.testing.assert_allclose(flat_of(params), tensor.detach().numpy(), rtol=1e-12, atol=1e-15)


def test_clipping_equals_torch():
    torch = pytest.importorskip("torch", reason="torch is an optional peer, it comes with the extra 'bench'")
    grads = draw(0)
    tensor = torch.zeros(flat_of(grads).size, dtype=torch.float64, requires_grad=True)
    tensor.grad = torch.tensor(flat_of(grads).copy())
    torch.nn.utils.clip_grad_value_([tensor], 1.5)
    torch.nn.utils.clip_grad_norm_([tensor], 1e-4)
    Adam(clip_value=1.5, clip_norm=1e-4).clip(grads)
    np.testing.assert_allclose(flat_of(grads), tensor.grad.numpy(), rtol=1e-13)


LONGEST = (
    {"layers.": 0.5, "layers.10.": 0.0, "": 2.0},
    {"layers.0.W": 0.5, "layers.0.u": 0.5, "layers.10.W": 0.0},
)
STARRED = ({"": 2.0, "layers.*.W": 0.5}, {"layers.0.W": 0.5, "layers.10.W": 0.5})


@pytest.mark.parametrize(("rates", "differing"), [LONGEST, STARRED], ids=["longest", "starred"])
@pytest.mark.parametrize(("rule", "options"), RULES)
def test_longest_prefix_sets_the_rate(rule, options, rates, differing):
    o = rule(lr=0.02, lr_by_prefix=rates, **options)
    multiplier = dict.fromkeys(SHAPES, 2.0) | differing
    params, grads = draw(0), [draw(1), draw(2)]
    wanted = {k: oracle(o, params[k], [g[k] for g in grads], o.lr * multiplier[k], 0.0) for k in params}
    train(o, params, grads)
    for name, value in params.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_decay_by_prefix_and_its_exceptions(decay):
    o = Adam(lr=0.02, weight_decay=0.1, decay=decay, decay_by_prefix={"layers.1": 0.7, "readout.": 0.0})
    wd = {"layers.0.W": 0.1, "layers.0.u": 0.0, "layers.10.W": 0.7, "readout.W": 0.0, "readout.bias": 0.0}
    params, grads = draw(0), [draw(1), draw(2)]
    wanted = {k: oracle(o, params[k], [g[k] for g in grads], o.lr, wd[k]) for k in params}
    train(o, params, grads, decays=lambda name: not name.endswith((".u", ".bias")))
    for name, value in params.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, err_msg=name)


def test_an_exception_from_decay_outranks_a_prefix():
    o = SGD(lr=0.1, decay_by_prefix={"layers.0.u": 1.0})
    params = draw(0)
    before = params["layers.0.u"].copy()
    grads = pack({name: np.zeros_like(value) for name, value in params.items()})
    o.update(params, grads, o.init(params), decays=lambda name: False)
    np.testing.assert_array_equal(params["layers.0.u"], before)


def test_decoupled_decay_survives_float32():
    # 1 - lr wd rounds to 1, and so does 1 - lr g; together they are worth the next smaller number.
    o = SGD(lr=1e-3, momentum=0.0, weight_decay=2.5e-5, decay="decoupled")
    params = pack({"p": np.array([1.0], np.float32)})
    o.update(params, pack({"p": np.array([2.5e-5], np.float32)}), o.init(params))
    assert params["p"][0] == 1 - 2.0**-24


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 31, 512, 513, 5000])
def test_every_size_is_updated_to_its_end(size, dtype):
    rng = np.random.default_rng(size)
    params, grads = (pack({"a": rng.normal(size=size), "b": rng.normal(size=3)}, dtype) for _ in range(2))
    o = Adam(lr=0.02, lr_by_prefix={"b": 3.0})
    wanted = {k: oracle(o, params[k], [grads[k]], o.lr * (3.0 if k == "b" else 1.0), 0.0) for k in params}
    train(o, params, [grads])
    for name, value in params.items():
        np.testing.assert_allclose(value, wanted[name], **TOLERANCE[dtype])
