"""A recurrent matrix spread over the blocks of a CUDA device, for more units than one block can hold the matrix of.

The blocks of a group have the same few sequences and share the units between them. A block keeps in shared memory, for
all steps, those columns of the matrix that make its own units. At each step it takes what the whole group wrote one
step before and forms

    found (R, C) = source (R, K) matrix (K, C)            R sequences, C columns of the block's units

so the blocks of a group wait for each other once a step, and groups never do. Every block must therefore be on the
device at once; `spread_for` takes one for each multiprocessor at most.

A thread has a tile of ROWS x COLUMNS sums over every S-th k, S being the slices that a block's threads form: 12 loads
from shared memory for 32 products. Sums of slices are added up in a fixed order by the thread that needs them. Columns
are turned from slice to slice, so that the threads of a warp meet no bank of shared memory twice.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from npr.kernels.cuda_target import cuda, fence, real, target
from npr.kernels.rotate import thread_and_threads

ROWS, COLUMNS, TILE = 8, 4, 8 * 4  # of a thread
CHUNK = 1024  # rows of the source that are in shared memory at once
THREADS = 256
UNITS = 16, 32, 64, 8  # of a block: few, to fill the device, but not so few that adding up slices takes longest
MOST_ROWS = 32  # sequences of a group: where there are more, one product for all of them is faster


class Spread(NamedTuple):
    """How a recurrence is spread over a device."""

    gates: int  # matrices (N, N) side by side
    size: int  # N
    units: int  # of a block
    blocks: int  # of a group
    rows: int  # sequences of a group, a multiple of ROWS
    groups: int
    threads: int  # of a block

    def run(self, xp, kernel, forward, times, arguments, dtype):
        """Launch a kernel that goes through `times` steps, with one wait less.

        The simulator runs one block after the other, so there each step is a launch of its own.
        """
        columns = self.units * (self.gates if forward else 1)
        slices = self.threads * COLUMNS // columns
        launch = kernel.blocks(self.groups * self.blocks, self.threads, dtype, self.shared(dtype))
        counters = xp.zeros(self.groups, np.int32)
        stride = 1 if target().simulated else times
        for begin in range(0, times, stride):
            end = min(times, begin + stride)
            launch(*arguments, begin, end, self.units, self.blocks, self.rows, slices, counters)

    def shared(self, dtype):
        """Bytes of a block's shared memory: its columns, a part of the source, and the sums of all slices."""
        source = (ROWS + 1) * min(self.gates * self.size, CHUNK)
        sums = self.threads * TILE
        return (self.gates * self.units * self.size + source + sums) * dtype.itemsize


def spread_for(xp, gates, rows, size, dtype):
    """How to spread a recurrence of R sequences and N units, or None where the device cannot hold it or
    NPR_CUDA_SPREAD=0 forbids it."""
    if os.environ.get("NPR_CUDA_SPREAD") == "0":
        return None
    room, processors = target().shared_bytes(xp), target().processors(xp)
    threads = min(THREADS, target().threads) if target().simulated else THREADS
    for height in range(ROWS, MOST_ROWS + 1, ROWS):
        for units in UNITS:
            found = Spread(gates, size, units, -(-size // units), height, -(-rows // height), threads)
            if found.groups * found.blocks <= processors and found.shared(dtype) <= room:
                return found
    return None


def corner(units, blocks, height):
    """Group of a block, its first unit and its first sequence."""
    block = 0 + cuda.blockIdx.x
    group = block // blocks
    return group, (block - group * blocks) * units, group * height


def place(p, units, row0, first):
    """Row and column of item p in a tile of ROWS sequences and a block's units; its sequence and its unit."""
    r = p // units
    c = p - r * units
    return r, c, row0 + r, first + c


def meet(counters, group, arrivals):
    """Wait until blocks of a group have come here so many times; what they wrote before is then seen by all."""
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        fence()
        cuda.atomic.add(counters, group, 1)
        while cuda.atomic.add(counters, group, 0) < arrivals:
            pass
        fence()
    cuda.syncthreads()


def turn_of(k, columns, slices):
    """By how many quarters the columns of row k are turned."""
    return (k % CHUNK % slices) // max(1, 32 // columns)


def hold(w, first, units, slices, shared):
    """Columns of w (Q, K, N) for `units` units from `first` on, gate by gate, zero beyond N."""
    start, step = thread_and_threads()
    gates, depth, n = w.shape
    columns = gates * units
    quarter = columns // COLUMNS
    for p in range(start, depth * columns, step):
        k = p // columns
        c = p - k * columns
        q = c // units
        j = first + c - q * units
        turned = c % quarter + quarter * ((c // quarter + turn_of(k, columns, slices)) % COLUMNS)
        shared[k * columns + turned] = w[q, k, j] if j < n else real(0)


def multiply_rows(source, skip, depth, row0, columns, slices, shared):
    """Sums of every slice for ROWS rows of the source (Q, R, N) from `row0` on, k = q N + j, times the matrix that is
    held; gate `skip` of the source is left out."""
    start, step = thread_and_threads()
    rows, n = source.shape[1:]
    quarter = columns // COLUMNS
    part = start // quarter
    c = start - part * quarter
    turn = part // max(1, 32 // columns)
    c_0, c_1 = c + quarter * (turn % COLUMNS), c + quarter * ((turn + 1) % COLUMNS)
    c_2, c_3 = c + quarter * ((turn + 2) % COLUMNS), c + quarter * ((turn + 3) % COLUMNS)
    ahead = cuda.local.array(ROWS, real)
    total = cuda.local.array(TILE, real)
    for i in range(TILE):
        total[i] = real(0)
    at = depth * columns
    for k0 in range(0, depth, CHUNK):
        count = min(CHUNK, depth - k0)
        cuda.syncthreads()
        for k in range(start, count, step):
            q = (k0 + k) // n
            j = k0 + k - q * n
            q = q if q < skip else q + 1
            # All loads first: they are on their way together.
            for r in range(ROWS):
                ahead[r] = source[q, row0 + r, j] if row0 + r < rows else real(0)
            for r in range(ROWS):
                shared[at + k * (ROWS + 1) + r] = ahead[r]
        cuda.syncthreads()
        if part < slices:
            line, entry = (k0 + part) * columns, at + part * (ROWS + 1)
            for _ in range(part, count, slices):
                w_0, w_1, w_2, w_3 = shared[line + c_0], shared[line + c_1], shared[line + c_2], shared[line + c_3]
                for r in range(ROWS):
                    value = shared[entry + r]
                    total[COLUMNS * r] += value * w_0
                    total[COLUMNS * r + 1] += value * w_1
                    total[COLUMNS * r + 2] += value * w_2
                    total[COLUMNS * r + 3] += value * w_3
                line += slices * columns
                entry += slices * (ROWS + 1)
    sums = at + (ROWS + 1) * min(depth, CHUNK)
    if part < slices:
        for r in range(ROWS):
            for i in range(COLUMNS):
                shared[sums + (part * ROWS + r) * columns + c + i * quarter] = total[COLUMNS * r + i]
    cuda.syncthreads()


def found(depth, columns, slices, shared, r, c):
    """Row r and column c of the product that `multiply_rows` has left in slices."""
    total = real(0)
    first = depth * columns + (ROWS + 1) * min(depth, CHUNK) + r * columns + c
    for part in range(slices):
        total += shared[first + part * ROWS * columns]
    return total
