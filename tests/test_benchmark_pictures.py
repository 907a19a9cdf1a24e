"""`scaling.py` and the pictures of `benchmarks/`, on figures that nobody measured; nothing is timed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import bench_picture
import scaling
import scaling_picture

from npr.bench import machine, processes


def case(name, ratio):
    return {"name": name, "ratio": ratio, "ratio_range": None if ratio is None else [0.9 * ratio, 1.1 * ratio]}


def bench_file(folder, rows, name="bench.json", **own):
    told = {
        "command": "npr bench",
        "machine": {"cpu": "Invented 9000 (family 1)", "cores": 2},
        "versions": {"torch": "0.1", "jax": "0.2"},
        "threads": 2,
        "dtype": "float32",
        "cases": rows,
    }
    file = folder / name
    file.write_text(json.dumps({**told, **own}), encoding="utf-8")
    return file


ROWS = [case("dense-a", 2.0), case("dense-a-forward", 0.5), case("lstm-b", 9.0), case("gru-c", None)]


def test_bench_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    picture = tmp_path / "bench.png"
    bench_picture.main([str(bench_file(tmp_path, ROWS)), "-o", str(picture)])
    assert picture.stat().st_size > 5000


def test_later_files_replace_cases_and_cases_without_a_peer_are_left_out(tmp_path):
    files = [bench_file(tmp_path, ROWS), bench_file(tmp_path, [case("lstm-b", 3.0)], "again.json")]
    rows, origin = bench_picture.collected(files)
    assert {name: row["ratio"] for name, row in rows.items()} == {"dense-a": 2.0, "dense-a-forward": 0.5, "lstm-b": 3.0}
    assert origin == "Invented 9000, 2 threads, float32; torch 0.1, jax 0.2"


def test_a_forward_pass_stands_with_its_whole_step_and_alone_without():
    rows = {name: case(name, 2.0) for name in ("dense-a", "dense-a-forward", "lstm-b-forward")}
    assert bench_picture.families(rows) == {"dense": ["dense-a"], "lstm": ["lstm-b-forward"]}


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"threads": 1}, "different machines, threads or peers"),
        ({"machine": {"cpu": "Another", "cores": 2}}, "different machines, threads or peers"),
        ({"cases": []}, "no measured cases"),
        ({"command": "npr bench --tiny --rounds 1"}, "mean nothing"),
    ],
)
def test_figures_that_are_no_picture_are_refused(own, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        bench_picture.collected([bench_file(tmp_path, ROWS), bench_file(tmp_path, ROWS, "other.json", **own)])


def test_no_peer_is_no_picture(tmp_path):
    with pytest.raises(SystemExit, match="beside a peer"):
        bench_picture.collected([bench_file(tmp_path, [case("gru-c", None)])])


@pytest.fixture
def answered(monkeypatch):
    """Workers that need 100 ms for every 196 steps alone and 60 with two threads; what they were told."""
    told = []

    def work(job):
        told.append(job)
        seconds = job["case"]["seq_len"] / 196 * (0.1 if job["threads"] == 1 else 0.06)
        return {"seconds": [seconds] * job["repeats"], "peak": 1}

    monkeypatch.setattr(processes, "work", work)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    return told


def test_scaling_goes_from_workers_to_file_and_pictures(answered, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    file = tmp_path / "found.json"
    assert scaling.main(["-o", str(file), "--plot", str(tmp_path / "a.png"), "--repeats", "1"]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["command"].startswith("python benchmarks/scaling.py -o ")
    assert [row["efficiency"] for row in found["efficiency"]] == pytest.approx([0.1 / (2 * 0.06)] * 16)
    lengths = {row["seq_len"]: row["ms"] for row in found["growth"] if row["axis"] == "seq_len"}
    assert lengths == pytest.approx({steps: 60 * steps / 196 for steps in scaling.AXES["seq_len"]})
    assert all((tmp_path / f"a-{kind}.png").stat().st_size > 5000 for kind in ("threads", "growth"))
    assert all(job["task"] == "time" and job["library"] == "npr" for job in answered)
    assert capsys.readouterr().out.split() == [
        str(file),
        *(str(tmp_path / f"a-{k}.png") for k in ("threads", "growth")),
    ]


def test_the_point_that_all_axes_share_is_measured_once(answered):
    scaling.growth(scaling.clock(1, tiny=True), 2)
    points = 1 + sum(len(values) - 1 for values in scaling.AXES.values())
    assert len(answered) == len(scaling.GROWING) * points
    assert all(job["case"]["seq_len"] == 21 for job in answered)


def test_scaling_needs_two_cores(monkeypatch, capsys):
    monkeypatch.setattr(machine, "cores", lambda: 1)
    with pytest.raises(SystemExit):
        scaling.main([])
    assert "from 2 to the 1 cores" in capsys.readouterr().err


def test_every_model_has_a_style():
    assert scaling_picture.STYLES.keys() == scaling.MODELS.keys()
