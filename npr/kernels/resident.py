"""The dense recurrence of `dense.py` on a CUDA device with W_rec resident in shared memory: one launch for all steps.

A block has one sequence and all its steps, a thread for each unit. Sequences never interact, so nothing waits but the
threads of a block for each other, twice a step. W_rec must fit beside two vectors: in float32 N = 240 with the 227 KiB
of sm_90.
"""

from __future__ import annotations

from npr.kernels.activations import activated, pair_gain, pair_slope, slope_of
from npr.kernels.cuda_target import cuda, cuda_kernel, real, target
from npr.kernels.pointwise import COMPLEX_MODRELU
from npr.kernels.rotate import thread_and_threads


def fits(xp, n, dtype):
    """Whether a block's shared memory holds W_rec of N units."""
    return _bytes(n, dtype) <= target().shared_bytes(xp)


def _bytes(n, dtype):
    return (n * n + 2 * n) * dtype.itemsize


def _launch(kernel, rows, n, dtype):
    threads = min(1024, -(-n // 32) * 32) if target().threads >= 32 else target().threads
    return kernel.blocks(rows, threads, dtype, _bytes(n, dtype))


@cuda_kernel
def sequence_states(a, bias, w, offset, code, lengths, h):
    """h (T+1, R, N) from its row 0 on, from a (T, R, N) and w = W_rec (N, N)."""
    start, step = thread_and_threads()
    times, n = a.shape[0], a.shape[2]
    i = 0 + cuda.blockIdx.x
    shared = cuda.shared.array(0, real)
    matrix, state, pre = shared[: n * n], shared[n * n : n * n + n], shared[n * n + n : n * n + 2 * n]
    for p in range(start, n * n, step):
        matrix[p] = w[p // n, p % n]
    for j in range(start, n, step):
        state[j] = h[0, i, j]
    cuda.syncthreads()
    for t in range(times):
        if t < lengths[i]:
            for j in range(start, n, step):
                total = a[t, i, j] + bias[i, j]
                for k in range(n):
                    total += state[k] * matrix[k * n + j]
                pre[j] = total
            cuda.syncthreads()
            if code == COMPLEX_MODRELU:
                m = n // 2
                for j in range(start, m, step):
                    gain = pair_gain(pre[j], pre[m + j], offset[i, j], real(0))
                    state[j] = pre[j] * gain
                    state[m + j] = pre[m + j] * gain
            else:
                for j in range(start, n, step):
                    state[j] = activated(code, pre[j], offset[i, j])
            cuda.syncthreads()
        for j in range(start, n, step):
            h[t + 1, i, j] = state[j]


@cuda_kernel
def sequence_deltas(g, first, gate, w, offset, code, lengths, h, delta, carry):
    """delta (T, R, N) from g (T, R, N) times the gate (R, N) or empty, zero before step `first`, with w = W_rec^T.

    carry (R, N) is dL/dh_T from outside and becomes dL/dh_0.
    """
    start, step = thread_and_threads()
    times, n = delta.shape[0], delta.shape[2]
    i = 0 + cuda.blockIdx.x
    shared = cuda.shared.array(0, real)
    matrix, back, d = shared[: n * n], shared[n * n : n * n + n], shared[n * n + n : n * n + 2 * n]
    for p in range(start, n * n, step):
        matrix[p] = w[p // n, p % n]
    for j in range(start, n, step):
        back[j] = carry[i, j]
    cuda.syncthreads()
    for q in range(times):
        t = times - 1 - q
        if t >= lengths[i]:
            for j in range(start, n, step):
                delta[t, i, j] = real(0)
            continue
        for j in range(start, n, step):
            d[j] = back[j]
            if t >= first:
                d[j] += g[t, i, j] * gate[i, j] if gate.shape[0] else g[t, i, j]
        cuda.syncthreads()
        if code == COMPLEX_MODRELU:
            m = n // 2
            for j in range(start, m, step):
                h_re, h_im = h[t + 1, i, j], h[t + 1, i, m + j]
                d[j], d[m + j] = pair_slope(d[j], d[m + j], h_re, h_im, offset[i, j], real(0))
        else:
            for j in range(start, n, step):
                d[j] = slope_of(code, d[j], h[t + 1, i, j])
        cuda.syncthreads()
        for j in range(start, n, step):
            total = real(0)
            for k in range(n):
                total += d[k] * matrix[k * n + j]
            back[j] = total
            delta[t, i, j] = d[j]
        cuda.syncthreads()
    for j in range(start, n, step):
        carry[i, j] = back[j]


def all_states(a, bias, w, scan, h):
    """`sequence_states` for a batch."""
    (rows, n), dtype = h.shape[1:], h.dtype
    _launch(sequence_states, rows, n, dtype)(a, bias, w, scan.offset, scan.activation, scan.lengths[0], h)


def all_deltas(g, first, gate, w, scan, h, delta, carry):
    """`sequence_deltas` for a batch."""
    (rows, n), dtype = h.shape[1:], h.dtype
    _launch(sequence_deltas, rows, n, dtype)(
        g, first, gate, w, scan.offset, scan.activation, scan.lengths[0], h, delta, carry
    )
