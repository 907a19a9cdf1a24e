"""CUDA kernels run in numba's simulator, unless NUMBA_ENABLE_CUDASIM=0 says that there is a device."""

from __future__ import annotations

import os

import numba
import pytest

os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
# pytest has imported numba for the sake of a warning, but numba.cuda looks only now.
numba.config.reload_config()


@pytest.fixture(scope="session")
def cuda():
    """The CUDA backend, simulated where there is no device."""
    from npr.backends import get_backend

    return get_backend("cuda")
