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
_I32 = ir.IntType(32)
_READ, _SECOND_CACHE, _DATA = _I32(0), _I32(2), _I32(1)


@intrinsic
def _prefetch(typingctx, x, j):
    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, _READ, _SECOND_CACHE, _DATA])
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
