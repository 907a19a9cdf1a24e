"""Spectra, departure from normality, time constants and Fisher memory against known matrices."""

from __future__ import annotations

import numpy as np
import oracle_eurnn
import pytest
from inspected import subject

from npr.inspect import (
    departure,
    eigenvalues,
    fisher_memory,
    own_parts,
    recurrent_matrices,
    schur_form,
    time_constants,
)

RNG = np.random.default_rng(3)
W = RNG.normal(size=(7, 7))
Q = np.linalg.qr(W)[0]


def test_eigenvalues_come_with_the_largest_first() -> None:
    found = eigenvalues({"layers.0.": np.diag([0.5, -2.0, 1.0])})["layers.0.eigenvalues"]
    assert found.axes == ("value", "part")
    np.testing.assert_allclose(found.values, [[-2, 0], [1, 0], [0.5, 0]])


@pytest.mark.parametrize(("matrix", "wanted"), [(Q, 0.0), (W + W.T, 0.0), (np.triu(W, 1), 1.0), (2 * Q, 0.0)])
def test_departure_from_normality(matrix: np.ndarray, wanted: float) -> None:
    assert abs(departure(matrix) - wanted) < 1e-12


def test_departure_is_henrici_s() -> None:
    squares = np.linalg.norm(W) ** 2
    wanted = np.sqrt(squares - (np.abs(np.linalg.eigvals(W)) ** 2).sum()) / np.sqrt(squares)
    assert abs(departure(W) - wanted) < 1e-8


def test_the_schur_form_is_the_matrix() -> None:
    U, T = schur_form(W)
    np.testing.assert_allclose(U @ T @ U.conj().T, W, atol=1e-12)
    assert not np.tril(T, -1).any()


@pytest.mark.parametrize("name", ["exprnn", "eurnn", "rnn-orth"])
def test_matrices_of_the_orthogonal_family_lie_on_the_circle(name: str) -> None:
    s = subject(name)
    fresh = s if name != "rnn-orth" else s._replace(params=s.model.init(np.random.default_rng(0), np.float64)[0])
    found = recurrent_matrices(fresh)
    assert set(found) == {"layers.0.", "layers.1."}
    for matrix in found.values():
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(matrix)), 1, atol=1e-10)


def test_the_matrix_of_eurnn_is_the_product_of_its_rotations() -> None:
    s = subject("eurnn", layers=1, hidden_size=8)
    n = s.model.hidden_size
    theta, phi = ((s.params[f"layers.0.{k}_even"], s.params[f"layers.0.{k}_odd"]) for k in ("theta", "phi"))
    # The network keeps the even units of the paper before the odd ones.
    omega = s.params["layers.0.omega"].reshape(2, -1).T.ravel()
    unitary = oracle_eurnn.tunable(theta, phi, omega)
    got = recurrent_matrices(s)["layers.0."]
    wanted = np.concatenate([np.linalg.eigvals(unitary), np.linalg.eigvals(unitary).conj()])
    assert got.shape == (2 * n, 2 * n)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(got)), np.sort_complex(wanted), atol=1e-10)


def test_gamma_of_nnrnn_are_its_absolute_eigenvalues() -> None:
    s = subject("nnrnn", layers=1)
    s.params["layers.0.recurrent.T"][...] = 0
    s.params["layers.0.recurrent.gamma"][...] = [0.7, 1.2]
    own = own_parts(s)
    values = np.abs(np.linalg.eigvals(recurrent_matrices(s)["layers.0."]))
    np.testing.assert_allclose(np.sort(values), np.sort(np.repeat(own["layers.0.gamma"].values, 2)), atol=1e-10)
    assert own["layers.0.feed_forward_norm"].values == 0


@pytest.mark.parametrize(("name", "places"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_gates_have_a_matrix_each(name: str, places: str) -> None:
    s = subject(name, layers=1)
    found = recurrent_matrices(s)
    assert set(found) == {f"layers.0.{gate}." for gate in places}
    np.testing.assert_array_equal(found[f"layers.0.{places[0]}."], s.params[f"layers.0.{places[0]}.W_rec"])


def test_time_constants_are_those_of_a_decay() -> None:
    taus = np.array([0.5, 3.0, 100.0])
    np.testing.assert_allclose(time_constants(-np.exp(-1 / taus)), taus, rtol=1e-12)
    np.testing.assert_array_equal(time_constants(np.array([0.0, 1.0, -1.2])), [0, np.inf, np.inf])


def test_memory_of_an_orthogonal_matrix_is_even() -> None:
    v = RNG.normal(size=7)
    found = fisher_memory(Q, v / np.linalg.norm(v), 20)
    assert found.axes == ("lag",)
    np.testing.assert_allclose(found.values, 1 / 20, rtol=1e-10)


def test_memory_of_a_delay_line_falls_as_its_noise_adds_up() -> None:
    found = fisher_memory(np.eye(6, k=1), np.eye(6)[0], 9).values
    np.testing.assert_allclose(found, [*1 / np.arange(1, 7), 0, 0, 0], atol=1e-12)


def test_memory_is_the_curvature_of_the_likelihood() -> None:
    v, steps = RNG.normal(size=7), 15
    M = 0.2 * W
    powers = [np.linalg.matrix_power(M, k) for k in range(steps)]
    covariance = sum(P.T @ P for P in powers)
    wanted = [v @ P @ np.linalg.inv(covariance) @ (v @ P) for P in powers]
    np.testing.assert_allclose(fisher_memory(M, v, steps).values, wanted, rtol=1e-8)


@pytest.mark.parametrize("radius", [1.05, 1.09])
def test_memory_of_a_normal_matrix_adds_up_to_one(radius: float) -> None:
    values = np.linspace(-1, 1, 7) * radius
    symmetric = Q @ np.diag(values) @ Q.T
    v = np.ones(7) / np.sqrt(7)
    assert abs(fisher_memory(symmetric, v, 200).values.sum() - 1) < 1e-7


def test_memory_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        fisher_memory(np.diag([3.0, 1.0]), np.array([1.0, 0.0]), 200)


def test_u_is_the_one_that_the_recurrence_uses() -> None:
    s = subject("indrnn", u_bound="clip", u_min=0.2, u_max=0.3, last_u="as-others")
    u = np.abs(own_parts(s)["layers.0.u"].values)
    assert ((u >= 0.2) & (u <= 0.3)).all()
    np.testing.assert_allclose(np.abs(np.diag(recurrent_matrices(s)["layers.0."])), u)
