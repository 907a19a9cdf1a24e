"""Matrix product on register tiles: the one product of all kernels, float32 and float64, any size.

A tile of C is `ROWS` x 2 vectors. Its elements stay in vector registers while the loop over the inner
dimension runs: each turn loads two vectors of B, and for every row broadcasts one element of A and does
two fused multiply-adds. That loop is written as LLVM IR, because a compiler left alone with three nested
loops does not keep 24 accumulators in registers. What the IR says, in Python words:

    for k in range(depth):
        b0, b1 = B[k, 0:VL], B[k, VL:2 VL]
        for i in range(rows):
            acc[i][0] += A[i, k] * b0
            acc[i][1] += A[i, k] * b1

A is addressed through two strides, so that A and its transpose are the same code. B is either a packed
panel or a row-major matrix. The last columns of C use the same loop with masked loads and stores.
Without the compiler (NUMBA_DISABLE_JIT) NumPy answers.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npr.kernels.jit import config, inline, kernel
from npr.kernels.vector import REGISTERS, VECTOR_BYTES

# 24 accumulators, two vectors of B and one broadcast fill 27 of 32 registers; with 16 registers 12 + 2 + 1 fit.
# docs/performance.md has the count of every host.
ROWS = 12 if REGISTERS == 32 else 6
# Eight rows need 16 + 2 + 1.
EIGHT_FIT = REGISTERS == 32
# Masks have registers of their own in AVX-512 only. Elsewhere they take two of the vectors', or lanes are loaded
# one by one into more of them, and a masked tile of `ROWS` rows would spill.
FULL_MASKED = VECTOR_BYTES == 64
# Rows that go as two halves. 16: a panel from beyond the first cache then arrives in time, which 12 and 4 do not
# allow. 8: 4 and 4 start eight sums in each turn, as many as two units need for a latency of four; 6 and 2 do not.
HALVED = 16 if EIGHT_FIT else 8
VECTORS = 2
_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


def panel_width(dtype: np.dtype) -> int:
    """Columns of one packed panel: two vectors of the host."""
    return VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize


class _Tile:
    """IR of one tile product; a small vocabulary over the builder."""

    def __init__(self, context, builder, arrays, array_types, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.scalar = context.get_value_type(array_types[0].dtype)
        self.vector = ir.VectorType(self.scalar, lanes)
        self.width = np.dtype(str(array_types[0].dtype)).itemsize
        make = cgutils.create_struct_proxy
        self.base = [
            builder.ptrtoint(make(kind)(context, builder, value=array).data, _I64)
            for kind, array in zip(array_types, arrays, strict=True)
        ]
        self.mask = [None] * VECTORS

    def address(self, base, *terms):
        """base + size * (sum of element offsets)."""
        for term in terms:
            base = self.builder.add(base, self.builder.mul(term, _I64(self.width)))
        return base

    def pointer(self, address, kind):
        return self.builder.inttoptr(address, kind.as_pointer())

    def at_vector(self, address, v):
        return self.pointer(self.builder.add(address, _I64(v * self.lanes * self.width)), self.vector)

    def limit_columns(self, columns) -> None:
        """From here on loads and stores touch only the first `columns` columns."""
        b, lanes = self.builder, self.lanes
        # Lanes as wide as an element: AVX2 would otherwise narrow the mask again in every turn of the loop.
        kind = ir.IntType(8 * self.width)
        limit = self.splat(columns if kind == columns.type else b.trunc(columns, kind), kind)
        for v in range(VECTORS):
            index = ir.Constant(ir.VectorType(kind, lanes), [v * lanes + j for j in range(lanes)])
            self.mask[v] = b.icmp_signed("<", index, limit)

    def splat(self, value, scalar):
        """A vector with `value` in every lane."""
        vector = ir.VectorType(scalar, self.lanes)
        undefined = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(undefined, value, _I32(0))
        first = ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, first)

    def zero(self):
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def load(self, address, v):
        pointer = self.at_vector(address, v)
        if self.mask[v] is None:
            value = self.builder.load(pointer)
            value.align = self.width
            return value
        return self._masked("load", self.vector, [pointer, _I32(self.width), self.mask[v], self.zero()])

    def store(self, value, address, v) -> None:
        pointer = self.at_vector(address, v)
        if self.mask[v] is None:
            self.builder.store(value, pointer).align = self.width
        else:
            self._masked("store", ir.VoidType(), [value, pointer, _I32(self.width), self.mask[v]])

    def _masked(self, verb, returns, arguments):
        name = f"llvm.masked.{verb}.v{self.lanes}f{8 * self.width}.p0"
        kind = ir.FunctionType(returns, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)

    def multiply_add(self, a, b, c):
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.width}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])


def _tile_product(rows: int, masked: bool):
    """An intrinsic C[rows, 2 VL] (+)= A[rows, depth] @ B[depth, 2 VL]; starts and strides count elements."""

    def codegen(context, builder, signature, args):
        kinds = signature.args
        lanes = VECTOR_BYTES // np.dtype(str(kinds[0].dtype)).itemsize
        a, a_start, a_row, a_column, b, b_start, b_row, depth, c, c_start, c_row, columns, accumulate = args
        tile = _Tile(context, builder, (a, b, c), (kinds[0], kinds[4], kinds[8]), lanes)
        b_first = tile.address(tile.base[1], b_start)
        a_rows = [tile.address(tile.base[0], a_start, builder.mul(a_row, _I64(i))) for i in range(rows)]
        c_rows = [tile.address(tile.base[2], c_start, builder.mul(c_row, _I64(i))) for i in range(rows)]
        if masked:
            tile.limit_columns(columns)
        cells = [(i, v) for i in range(rows) for v in range(VECTORS)]

        blank = builder.block
        fetch, loop, done = (builder.append_basic_block(name) for name in ("fetch", "inner", "done"))
        builder.cbranch(builder.icmp_signed("!=", accumulate, ir.Constant(accumulate.type, 0)), fetch, loop)
        builder.position_at_end(fetch)
        fetched = {(i, v): tile.load(c_rows[i], v) for i, v in cells}
        builder.branch(loop)

        builder.position_at_end(loop)
        k, a_offset = builder.phi(_I64), builder.phi(_I64)
        b_address = builder.phi(_I64)
        sums = {cell: builder.phi(tile.vector) for cell in cells}
        panel = [tile.load(b_address, v) for v in range(VECTORS)]
        after = {}
        for i in range(rows):
            element = builder.load(tile.pointer(builder.add(a_rows[i], a_offset), tile.scalar))
            element.align = tile.width
            spread = tile.splat(element, tile.scalar)
            for v in range(VECTORS):
                after[i, v] = tile.multiply_add(spread, panel[v], sums[i, v])
        k_next = builder.add(k, _I64(1))
        a_next, b_next = tile.address(a_offset, a_column), tile.address(b_address, b_row)
        builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

        for block in (blank, fetch):
            for phi, value in ((k, _I64(0)), (a_offset, _I64(0)), (b_address, b_first)):
                phi.add_incoming(value, block)
            for cell in cells:
                sums[cell].add_incoming(fetched[cell] if block is fetch else tile.zero(), block)
        for phi, value in ((k, k_next), (a_offset, a_next), (b_address, b_next)):
            phi.add_incoming(value, loop)
        for cell in cells:
            sums[cell].add_incoming(after[cell], loop)

        builder.position_at_end(done)
        for i, v in cells:
            tile.store(after[i, v], c_rows[i], v)
        return context.get_dummy_value()

    def typed(typingctx, a, a_start, a_row, a_column, b, b_start, b_row, depth, c, c_start, c_row, columns, accumulate):
        count = types.intp
        given = (a, count, count, count, b, count, count, count, c, count, count, count, types.boolean)
        return types.void(*given), codegen

    return intrinsic(typed)


_full, _full_masked = _tile_product(ROWS, False), _tile_product(ROWS, True)
_eight, _eight_masked = _tile_product(8, False), _tile_product(8, True)
_four, _four_masked = _tile_product(4, False), _tile_product(4, True)
_two, _two_masked = _tile_product(2, False), _tile_product(2, True)
_one, _one_masked = _tile_product(1, False), _tile_product(1, True)


@inline
def _rows(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, count, columns, whole, add):
    """One panel's width of C: as many full tiles as fit into `count` rows, then tiles of 8, 4, 2 and 1."""
    while (whole or FULL_MASKED) and count >= ROWS and count != HALVED:
        if whole:
            _full(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _full_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += ROWS * row
        c_start += ROWS * c_row
        count -= ROWS
    while EIGHT_FIT and count >= 8:
        if whole:
            _eight(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _eight_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += 8 * row
        c_start += 8 * c_row
        count -= 8
    while count >= 4:
        if whole:
            _four(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _four_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += 4 * row
        c_start += 4 * c_row
        count -= 4
    if count >= 2:
        if whole:
            _two(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _two_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += 2 * row
        c_start += 2 * c_row
        count -= 2
    if count == 1:
        if whole:
            _one(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _one_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)


def multiply(a, panels, c, accumulate):
    """C (M, N) (+)= A (M, K) @ W for packed W; rows of A and C may be strided, their elements not."""
    width = panels.shape[2]
    n = c.shape[1]
    a_row = a.strides[0] // a.itemsize
    c_row = c.strides[0] // c.itemsize
    for p in range(panels.shape[0]):
        columns = min(width, n - p * width)
        b_start = p * panels.shape[1] * width
        whole = columns == width
        rows, depth = a.shape
        _rows(a, 0, a_row, 1, panels, b_start, width, depth, c, p * width, c_row, rows, columns, whole, accumulate)


def multiply_transposed(a, b, c):
    """C (K, N) += A^T @ B with A (M, K), B (M, N): the weight gradient of a tile of M rows."""
    width = VECTORS * VECTOR_BYTES // a.itemsize
    n = c.shape[1]
    a_row = a.strides[0] // a.itemsize
    b_row = b.strides[0] // b.itemsize
    c_row = c.strides[0] // c.itemsize
    for start in range(0, n, width):
        columns = min(width, n - start)
        _rows(a, 0, 1, a_row, b, start, b_row, a.shape[0], c, start, c_row, a.shape[1], columns, columns == width, True)


def _multiply_numpy(a, panels, c, accumulate):
    """What `multiply` computes, in NumPy."""
    w = np.concatenate(list(panels), axis=1)[:, : c.shape[1]]
    # Never c * 0: what was there may be NaN.
    c[...] = c + a @ w if accumulate else a @ w


def _multiply_transposed_numpy(a, b, c):
    """What `multiply_transposed` computes, in NumPy."""
    c += a.T @ b


if config.DISABLE_JIT:
    multiply, multiply_transposed = _multiply_numpy, _multiply_transposed_numpy
else:
    multiply, multiply_transposed = inline(multiply), inline(multiply_transposed)


@kernel
def _pack_into(w, panels):
    """Copy W (K, N) into zeroed panels (P, K, width)."""
    width = panels.shape[2]
    for p in range(panels.shape[0]):
        for k in range(w.shape[0]):
            for j in range(min(width, w.shape[1] - p * width)):
                panels[p, k, j] = w[k, p * width + j]


def pack(w: np.ndarray) -> np.ndarray:
    """W (K, N) as panels (P, K, width) for `multiply`, zero beyond column N; W may have any strides."""
    width = panel_width(w.dtype)
    panels = np.zeros((-(-w.shape[1] // width), w.shape[0], width), w.dtype)
    _pack_into(np.ascontiguousarray(w), panels)
    return panels
