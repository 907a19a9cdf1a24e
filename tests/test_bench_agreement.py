"""Agreement of libraries, asked before any clock starts."""

from __future__ import annotations

import numpy as np
import pytest
from bench_figures import KNOWN

from npr.bench.agreement import agreement, disagreement, reference, tolerance
from npr.bench.problem import CHANGE, Case
from npr.bench.problems import indrnn
from npr.errors import CheckFailed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("W", np.array([2.0, -4.0]), 0.0),
        ("W", np.array([2.0, -4.4]), 0.1),
        ("W", np.array([2.0, np.nan]), np.inf),
        ("u", np.array([0.5]), 0.5),
    ],
)
def test_disagreement_is_relative_to_the_largest_value(name, value, expected):
    arrays = {"W": np.array([2.0, -4.0]), "u": np.array([0.0])}
    assert disagreement({**arrays, name: value}, arrays)[name] == pytest.approx(expected)


@pytest.mark.parametrize("other", [{}, {"W": np.zeros((2, 1))}, {"V": np.zeros(2)}])
def test_disagreement_refuses_other_names_and_shapes(other):
    with pytest.raises(CheckFailed, match=r"different arrays|shape"):
        disagreement(other, {"W": np.zeros(2)})


def fake_results(**offsets):
    """Results of libraries that return 1 plus an offset for one type."""
    return lambda library, dtype: {"W": np.array([1.0 + offsets.get(f"{library}_{dtype}", 0.0)])}


@pytest.mark.parametrize(
    ("offsets", "case", "blamed"),
    [
        ({}, "indrnn-784x32", None),
        ({"npr_float64": 2e-8}, "indrnn-784x32", "npr in float64"),
        ({"jax_float32": 2e-4}, "indrnn-784x32", "jax in float32"),
        ({"jax_float32": 2e-4}, "indrnn-norm-784x32", None),
        ({"npr_float32": 3e-2}, "indrnn-norm-784x32", "npr in float32"),
        ({"torch_float32": 3e-2}, "indrnn-norm-784x32", None),
        ({"torch_float32": np.nan}, "indrnn-norm-784x32", "torch in float32"),
    ],
)
def test_agreement_names_the_library_that_is_off(offsets, case, blamed):
    libraries = ("npr", "torch", "jax")
    if blamed is None:
        found = agreement(KNOWN[case], libraries, fake_results(**offsets))
        assert found["float32"].keys() == set(libraries)
        assert found["float32"]["jax"] == pytest.approx(offsets.get("jax_float32", 0.0))
    else:
        with pytest.raises(CheckFailed, match=f"{blamed} is further than .* nothing was timed"):
            agreement(KNOWN[case], libraries, fake_results(**offsets))


def test_npr_alone_is_held_against_its_own_float64():
    case = KNOWN["indrnn-784x32"]
    assert agreement(case, ("npr",), fake_results())["float32"] == {"npr": 0.0}
    with pytest.raises(CheckFailed, match="npr in float32"):
        agreement(case, ("npr",), fake_results(npr_float32=2e-4))


@pytest.mark.parametrize(
    ("libraries", "expected"), [(("npr", "torch", "jax"), "torch"), (("npr", "jax"), "jax"), (("npr",), "npr")]
)
def test_reference_is_the_first_peer_there_is(libraries, expected):
    assert reference(libraries) == expected


def test_first_change_of_an_optimiser_may_be_further_off_but_not_wrong():
    def results(offset):
        moved = {"npr": {f"{CHANGE}W": np.array([1.0 + offset])}, "torch": {f"{CHANGE}W": np.ones(1)}}
        return lambda library, dtype: {"W": np.ones(1), **(moved[library] if dtype == "float64" else {})}

    case = KNOWN["update-nnrnn-copy-float64"]
    found = agreement(case, ("npr", "torch"), results(1e-7))
    assert found["float64"]["npr"] == 0
    assert found["float64, changes"]["npr"] == pytest.approx(1e-7)
    with pytest.raises(CheckFailed, match=r"change\.W"):
        agreement(case, ("npr", "torch"), results(2e-6))


@pytest.mark.parametrize(
    ("limits", "library", "dtype", "sensitivity", "expected"),
    [
        (Case.tolerances, "npr", "float64", "norm", 1e-8),
        (Case.tolerances, "npr", "float32", "", 1e-4),
        (indrnn.Case.tolerances, "npr", "float32", "norm", 2e-2),
        (indrnn.Case.tolerances, "torch", "float32", "norm", 1e-1),
        (indrnn.Case.tolerances, "torch.compile", "float32", "norm", 1e-1),
    ],
)
def test_most_special_tolerance_counts(limits, library, dtype, sensitivity, expected):
    assert tolerance(limits, library, dtype, sensitivity) == expected
