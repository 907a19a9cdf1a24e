"""`npr inspect` and `--inspect-every` on small runs: what is shown, written and refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SHORT, Cli, cli, data_dir, rows, tensors

from npr.training.inspections import inspections, read_inspection
from npr.training.storage import Disk

__all__ = ["cli", "data_dir"]
RUN = Path("runs/0001-indrnn-pmnist")


def test_a_run_is_looked_at(cli: Cli) -> None:
    cli("train", "-q", *SHORT)
    done = cli("inspect", 1)
    first, *others = done.out.splitlines()
    assert done.code == 0
    assert first.startswith("indrnn on pmnist, runs/0001-indrnn-pmnist, step 6: loss ")
    assert "on 16 sequences of 784 steps" in first
    text = "\n".join(others)
    assert "layers.0  " in text
    assert any(word in text for word in ("vanishes", "explodes", "stable"))
    assert "median time constant" in text or "time constants infinite" in text
    assert "largest gradients" in text


def test_json_and_npz_hold_all_series(cli: Cli) -> None:
    cli("train", "-q", *SHORT)
    found = cli("inspect", 1, "--json", "--npz", "all.npz").json()
    assert (found["step"], found["model"], found["task"], found["run"]) == (6, "indrnn", "pmnist", str(RUN))
    assert found["layers"]["layers.0."]["gradient"]["word"] in ("vanishing", "exploding", "stable", "nothing")
    with np.load("all.npz", allow_pickle=False) as stored:
        axes = json.loads(str(stored["axes"]))
        assert set(axes) == set(found["series"]) == set(stored.files) - {"axes"}
        assert stored["layers.1.dh_norm"].shape == (784,)
        got = np.array(found["series"]["layers.1.dh_norm"]["values"])
        np.testing.assert_allclose(got, stored["layers.1.dh_norm"])
    assert axes["layers.1.dh_unit_norm"] == ["time", "unit"]


def test_an_earlier_checkpoint_can_be_chosen(cli: Cli) -> None:
    cli("train", "-q", *SHORT, "--set", "keep=9")
    assert cli("inspect", 1, "--at", 4, "--json").json()["step"] == 4
    wrong = cli("inspect", 1, "--at", 5)
    assert wrong.code == 3
    assert "there are 2, 3, 4, 6" in wrong.err


def test_a_model_is_looked_at_before_training(cli: Cli) -> None:
    done = cli("inspect", "--model", "rnn", "--task", "adding", "--set", "seq_len=50", "--hidden-size", 16, "--json")
    found = done.json()
    assert (found["run"], found["step"], found["steps"]) == ("", 0, 50)
    assert found["layers"]["layers.0."]["gradient"]["word"] == "vanishing"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ([], 2, "either a RUN or --model"),
        (["1", "--model", "rnn"], 2, "either a RUN or --model"),
        (["1"], 3, "no run '1'"),
        (["--model", "rnn", "--task", "copy", "--at", "3"], 2, "no steps"),
        (["--model", "rnnn", "--task", "copy"], 2, "Did you mean 'rnn'"),
    ],
)
def test_what_cannot_be_looked_at(cli: Cli, args: list[str], code: int, says: str) -> None:
    done = cli("inspect", *args)
    assert done.code == code
    assert says in done.err


@pytest.mark.parametrize("place", [("--npz", "missing/all.npz"), ("--plot", "file/pictures")])
def test_where_nothing_can_be_written_is_told_first(cli: Cli, place: tuple[str, str]) -> None:
    Path("file").write_text("in the way")
    done = cli("inspect", "--model", "rnn", "--task", "adding", *place)
    assert done.code == 5
    assert "hoose another place" in done.err
    assert "loss" not in done.out


def test_a_run_brings_its_own_configuration(cli: Cli) -> None:
    cli("train", "-q", *SHORT)
    done = cli("inspect", 1, "--hidden-size", 4)
    assert done.code == 2
    assert "hidden_size" in done.err


def test_a_run_without_checkpoints_is_explained(cli: Cli) -> None:
    cli("train", "-q", *SHORT)
    shutil.rmtree(RUN / "ckpt")
    done = cli("inspect", 1)
    assert done.code == 3
    assert "no checkpoint" in done.err


def test_a_damaged_checkpoint_is_passed_over(cli: Cli) -> None:
    cli("train", "-q", *SHORT)
    newest = max((RUN / "ckpt").iterdir())
    file = newest / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    done = cli("inspect", 1)
    assert done.code == 0
    assert "step 4" in done.out
    assert "Trying the checkpoint before it" in done.err


def test_figures_are_drawn(cli: Cli) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    cli("train", "-q", *SHORT)
    assert cli("inspect", 1, "--plot", "pictures").code == 0
    drawn = {path.name for path in Path("pictures").iterdir()}
    assert drawn >= {
        f"{name}.{end}" for name in ("gradient", "u", "growth", "shares", "memory") for end in ("png", "svg")
    }
    assert (Path("pictures") / "gradient.png").read_bytes().startswith(b"\x89PNG")


def test_figures_without_matplotlib_name_the_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = cli("inspect", "--model", "rnn", "--task", "copy", "--plot", "pictures")
    assert done.code == 3
    assert 'pip install -e ".[plot]"' in done.err
    assert not Path("pictures").exists()


def test_the_tail_is_where_the_loss_is(cli: Cli) -> None:
    copy = ["--model", "rnn", "--task", "copy", "--set", "delay=80", "--hidden-size", 16, "--json"]
    recalled, last = cli("inspect", *copy).json(), cli("inspect", *copy, "--tail", 1).json()
    for found, steps in ((recalled, 10), (last, 1)):
        share = np.array(found["series"]["readout.bias.step_norm"]["values"])
        assert np.flatnonzero(share).tolist() == list(range(100 - steps, 100))
        assert found["layers"]["layers.0."]["gradient"]["word"] == "vanishing"
    wrong = cli("inspect", "--model", "rnn", "--task", "adding", "--tail", 1)
    assert wrong.code == 3
    assert "one output" in wrong.err


LOOKING = ["--inspect-every", "2"]


def test_a_training_looks_at_itself(cli: Cli) -> None:
    assert cli("train", "-q", *SHORT, *LOOKING).code == 0
    assert list(inspections(RUN)) == [0, 2, 4, 6]
    found = read_inspection(inspections(RUN)[4])
    assert found["layers.1.dh_norm"].axes == ("time",)
    assert found["layers.1.dh_norm"].values.shape == (784,)
    assert found["layers.0.u"].values.shape == (8,)


def test_looking_changes_no_bit_of_the_training(cli: Cli) -> None:
    cli("train", "-q", *SHORT, "--run-dir", "plain", "--set", "dropout=0.2")
    cli("train", "-q", *SHORT, "--run-dir", "looking", "--set", "dropout=0.2", *LOOKING)
    assert tensors(Path("plain")) == tensors(Path("looking"))
    assert rows(Path("plain")) == rows(Path("looking"))


def test_a_resumed_run_stores_what_an_unbroken_one_does(cli: Cli) -> None:
    cli("train", "-q", *SHORT, *LOOKING, "--run-dir", "whole")
    cli("train", "-q", *SHORT, *LOOKING, "--run-dir", "part")
    for path in (Path("part/ckpt/step-00000006"), Path("part/result.json")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    Path("part/inspect/step-00000006.safetensors").write_bytes(b"of a future that this run has left")
    Path("part/inspect/step-00000004.safetensors").unlink()
    assert cli("resume", "-q", "part").code == 0
    assert list(inspections(Path("part"))) == [0, 2, 4, 6]
    for step, path in inspections(Path("whole")).items():
        assert path.read_bytes() == inspections(Path("part"))[step].read_bytes(), step


def test_a_full_disk_does_not_stop_the_training(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_folder(self: Disk, path: Path) -> None:
        if path.name == "inspect":
            raise OSError(28, "No space left on device")
        path.mkdir()

    monkeypatch.setattr(Disk, "make_folder", make_folder)
    done = cli("train", "-q", *SHORT, *LOOKING)
    assert done.code == 0
    assert "Could not store the inspection of step 2: No space left on device." in done.err
