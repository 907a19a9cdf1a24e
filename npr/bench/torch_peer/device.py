"""PyTorch on a device: whether it finds one, and a family's step there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from npr.bench.problem import TF32, Library, Problem, Step


def describe() -> dict[str, Any]:
    """Versions of CUDA and cuDNN that PyTorch brings; or why it is absent."""
    if not torch.cuda.is_available():
        return {"absent": f"PyTorch {torch.__version__} finds no CUDA device"}
    return {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products, cuDNN's included, may round their factors to TF32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def prepare(library: Library, problem: Problem, threads: int, name: str, options: Mapping[str, Any]) -> Step:
    """The step of a family's module under a peer's name, which ends when the device is idle."""
    allow_tf32(name == TF32)
    # For what the module makes now; as a default it would cost every later call of torch time.
    with torch.device(problem.device):
        step = library.prepare(problem, threads, **options)
    return Step(_ended(step.run), step.collect, torch.cuda.max_memory_reserved)


def _ended(run: Callable[[], Any]) -> Callable[[], Any]:
    def timed() -> Any:
        found = run()
        torch.cuda.synchronize()
        return found

    return timed
