"""smnist and pmnist: options, sources, and batches that show the right pixels."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from data_samples import CLOSED, fill, known_set, tiny_content

from npr.data import Unreachable, idx, known, search
from npr.errors import ConfigError, DataError
from npr.registry import tasks
from npr.tasks import permutation
from npr.tasks.base import Dataset, Task

CONTENT = tiny_content()
PIXELS = idx.parse(CONTENT["train-images-idx3-ubyte"], "train", 3).reshape(60, 784)
LABELS = idx.parse(CONTENT["train-labels-idx1-ubyte"], "train", 1)
TASKS = ["smnist", "pmnist"]


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the little MNIST, known under the true name; an empty cache; no network."""
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(known.SETS, "mnist", known_set(CONTENT, CLOSED))
    return fill(tmp_path / "data" / "mnist", CONTENT).parent


def _open(name: str, folder: Path, **options: str) -> Dataset:
    task: Task = tasks.get(name)(**({"split": "tail:10"} | options))
    return task.open("mnist", folder, log=lambda line: None)


@pytest.mark.parametrize("name", TASKS)
def test_the_shape_of_the_task(name: str) -> None:
    task = tasks.get(name)()
    assert (task.input_size, task.output_size, task.seq_len) == (1, 10, 784)
    assert (task.readout, task.loss, task.metric, task.higher_is_better) == (
        "last",
        "cross-entropy",
        "accuracy",
        True,
    )
    assert [field.name for field in dataclasses.fields(task)] == ["permutation", "split", "pixels", "loss"]


@pytest.mark.parametrize(("name", "order"), [("smnist", "none"), ("pmnist", "numpy:92916")])
def test_the_default_permutation(name: str, order: str) -> None:
    assert tasks.get(name)().permutation == order


@pytest.mark.parametrize("option", [{"permutation": "numpy"}, {"split": "half"}, {"pixels": "float"}, {"loss": "l1"}])
@pytest.mark.parametrize("name", TASKS)
def test_bad_options_are_refused_at_once(name: str, option: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        tasks.get(name)(**option)


@pytest.mark.parametrize("order", ["none", "torch:0", "numpy:92916"])
def test_position_j_shows_pixel_perm_j(tiny: Path, order: str) -> None:
    (batch,) = _open("pmnist", tiny, permutation=order, pixels="unit").batches("validation", 100)
    wanted = PIXELS[50:][:, permutation.draw(order, 784)].T / 255
    np.testing.assert_array_equal(batch.x[:, :, 0], wanted.astype(np.float32))
    np.testing.assert_array_equal(batch.target, LABELS[50:])


@pytest.mark.parametrize(
    ("pixels", "low", "middle", "high"),
    [
        ("unit", 0.0, 128 / 255, 1.0),
        ("signed", -1.0, 256 / 255 - 1, 1.0),
        ("signed256", -1.0, 0.0, 0.9921875),
    ],
)
def test_pixel_scales(tiny: Path, pixels: str, low: float, middle: float, high: float) -> None:
    (batch,) = _open("smnist", tiny, pixels=pixels).batches("validation", 100, np.float64)
    shown = {int(p): value for p, value in zip(PIXELS[50:].T.ravel(), batch.x.ravel(), strict=True)}
    assert (shown[0], shown[128], shown[255]) == pytest.approx((low, middle, high), abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_of_a_batch(tiny: Path, dtype: type) -> None:
    batch = _open("pmnist", tiny).train_stream(7, 0, dtype).next()
    assert batch.x.shape == (784, 7, 1)
    assert batch.x.dtype == dtype
    assert batch.x.flags.c_contiguous
    assert batch.target.shape == (7,)
    assert batch.target.dtype == np.int64
    assert batch.lengths is None


@pytest.mark.parametrize(("split", "sizes"), [("train", [8] * 6 + [2]), ("validation", [8, 2]), ("test", [8, 8, 4])])
def test_batches_show_every_example_once(tiny: Path, split: str, sizes: list[int]) -> None:
    dataset = _open("smnist", tiny)
    batches = list(dataset.batches(split, 8))
    assert [len(batch.target) for batch in batches] == sizes
    assert sum(sizes) == dataset.sizes[split]
    if split == "train":
        np.testing.assert_array_equal(np.concatenate([batch.target for batch in batches]), LABELS[:50])


def test_no_validation_has_no_batches(tiny: Path) -> None:
    dataset = _open("smnist", tiny, split="none")
    assert dataset.sizes == {"train": 60, "validation": 0, "test": 20}
    assert list(dataset.batches("validation", 8)) == []


def test_unknown_splits_are_refused(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown split 'valid'. Did you mean 'validation'\?"):
        _open("smnist", tiny).batches("valid", 8)


@pytest.mark.parametrize(("batch_size", "updates"), [(50, 1), (25, 2), (49, 2), (32, 2), (100, 1)])
def test_updates_per_epoch_reach_every_example(tiny: Path, batch_size: int, updates: int) -> None:
    assert _open("smnist", tiny).updates_per_epoch(batch_size) == updates


@pytest.mark.parametrize(("batch_size", "seed"), [(0, 0), (-1, 0), (4, -1)])
def test_impossible_sizes_and_seeds_are_refused(tiny: Path, batch_size: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="at least"):
        _open("smnist", tiny).train_stream(batch_size, seed)


@pytest.mark.parametrize("name", TASKS)
def test_provenance_is_json_and_says_everything(tiny: Path, name: str) -> None:
    dataset = _open(name, tiny, permutation="torch:0")
    provenance = json.loads(json.dumps(dataset.provenance))
    assert provenance["permutation_sha256"].startswith("270deb57c4870003")
    assert provenance["sha256"] == {file.name: file.sha256 for file in known.find("mnist").files}
    assert {key: provenance[key] for key in ("data", "source", "split", "pixels", "permutation")} == {
        "data": "mnist",
        "source": "--data-dir",
        "split": "tail:10",
        "pixels": "signed",
        "permutation": "torch:0",
    }
    assert (dataset.name, dataset.notice) == (name, "")


def test_auto_falls_back_loudly_when_nothing_is_in_reach() -> None:
    lines: list[str] = []
    dataset = tasks.get("pmnist")().open("auto", log=lines.append)
    assert dataset.name == "pmnist[synthetic]"
    assert dataset.provenance["data"] == "synthetic"
    assert dataset.sizes == {"train": 10_000, "validation": 5_000, "test": 2_500}
    assert lines[-1] == dataset.notice
    assert dataset.notice.startswith("WARNING: SYNTHETIC DIGITS")
    assert "train-images-idx3-ubyte.gz" in dataset.notice


def test_the_default_log_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    tasks.get("smnist")().open("synthetic")
    printed = capsys.readouterr()
    assert "SYNTHETIC DIGITS" in printed.err
    assert printed.out == ""


def test_mnist_never_falls_back() -> None:
    with pytest.raises(Unreachable, match=r"mnist is not on this machine.*--data-dir"):
        tasks.get("pmnist")().open("mnist", log=lambda line: None)


@pytest.mark.parametrize("data", ["auto", "mnist"])
@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_named_folder_never_falls_back(tiny: Path, data: str, fault: str) -> None:
    path = tiny / "mnist" / "t10k-labels-idx1-ubyte.gz"
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        tasks.get("pmnist")(split="tail:10").open(data, tiny, log=lambda line: None)


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Unknown data source 'minst'.*auto, mnist, synthetic"):
        tasks.get("smnist")().open("minst")


def test_images_and_labels_must_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = CONTENT | {"t10k-labels-idx1-ubyte": CONTENT["train-labels-idx1-ubyte"]}
    monkeypatch.setitem(known.SETS, "mnist", known_set(content))
    with pytest.raises(DataError, match="mnist t10k: expected as many 28 x 28 images as labels"):
        _open("smnist", fill(tmp_path / "odd", content))


@pytest.mark.skipif(
    not os.path.isdir(os.path.join(os.environ.get("NPR_DATA_DIR", ""), "mnist")),
    reason="needs the real MNIST below NPR_DATA_DIR",
)
def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.SETS, "mnist", known.MNIST)
    dataset = tasks.get("pmnist")().open("mnist", REAL, log=lambda line: None)
    assert dataset.sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert next(dataset.batches("train", 10)).target.tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert next(dataset.batches("test", 10)).target.tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


# Read before the fixture above hides it.
REAL = Path(os.environ.get("NPR_DATA_DIR", "."))
