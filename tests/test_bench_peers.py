"""Every peer of `npr bench` computes what npr computes, in both types; skipped where torch or jax is missing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from bench_figures import KNOWN

from npr.bench import ceilings
from npr.bench.agreement import disagreement
from npr.bench.cases import family
from npr.bench.problem import CHANGE
from npr.bench.worker import FOLDERS
from npr.errors import CheckFailed

NAMES = [
    "indrnn-784x32",
    "indrnn-norm-dropout-784x32",
    "wired-residual-norm-784x32",
    "wired-dense-norm-784x32",
    "dense-784x128-1x128",
    "dense-150x128-128x512",
    "lstm-784x128-1x128",
    "lstm-150x128-128x512",
    "dense-bidirectional-200x128-10x128",
    "lstm-bidirectional-200x128-10x128",
    "gru-784x128-1x128",
    "gru-150x128-128x512",
    "eurnn-copy-220x10-10x128",
    "resrnn-784x32-1x200",
    "elementwise-784x32-128",
    "update-exprnn-copy-float64",
    "update-nnrnn-copy-float32",
    "text-chainer-2x50",
    "text-char-rnn-2x128",
    "rrn-published-2x50",
    "orthogonal-rnn-orth-ptb-1024",
    "orthogonal-exprnn-ptb-1024",
    "orthogonal-nnrnn-ptb-1024",
]
PAIRS = [(name, peer) for name in NAMES for peer in KNOWN[name].peers if peer != "torch.compile"]


def step(library, case, dtype="float32"):
    own = family(case)
    problem = importlib.import_module(f"npr.bench.problems.{own}").draw(case, 1, dtype)
    prepared = importlib.import_module(f"npr.bench.{FOLDERS[library]}.{own}").prepare(problem, 1)
    return problem, prepared.collect(prepared.run())


@pytest.mark.parametrize(("name", "library"), PAIRS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peer_computes_what_npr_computes(name, library, dtype):
    pytest.importorskip(library, reason=f"{library} is not installed (pip install -e '.[bench]')")
    case = KNOWN[name].tiny()
    (given, found), (_, expected) = (step(one, case, dtype) for one in ("npr", library))
    errors = disagreement(found, expected)
    assert max(errors.values()) <= {"float64": 1e-7, "float32": 1e-3}[dtype], errors
    assert {"loss", "output", *given.params} <= expected.keys()
    changes = [value for key, value in expected.items() if key.startswith(CHANGE)]
    updated = family(case) in ("update", "text", "orthogonal") and dtype == "float64"
    assert len(changes) == (len(given.params) if updated else 0)
    assert all(np.any(value) for value in changes)


ALONE = ["indrnn-norm-784x32", "wired-dense-784x32", "dense-150x128-128x512", "eurnn-784x100-1x512"]
ALONE += ["resrnn-784x32-1x200", "elementwise-784x32-128"]


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("library", ["npr", "torch", "jax"])
def test_forward_pass_alone_gives_the_loss_of_the_whole_step(name, library):
    pytest.importorskip(library, reason=f"{library} is not installed (pip install -e '.[bench]')")
    case = KNOWN[name].tiny()
    (_, whole), (_, alone) = (step(library, one) for one in (case, replace(case, forward=True)))
    assert alone.keys() == {"loss", "output"}
    assert disagreement(alone, {key: whole[key] for key in alone}) == pytest.approx({"loss": 0, "output": 0}, abs=1e-6)


def test_workers_import_no_peer_before_they_are_pinned():
    code = "import sys, npr.bench.worker, npr.bench.machine; print({'numpy', 'torch', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tile_check_passes_on_the_library(dtype, transposed):
    assert ceilings.check(ceilings.Size(10, 37, 41), dtype, transposed) < 32 * np.finfo(dtype).eps


def test_tile_check_refuses_a_wrong_product(monkeypatch):
    monkeypatch.setattr(ceilings, "_multiply_often", lambda a, panels, c, times: c.fill(1.0))
    with pytest.raises(CheckFailed, match="off by"):
        ceilings.check(ceilings.Size(4, 4, 4))
