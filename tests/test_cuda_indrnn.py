"""The networks of IndRNN on a CUDA device, as `test_cuda_models.py` has the other models."""

from __future__ import annotations

import pytest
from test_cuda_models import INDRNN, POINTS, compare


@pytest.mark.parametrize(("name", "case", "dtype"), [point for point in POINTS if point[0].startswith(INDRNN)])
def test_the_device_computes_what_the_cpu_does(cuda, name, case, dtype):
    compare(cuda, name, case, dtype)
