"""IndRNN against PyTorch's autograd: output, every gradient, states and running statistics.

PyTorch is no dependency of the project; where it is missing these tests say so and are skipped. The network
is the peer of the benchmarks, so they also show that npr and that peer compute the same function.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[bench]')")
sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import indrnn_npr as ours  # noqa: E402
import indrnn_problem as problem  # noqa: E402
import indrnn_torch as peer  # noqa: E402

from npr.backends import get_backend  # noqa: E402
from npr.context import Context  # noqa: E402

TOLERANCE = {"float64": 1e-8, "float32": 1e-4}
SIZES = {
    "odd": {"seq_len": 20, "batch_size": 10, "layers": 3, "hidden_size": 37},
    "one-layer": {"seq_len": 12, "batch_size": 3, "layers": 1, "hidden_size": 5},
    "wide-input": {"seq_len": 9, "batch_size": 33, "layers": 2, "hidden_size": 64, "input_size": 19},
    "one-row": {"seq_len": 40, "batch_size": 1, "layers": 2, "hidden_size": 128},
}


def drawn(size, norm, dtype, dropout=0.0):
    """A problem, the gradient of its output, and initial states of every layer."""
    case = problem.Case(name=size, norm=norm, dropout=dropout, classes=7, **SIZES[size])
    rng = np.random.default_rng(5)
    d_output = rng.normal(size=(case.batch_size, case.classes)).astype(dtype)
    shape = (case.layers, case.batch_size, case.hidden_size)
    return problem.draw(case, 3, dtype), d_output, list(rng.uniform(0, 0.5, shape).astype(dtype))


def by_torch(given, d_output, initial, d_state):
    """All results of autograd, under one name each."""
    case, tensors = given.case, peer.leaves(given.params)
    x = torch.tensor(given.x, requires_grad=True)
    start = [torch.tensor(h, requires_grad=True) for h in initial]
    running = None
    if case.norm == "time":
        running = peer.running_statistics(case.layers, case.hidden_size, x.dtype)
    rng = np.random.default_rng(problem.MASK_SEED)
    masks = [torch.tensor(mask) for mask in problem.draw_masks(case, rng, given.x.dtype)]
    output, states = peer.network(tensors, x, running, masks, start)
    scalar = (output * torch.tensor(d_output)).sum()
    scalar = scalar + sum((h * torch.tensor(d)).sum() for h, d in zip(states, d_state, strict=True))
    scalar.backward()
    found = {"output": output.detach().numpy(), "d_x": x.grad.numpy(), **peer.gradients(tensors)}
    found |= {f"state.{i}": h.detach().numpy() for i, h in enumerate(states)}
    found |= {f"d_state.{i}": h.grad.numpy() for i, h in enumerate(start)}
    for i, (mean, variance) in enumerate(running or []):
        found |= {f"layers.{i}.norm.mean": mean.numpy(), f"layers.{i}.norm.var": variance.numpy()}
    return found


def by_npr(given, d_output, initial, d_state):
    """The same results, by hand-written passes."""
    model = ours.build(given)
    params, buffers = ours.fill(model, given.params)
    rng = np.random.default_rng(problem.MASK_SEED)
    context = Context(get_backend("cpu"), dropout=given.case.dropout > 0, rng=rng)
    passed = model.forward(context, params, buffers, given.x, tuple(initial))
    back = model.backward(context, params, passed.cache, d_output, tuple(d_state))
    found = {"output": passed.output, "d_x": back.x, **back.params, **passed.buffers}
    found |= {f"state.{i}": h for i, h in enumerate(passed.state)}
    return found | {f"d_state.{i}": h for i, h in enumerate(back.state)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("norm", ["none", "time"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_forward_and_backward_are_those_of_torch(dtype, norm, dropout, size):
    given, d_output, initial = drawn(size, norm, dtype, dropout)
    d_state = [h[::-1].copy() - h.dtype.type(0.2) for h in initial]
    expected = by_torch(given, d_output, initial, d_state)
    found = by_npr(given, d_output, initial, d_state)
    errors = problem.disagreement(found, expected)
    assert max(errors.values()) <= TOLERANCE[dtype], errors


@pytest.mark.parametrize("norm", ["none", "time"])
def test_training_step_of_the_benchmark_is_that_of_torch(norm):
    given = problem.draw(problem.Case(name="step", norm=norm, dropout=0.1, **SIZES["odd"]), 4)
    steps = [library.prepare(given, threads=1) for library in (ours, peer)]
    found, expected = (step.collect(step.run()) for step in steps)
    errors = problem.disagreement(found, expected)
    assert max(errors.values()) <= TOLERANCE["float32"], errors
