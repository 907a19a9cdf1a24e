"""Recurrent matrices from free parameters, written from the papers entry by entry with SciPy's dense routines."""

from __future__ import annotations

import numpy as np
import scipy.linalg


def skew(x, n):
    A, entries = np.zeros((n, n)), iter(np.asarray(x, np.float64))
    for i in range(n):
        for j in range(i + 1, n):
            A[i, j] = next(entries)
            A[j, i] = -A[i, j]
    return A


def euclidean(p, theta, buffers):
    return np.asarray(theta["W"], np.float64)


def orthogonal(p, theta, buffers):
    A, I = skew(theta["skew"], p.size), np.eye(p.size)
    W = scipy.linalg.expm(A) if p.map == "expm" else np.linalg.inv(I - A / 2) @ (I + A / 2)
    return buffers.get("base", I) @ W


def scaled_cayley(p, theta, buffers):
    A, I = skew(theta["skew"], p.size), np.eye(p.size)
    D = np.diag([1.0] * (p.size - p.rho) + [-1.0] * p.rho)
    return np.linalg.inv(I + A) @ (I - A) @ D


def schur(p, theta, buffers):
    P, Theta = scipy.linalg.expm(skew(theta["log_P"], p.size)), np.triu(skew(theta["T"], p.size), 1)
    for i in range(p.size // 2):
        a, b, g, t = 2 * i, 2 * i + 1, theta["gamma"][i], theta["angle"][i]
        above = 0.0 if p.mask == "paper" else Theta[a, b]
        Theta[a : b + 1, a : b + 1] = [[g * np.cos(t), -g * np.sin(t) + above], [g * np.sin(t), g * np.cos(t)]]
    return P @ Theta @ P.T


ORACLES = {"euclidean": euclidean, "orthogonal": orthogonal, "scaled-cayley": scaled_cayley, "schur": schur}


def exponential_gradient(A, G):
    """Skew part of the adjoint of the Frechet derivative of exp at a skew-symmetric A, applied to G."""
    F = scipy.linalg.expm_frechet(A.T, G, compute_expm=False)
    return (F - F.T) / 2
