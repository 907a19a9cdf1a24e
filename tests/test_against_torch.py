"""IndRNN against PyTorch's autograd: output, every gradient, states and running statistics.

PyTorch is no dependency of the project; where it is missing these tests say so and are skipped. The parts of the
network are those of the benchmarks' peer, which by itself begins at zero and tells no state.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[bench]')")

from npr.backends import get_backend  # noqa: E402
from npr.bench.agreement import disagreement  # noqa: E402
from npr.bench.own import indrnn as ours  # noqa: E402
from npr.bench.own.step import fill  # noqa: E402
from npr.bench.problems import indrnn as problem  # noqa: E402
from npr.bench.torch_peer import indrnn as peer  # noqa: E402
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


def network(tensors, x, running, masks, start):
    """Output and last states, from initial states (B, n) of every layer."""
    signal, states = x, []
    for layer, h in enumerate(start):
        a = torch.nn.functional.linear(signal, tensors[f"layers.{layer}.W_in"], tensors[f"layers.{layer}.bias"])
        signal = peer.recurrence(a, tensors[f"layers.{layer}.u"], h)
        states.append(signal[-1])
        signal = peer.normalised(tensors, layer, signal, running[layer]) if running else signal
        signal = signal * masks[layer] if masks else signal
    return torch.nn.functional.linear(signal[-1], tensors["readout.W"], tensors["readout.bias"]), states


def by_torch(given, d_output, initial, d_state):
    """All results of autograd, under one name each."""
    case, tensors = given.case, peer.leaves(given.params)
    x = torch.tensor(given.x, requires_grad=True)
    start = [torch.tensor(h, requires_grad=True) for h in initial]
    sizes = [case.hidden_size] * case.layers if case.norm == "time" else []
    running = peer.running_statistics(sizes, x.dtype)
    rng = np.random.default_rng(problem.MASK_SEED)
    masks = [torch.tensor(mask) for mask in problem.draw_masks(case, rng, given.x.dtype)]
    output, states = network(tensors, x, running, masks, start)
    scalar = (output * torch.tensor(d_output)).sum()
    scalar = scalar + sum((h * torch.tensor(d)).sum() for h, d in zip(states, d_state, strict=True))
    scalar.backward()
    found = {"output": output.detach().numpy(), "d_x": x.grad.numpy()}
    found |= {name: tensor.grad.numpy().T for name, tensor in tensors.items()}
    found |= {f"state.{i}": h.detach().numpy() for i, h in enumerate(states)}
    found |= {f"d_state.{i}": h.grad.numpy() for i, h in enumerate(start)}
    for i, (mean, variance) in enumerate(running):
        found |= {f"layers.{i}.norm.mean": mean.numpy(), f"layers.{i}.norm.var": variance.numpy()}
    return found


def by_npr(given, d_output, initial, d_state):
    """The same results, by hand-written passes."""
    model = ours.build(given)
    params, buffers = fill(model, given.params)
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
    errors = disagreement(found, expected)
    assert max(errors.values()) <= TOLERANCE[dtype], errors
