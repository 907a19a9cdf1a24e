"""A batch that does not fit into a device's memory is refused before the run begins."""

from __future__ import annotations

import pytest

from npr.errors import BackendError
from npr.training import device_memory, fit, resolve
from npr.training.config import Config


class Watched:
    """The CPU with a memory of its own: an update takes `fixed` bytes and `each` for a sequence."""

    def __init__(self, backend, room, fixed=1000, each=100):
        self._backend, self._room, self._fixed, self._each = backend, room, fixed, each
        self.batches = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def room(self):
        return self._room

    def cut(self, times, batch, lengths=None):
        self.batches.append(batch)
        return self._backend.cut(times, batch, lengths)

    def taken(self, run):
        run()
        return self._fixed + self._each * self.batches[-1]


def _config(**changes) -> Config:
    sizes = {"hidden_size": 4, "batch_size": 32, "steps": 1, "validation_size": 2, "test_size": 2, "threads": 1}
    return resolve({"model": "irnn", "task": "copy", "delay": 3, "preset": "none", **sizes, **changes})


def _parts(config, room):
    parts = device_memory_parts(config)
    return parts._replace(backend=Watched(parts.backend, room))


def device_memory_parts(config):
    from npr.training.parts import open_parts

    return open_parts(config, print)


def test_a_batch_that_fits_is_trained(tmp_path):
    config = _config()
    parts = _parts(config, 1000 + 32 * 100)
    assert fit(config, run=tmp_path, parts=parts).steps == 1
    assert parts.backend.batches[:2] == [4, 8]


def test_the_batch_size_that_fits_is_named(tmp_path):
    config = _config()
    with pytest.raises(BackendError, match=r"32 sequences .* --batch-size 20\."):
        fit(config, run=tmp_path / "run", parts=_parts(config, 1000 + 20 * 100))
    assert not (tmp_path / "run").exists()


def test_nothing_may_fit():
    config = _config()
    with pytest.raises(BackendError, match="Not even one sequence"):
        device_memory.check_memory(_parts(config, 900))


def test_sequences_are_cut_with_all_that_belongs_to_them():
    config = _config(model="lstm")
    batch = device_memory._first(device_memory_parts(config).dataset.train_stream(32, 1).next(), 3)
    assert batch.x.shape[1] == 3
    assert batch.target.shape[1] == 3
