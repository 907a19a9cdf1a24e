"""The commands that list and report: models, tasks, presets, doctor, completion, gradcheck, data."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from command_line import environment

from npr import registry
from npr_cli.main import main


@pytest.mark.parametrize(
    ("command", "names"),
    [("models", registry.models.names()), ("tasks", registry.tasks.names())],
)
def test_lists_as_json(command, names, capsys):
    assert main([command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == names
    assert all(row["summary"] and row["options"] for row in rows)


def test_presets_as_json(capsys):
    assert main(["presets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"laptop", "paper"} <= {row["name"] for row in rows}
    assert all(row["model"] and row["task"] and row["options"] for row in rows)
    assert all(entry["source"] for row in rows for entry in row["options"].values())


def test_doctor_as_json(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"versions", "processor", "threads", "cache", "data", "devices"} <= found.keys()
    assert found["devices"]["cpu"] == "works"
    assert "numba" in found["versions"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, capsys):
    assert main(["completion", shell]) == 0
    assert f"_NPR_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_completion_offers_models():
    env = {"_NPR_COMPLETE": "bash_complete", "COMP_WORDS": "npr train --model indrnn-", "COMP_CWORD": "3"}
    code = "from npr_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(env), capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [f"plain,{name}" for name in registry.models.names() if "indrnn-" in name]


def test_gradcheck_as_json(capsys):
    assert main(["gradcheck", "--model", "indrnn", "--directional", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "indrnn"
    assert 0 < found["max_rel_error"] <= 1e-6
    wanted = {"name", "shape", "rel_error", "case", "index", "analytic", "numeric"}
    assert wanted == found["parameters"][0].keys()
    assert {row["index"] for row in found["parameters"]} == {None}


def test_a_wrong_gradient_is_exit_7(capsys, monkeypatch):
    model = registry.models.get("indrnn")
    right = model.backward

    def wrong(self, *args):
        found = right(self, *args)
        found.params["layers.0.u"] *= 1.001
        return found

    monkeypatch.setattr(model, "backward", wrong)
    assert main(["gradcheck", "--model", "indrnn", "--directional"]) == 7
    out, err = capsys.readouterr()
    assert "indrnn FAILED" in out
    assert "error: Gradient of 'layers.0.u' in indrnn is off by 1.0e-03" in err
    assert "along a random direction: analytic" in err


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("chart.pdf", ".png or .svg"),
        ("absent/chart.png", "no folder 'absent'"),
        ("chart.svg", 'pip install -e ".[plot]"'),
    ],
)
def test_a_chart_that_cannot_be_drawn_is_refused_before_the_check(path, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("npr.gradcheck.check", lambda *args, **named: pytest.fail("checked first"))
    assert main(["gradcheck", "--model", "indrnn", "--plot", path]) == 3
    assert message in capsys.readouterr().err


def test_a_chart_of_the_check(capsys, tmp_path):
    options = ["--model", "indrnn", "--directional", "--plot", str(tmp_path / "chart.png")]
    assert main(["gradcheck", *options]) == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["parameter", "relative", "error", "shape", "entry", "analytic", "numeric", "case"]
    assert first.startswith("layers.0.W_in")
