"""Packages of extras: imported where they are, named with what installs them where they are not."""

from __future__ import annotations

import json.decoder
import sys

import pytest

from npr.errors import ConfigError
from npr.extras import require
from npr.json_values import finite


def test_a_module_that_is_there_is_imported() -> None:
    assert require("json.decoder", "any", "A test") is json.decoder


@pytest.mark.parametrize("absent", ["json", "json.decoder"])
def test_a_package_that_is_not_there_is_named_with_its_extra(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(ConfigError, match=r'^A test needs json: .*pip install -e "\.\[any\]"$'):
        require("json.decoder", "any", "A test")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        (3, 3),
        (None, None),
        ("inf", "inf"),
        ({"a": [1.0, (float("inf"), True)]}, {"a": [1.0, [None, True]]}),
    ],
)
def test_numbers_that_json_lacks_become_none(value: object, plain: object) -> None:
    assert finite(value) == plain
