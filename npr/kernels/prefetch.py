"""Rows that a kernel will read next, fetched into the second-level cache while it works on others.

A walk back through time reads each step upwards and then jumps down by two: what the processor foresees by itself
ends at every step.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npr.kernels.jit import config, inline

AHEAD = 4  # rows
LINE = 64  # bytes
FIRST_CACHE, SECOND_CACHE = 3, 2
_I32 = ir.IntType(32)


def emit(builder, pointer, write: bool, cache: int) -> None:
    """IR that asks for the line at a pointer, to be read or written, into a level of the cache."""
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    data = 1
    builder.call(function, [pointer, _I32(int(write)), _I32(cache), _I32(data)])


@intrinsic
def _prefetch(typingctx, x, j):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        emit(builder, builder.gep(data, [args[1]]), False, SECOND_CACHE)
        return context.get_dummy_value()

    return types.void(x, types.intp), codegen


def ask_for(x, r, i, rows, column, n):
    """Ask for the row that a walk back in time reads AHEAD rows after row r of x, which is row i of its step."""
    ahead = r + AHEAD if i + AHEAD < rows else r + AHEAD - 2 * rows
    if ahead >= 0 and rows >= AHEAD:
        row = x[ahead, column : column + n]
        for j in range(0, n, LINE // x.itemsize):
            _prefetch(row, j)  # type: ignore[call-arg]


def _nothing(x, r, i, rows, column, n):
    """Plain Python cannot ask."""


ask_for = _nothing if config.DISABLE_JIT else inline(ask_for)
