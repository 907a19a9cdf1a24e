"""A step of PyTorch as one CUDA graph, which launches all of its kernels at once.

Everything that the step reads and writes stays where it was at the capture. A step that sets gradients to None before
its backward pass gets them from the memory of the graph, and every replay overwrites them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

WARM_UP = 3
Result = TypeVar("Result")


def captured(step: Callable[[], Result], device: str) -> Callable[[], Result]:
    """`step` captured on a device, after runs on a stream beside that of the capture, as PyTorch asks for; on the CPU
    the step itself. All calls return the same tensors."""
    if device == "cpu":
        return step
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()

    def replay() -> Result:
        graph.replay()
        return found

    return replay
