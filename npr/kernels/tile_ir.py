"""One register tile of the product as LLVM IR: what `tile.py` is made of.

A tile of C is some rows x 2 vectors. Its elements stay in vector registers while the loop over the inner dimension
runs: each turn loads two vectors of B, and for every row broadcasts one element of A and does two fused
multiply-adds. That loop is written as LLVM IR, because a compiler left alone with three nested loops does not keep
24 accumulators in registers. What the IR says, in Python words:

    for k in range(depth):
        b0, b1 = B[k, 0:VL], B[k, VL:2 VL]
        for i in range(rows):
            acc[i][0] += A[i, k] * b0
            acc[i][1] += A[i, k] * b1

A is addressed through two strides, so that A and its transpose are the same code. Columns that do not fill two
vectors go one vector at a time through the same loop with masked loads and stores.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npr.kernels import prefetch

VECTORS = 2
_I32, _I64 = ir.IntType(32), ir.IntType(64)


class _Tile:
    """IR of one tile product; a small vocabulary over the builder."""

    def __init__(self, context, builder, arrays, array_types, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.mask = None
        self.scalar = context.get_value_type(array_types[0].dtype)
        self.vector = ir.VectorType(self.scalar, lanes)
        self.width = np.dtype(str(array_types[0].dtype)).itemsize
        make = cgutils.create_struct_proxy
        self.base = [
            builder.ptrtoint(make(kind)(context, builder, value=array).data, _I64)
            for kind, array in zip(array_types, arrays, strict=True)
        ]

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
        """From here on loads and stores of a vector touch only its first `columns` elements."""
        b, lanes = self.builder, self.lanes
        # Lanes as wide as an element: AVX2 would otherwise narrow the mask again in every turn of the loop.
        kind = ir.IntType(8 * self.width)
        limit = self.splat(columns if kind == columns.type else b.trunc(columns, kind), kind)
        self.mask = b.icmp_signed("<", ir.Constant(ir.VectorType(kind, lanes), list(range(lanes))), limit)

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
        if self.mask is None:
            value = self.builder.load(pointer)
            value.align = self.width
            return value
        return self._masked("load", self.vector, [pointer, _I32(self.width), self.mask, self.zero()])

    def store(self, value, address, v) -> None:
        pointer = self.at_vector(address, v)
        if self.mask is None:
            self.builder.store(value, pointer).align = self.width
        else:
            self._masked("store", ir.VoidType(), [value, pointer, _I32(self.width), self.mask])

    def write(self, sums, rows, accumulate) -> None:
        """Rows of C become the sums, or gain them."""
        b = self.builder
        add, write, end = (b.append_basic_block(name) for name in ("add", "write", "end"))
        b.cbranch(b.icmp_signed("!=", accumulate, ir.Constant(accumulate.type, 0)), add, write)
        b.position_at_end(add)
        for (i, v), value in sums.items():
            self.store(b.fadd(self.load(rows[i], v), value), rows[i], v)
        b.branch(end)
        b.position_at_end(write)
        for (i, v), value in sums.items():
            self.store(value, rows[i], v)
        b.branch(end)
        b.position_at_end(end)

    def prefetch(self, address, write: bool) -> None:
        """Ask for the cache line at an address."""
        prefetch.emit(self.builder, self.pointer(address, self.scalar), write, prefetch.FIRST_CACHE)

    def _masked(self, verb, returns, arguments):
        name = f"llvm.masked.{verb}.v{self.lanes}f{8 * self.width}.p0"
        kind = ir.FunctionType(returns, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)

    def multiply_add(self, a, b, c):
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.width}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])


def tile_product(rows: int, vector_bytes: int, masked: bool = False, far: bool = False):
    """An intrinsic C[rows, 2 VL] (+)= A[rows, depth] @ B[depth, 2 VL], masked: C[rows, columns <= VL]; starts and
    strides count elements."""
    vectors = 1 if masked else VECTORS

    def codegen(context, builder, signature, args):
        kinds = signature.args
        lanes = vector_bytes // np.dtype(str(kinds[0].dtype)).itemsize
        a, a_start, a_row, a_column, b, b_start, b_row, depth, c, c_start, c_row, columns, accumulate = args
        tile = _Tile(context, builder, (a, b, c), (kinds[0], kinds[4], kinds[8]), lanes)
        b_first = tile.address(tile.base[1], b_start)
        a_rows = [tile.address(tile.base[0], a_start, builder.mul(a_row, _I64(i))) for i in range(rows)]
        c_rows = [tile.address(tile.base[2], c_start, builder.mul(c_row, _I64(i))) for i in range(rows)]
        if masked:
            tile.limit_columns(columns)
        cells = [(i, v) for i in range(rows) for v in range(vectors)]

        # C may lie far away: it is on its way while the loop runs, and is added behind it.
        for i, v in cells:
            tile.prefetch(builder.add(c_rows[i], _I64(v * lanes * tile.width)), write=True)
        blank = builder.block
        loop, done = (builder.append_basic_block(name) for name in ("inner", "done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        k, a_offset = builder.phi(_I64), builder.phi(_I64)
        b_address = builder.phi(_I64)
        sums = {cell: builder.phi(tile.vector) for cell in cells}
        if far:
            # The next tile's rows. A line holds the elements of many turns: each turn asks for another row's.
            row = builder.and_(k, _I64(prefetch.LINE // tile.width - 1))
            below = builder.mul(a_row, builder.add(row, _I64(rows)))
            tile.prefetch(tile.address(tile.base[0], a_start, below, builder.sub(k, row)), write=False)
        panel = [tile.load(b_address, v) for v in range(vectors)]
        after = {}
        for i in range(rows):
            element = builder.load(tile.pointer(builder.add(a_rows[i], a_offset), tile.scalar))
            element.align = tile.width
            spread = tile.splat(element, tile.scalar)
            for v in range(vectors):
                after[i, v] = tile.multiply_add(spread, panel[v], sums[i, v])
        k_next = builder.add(k, _I64(1))
        a_next, b_next = tile.address(a_offset, a_column), tile.address(b_address, b_row)
        builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

        for phi, value in ((k, _I64(0)), (a_offset, _I64(0)), (b_address, b_first)):
            phi.add_incoming(value, blank)
        for cell in cells:
            sums[cell].add_incoming(tile.zero(), blank)
        for phi, value in ((k, k_next), (a_offset, a_next), (b_address, b_next)):
            phi.add_incoming(value, loop)
        for cell in cells:
            sums[cell].add_incoming(after[cell], loop)

        builder.position_at_end(done)
        tile.write(after, c_rows, accumulate)
        return context.get_dummy_value()

    def typed(typingctx, a, a_start, a_row, a_column, b, b_start, b_row, depth, c, c_start, c_row, columns, accumulate):
        count = types.intp
        given = (a, count, count, count, b, count, count, count, c, count, count, count, types.boolean)
        return types.void(*given), codegen

    return intrinsic(typed)
