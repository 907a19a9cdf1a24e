"""The shifted stream of ResRNN and its BPTT.

Slice-major like `dense.py`: a thread takes one slice of the batch through all steps. With input width D, state width
N, stream width n = D + N, output width O and gain = 1 - linearity:

    r_t = [x_t | h_{t-1}]                                            (n)
    z_t = max(r_t W1 + b1, 0),  s_t = linearity r_t + gain (z_t W2 + b2)      t = 1..T
    h_t = left-most N columns of s_t,  y_t = right-most O columns of s_t

    e_t = [dL/dh_t | 0] + [0 | dL/dy_t]                              dL/ds_t, the two parts overlap
    df_t = gain e_t,  da_t = (df_t W2^T) [z_t > 0],  dr_t = linearity e_t + da_t W1^T
    [dL/dx_t | dL/dh_{t-1}] = dr_t                                            t = T..1
    dW2 = sum_t z_t^T df_t,  dW1 = sum_t r_t^T da_t

The stream moves right by D columns a step, the last D fall off. The rows of a step are one line of R n numbers, and a
line moved by D is the next step's line: what falls off a row lands where the next row's input will be written.
A sequence that has ended keeps its state. Source: DoxasticFox/res-rnn, nnmodules/__init__.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product
from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.layout import rows_of
from npr.kernels.lines import add_line
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray


class Stream(NamedTuple):
    """What both kernels need beside the weights."""

    lengths: Array  # (S, R) steps of every row, int64
    linearity: float
    gain: float  # 1 - linearity, in double: the difference of float32 numbers is 0.14 % off at 0.99999
    steps: int  # time steps of one tile


@inline
def _copy_columns(source, first, target, column, count):
    """`count` columns of source from `first` on into target from `column` on, row by row.

    Not by assignment to a slice: inside a parallel kernel numba drops one whose target it never sees read.
    """
    for i in range(target.shape[0]):
        from_row, to_row = source[i, first : first + count], target[i, column : column + count]
        for j in range(count):
            to_row[j] = from_row[j]


@inline
def _relu_step(z, bias):
    """z = max(z + bias, 0), both (R, n)."""
    rows, n = z.shape
    zero = z.dtype.type(0)
    z, bias = z.reshape(rows * n), bias.reshape(rows * n)
    for j in range(rows * n):
        value = z[j] + bias[j]
        z[j] = zero if value < zero else value


@inline
def _stream_step(r, f, bias, linearity, gain, y, after):
    """s = linearity r + gain (f + bias), all (R, n): its last columns into y (R, O), all but the last D of the whole
    line into `after` (R n - D,), the next step's line behind the first input.

    What falls off the right of a row stands where the next row's input will be written.
    """
    rows, n = r.shape
    first = n - y.shape[1]
    for i in range(rows):
        r_end, f_end, bias_end, y_row = r[i, first:], f[i, first:], bias[i, first:], y[i]
        for j in range(y.shape[1]):
            y_row[j] = linearity * r_end[j] + gain * (f_end[j] + bias_end[j])
    r, f, bias = r.reshape(rows * n), f.reshape(rows * n), bias.reshape(rows * n)
    for j in range(after.shape[0]):
        after[j] = linearity * r[j] + gain * (f[j] + bias[j])


@parallel_kernel
def shifted_forward(x, panels_1, bias_1, panels_2, bias_2, stream, r, z, y):
    """r (S, T+1, R, n) from the states in its row 0 on, row t holding r_{t+1}, and z likewise; y (S, T+1, R, O).

    x (S, T+1, R, D); bias_1 and bias_2 (R, n). The last row of r holds h_T behind D columns without meaning, that of
    z nothing. y of a step behind the end of its sequence has no meaning.
    """
    slices, times, rows, n = r.shape[0], r.shape[1] - 1, r.shape[2], r.shape[3]
    shift = x.shape[3]
    linearity, gain = r.dtype.type(stream.linearity), r.dtype.type(stream.gain)
    for s in prange(slices):
        f = np.empty((rows, n), r.dtype)
        x_rows, r_rows, z_rows, y_rows = rows_of(x[s]), rows_of(r[s]), rows_of(z[s]), rows_of(y[s])
        line = r_rows.reshape(r_rows.shape[0] * n)
        length = stream.lengths[s]
        shortest = length.min()
        for t in range(times):
            now, after = t * rows, (t + 1) * rows
            r_now, z_now = r_rows[now:after], z_rows[now:after]
            _copy_columns(x_rows[after : after + rows], 0, r_now, 0, shift)
            multiply(r_now, panels_1, z_now, False)
            _relu_step(z_now, bias_1)
            multiply(z_now, panels_2, f, False)
            y_now = y_rows[after : after + rows]
            _stream_step(r_now, f, bias_2, linearity, gain, y_now, line[after * n + shift : (after + rows) * n])
            for i in range(rows if t >= shortest else 0):
                if t >= length[i]:
                    _copy_columns(r_now[i : i + 1], shift, r_rows[after + i : after + i + 1], shift, n - shift)


@inline
def _error_step(dr, shift, gy, silent, length, t, e):
    """e (R, n) = [dL/dh_t | 0] + [0 | gy], dL/dh_t standing behind `shift` columns of dr (R, n); silent: no gy."""
    rows, n = e.shape
    width = gy.shape[1]
    zero = e.dtype.type(0)
    line, target = dr.reshape(rows * n)[shift:], e.reshape(rows * n)
    for j in range(rows * n - shift):
        target[j] = line[j]
    for i in range(rows):
        e[i, n - shift :] = zero
        if t < length[i] and not silent:
            e_end, gy_row = e[i, n - width :], gy[i]
            for j in range(width):
                e_end[j] += gy_row[j]


@inline
def _spread(e, gain, linearity, shift, length, t, ended, df, dr):
    """df = gain e and dr = linearity e, all (R, n); a row that has ended only hands dL/dh on."""
    rows, n = e.shape
    zero = e.dtype.type(0)
    e_line, df_line, dr_line = e.reshape(rows * n), df.reshape(rows * n), dr.reshape(rows * n)
    for j in range(rows * n):
        df_line[j] = gain * e_line[j]
    for j in range(rows * n):
        dr_line[j] = linearity * e_line[j]
    for i in range(rows if ended else 0):
        if t >= length[i]:
            df[i] = zero
            dr[i] = zero
            _copy_columns(e[i : i + 1], 0, dr[i : i + 1], shift, n - shift)


@inline
def _slope_step(da, z):
    """da = da where z > 0, else 0, both (R, n)."""
    rows, n = da.shape
    zero = da.dtype.type(0)
    da, z = da.reshape(rows * n), z.reshape(rows * n)
    for j in range(rows * n):
        da[j] = da[j] if z[j] > zero else zero


@parallel_kernel
def shifted_backward(panels_1, panels_2, stream, r, z, gy, first, gx, dw_1, dw_2, sums_1, sums_2, carry):
    """Backward of `shifted_forward` from gy = dL/dy (S, T+1, R, O), zero before step `first`.

    panels_1 and panels_2 pack the transposed weights. gx (S, T+1, R, D) or empty; dw_1, dw_2 (S, n, n) and
    sums_1, sums_2 (S, R, n), of da_t and df_t, gain sums over time; carry (S, R, N) is dL/dh_T from outside and becomes
    dL/dh_0.
    """
    slices, times, rows, n = r.shape[0], r.shape[1] - 1, r.shape[2], r.shape[3]
    shift = n - carry.shape[2]
    linearity, gain = r.dtype.type(stream.linearity), r.dtype.type(stream.gain)
    tiles = -(-times // stream.steps)
    for s in prange(slices):
        df, da = np.empty((stream.steps * rows, n), r.dtype), np.empty((stream.steps * rows, n), r.dtype)
        e, dr = np.empty((rows, n), r.dtype), np.empty((rows, n), r.dtype)
        r_rows, z_rows, gy_rows = rows_of(r[s]), rows_of(z[s]), rows_of(gy[s])
        length = stream.lengths[s]
        shortest = length.min()
        _copy_columns(carry[s], 0, dr, shift, n - shift)
        for q in range(tiles):
            t0 = (tiles - 1 - q) * stream.steps
            steps = min(stream.steps, times - t0)
            for k in range(steps):
                t = t0 + steps - 1 - k
                now, after = t * rows, (t + 1) * rows
                begin = (t - t0) * rows
                df_now, da_now = df[begin : begin + rows], da[begin : begin + rows]
                _error_step(dr, shift, gy_rows[after : after + rows], t < first, length, t, e)
                _spread(e, gain, linearity, shift, length, t, t >= shortest, df_now, dr)
                multiply(df_now, panels_2, da_now, False)
                _slope_step(da_now, z_rows[now:after])
                add_line(sums_1[s], da_now)
                add_line(sums_2[s], df_now)
                multiply(da_now, panels_1, dr, True)
                if gx.shape[0]:
                    _copy_columns(dr, 0, rows_of(gx[s])[after : after + rows], 0, shift)
            begin, end = t0 * rows, (t0 + steps) * rows
            multiply_transposed(z_rows[begin:end], df[: steps * rows], dw_2[s])
            multiply_transposed(r_rows[begin:end], da[: steps * rows], dw_1[s])
        _copy_columns(dr, shift, carry[s], 0, n - shift)


@cuda_kernel
def relu_rows(z, bias):
    """z = max(z + bias, 0), both (R, n), a thread for each entry."""
    p = cuda.grid(1)
    rows, n = z.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        value = z[i, j] + bias[i, j]
        z[i, j] = real(0) if value < real(0) else value


@cuda_kernel
def stream_rows(r, f, bias, linearity, gain, shift, lengths, t, y, after):
    """s = linearity r + gain (f + bias), all (R, n): its last columns into y (R, O), the others `shift` columns to the
    right into the next step's r; a thread for each entry."""
    p = cuda.grid(1)
    rows, n = r.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        s = linearity * r[i, j] + gain * (f[i, j] + bias[i, j])
        first = n - y.shape[1]
        if j >= first:
            y[i, j - first] = s
        if j + shift < n:
            after[i, j + shift] = s if t < lengths[i] else r[i, j + shift]


@cuda_kernel
def error_rows(back, shift, gy, silent, gain, linearity, lengths, t, df, dr):
    """e = [dL/dh_t | 0] + [0 | gy] with dL/dh_t behind `shift` columns of back (R, n); df = gain e, dr = linearity e. A
    row that has ended only hands dL/dh on. A thread for each entry."""
    p = cuda.grid(1)
    rows, n = back.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        first = n - gy.shape[1]
        if t < lengths[i]:
            e = back[i, j + shift] if j + shift < n else real(0)
            if j >= first and silent == 0:
                e += gy[i, j - first]
            df[i, j] = gain * e
            dr[i, j] = linearity * e
        else:
            df[i, j] = real(0)
            dr[i, j] = back[i, j] if j >= shift else real(0)


class Device:
    """The same on a CUDA device: two products and two kernels a step; w_1 and w_2 are the matrices, backwards the
    transposed ones."""

    Stream = Stream

    @staticmethod
    def shifted_forward(x, w_1, bias_1, w_2, bias_2, stream, r, z, y):
        """`shifted_forward`."""
        (rows, n), dtype, D = r.shape[2:], r.dtype, x.shape[3]
        linearity, gain = dtype.type(stream.linearity), dtype.type(stream.gain)
        relu, step = relu_rows.each(rows * n, dtype), stream_rows.each(rows * n, dtype)
        for t in range(r.shape[1] - 1):
            now, after = r[0, t], r[0, t + 1]
            now[:, :D] = x[0, t + 1]
            z[0, t] = now @ w_1
            relu(z[0, t], bias_1)
            step(now, z[0, t] @ w_2, bias_2, linearity, gain, D, stream.lengths[0], t, y[0, t + 1], after)

    @staticmethod
    def shifted_backward(w_1, w_2, stream, r, z, gy, first, gx, dw_1, dw_2, sums_1, sums_2, carry):
        """`shifted_backward`."""
        times, (rows, n), dtype, xp = r.shape[1] - 1, r.shape[2:], r.dtype, namespace(r)
        D = n - carry.shape[2]
        linearity, gain = dtype.type(stream.linearity), dtype.type(stream.gain)
        df, da = xp.empty((times, rows, n), dtype), xp.empty((times, rows, n), dtype)
        back, dr = xp.zeros((rows, n), dtype), xp.empty((rows, n), dtype)
        back[:, D:] = carry[0]
        step = error_rows.each(rows * n, dtype)
        for t in reversed(range(times)):
            step(back, D, gy[0, t + 1], int(t < first), gain, linearity, stream.lengths[0], t, df[t], dr)
            da[t] = (df[t] @ w_2) * (z[0, t] > 0)
            dr += da[t] @ w_1
            if gx.shape[0]:
                gx[0, t + 1, :, :D] = dr[:, :D]
            back, dr = dr, back
        product.multiply_transposed(z[0, :-1], df, dw_2[0])
        product.multiply_transposed(r[0, :-1], da, dw_1[0])
        sums_1[0] += da.sum(0)
        sums_2[0] += df.sum(0)
        carry[0] = back[:, D:]
