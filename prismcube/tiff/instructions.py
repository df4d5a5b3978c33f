"""What kernels need and numba has no words for: functions at an address, and sums of many numbers at once.

Each is LLVM's intermediate code, in place of a call. Addresses and sizes are looked at by nobody: whoever calls knows
that they are right.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDE = 16
"""Bytes that `add_up` takes at once: a register that every processor has."""

_Signature = tuple[Any, Any]


@intrinsic
def add_up(context: Any, source: Any, into: Any, count: Any, total: Any) -> _Signature:
    """Running sums, modulo 2^n: of `count` times `WIDE` bytes of numbers like `total`, which stands before the first.

    `source` and `into` are addresses, which may be the same. The last sum is returned. Within a register it adds up in
    steps of 1, 2, 4, ... numbers (Hillis and Steele, Data Parallel Algorithms, CACM 29, 1986).
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, into, count, total = args
        number = total.type
        lanes = 8 * WIDE // number.width
        register = ir.VectorType(number, lanes)
        none = ir.Constant(register, [0] * lanes)
        align = number.width // 8

        def picked(one: Any, places: list[int]) -> Any:
            """Its numbers at these places; `lanes` for 0."""
            return builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(ir.IntType(32), lanes), places))

        def at(address: Any) -> Any:
            return builder.inttoptr(builder.add(address, offset), register.as_pointer())

        begin = picked(builder.insert_element(none, total, ir.IntType(32)(0)), [0] * lanes)
        before = cgutils.alloca_once_value(builder, begin)
        with cgutils.for_range(builder, count) as loop:
            offset = builder.mul(loop.index, source.type(WIDE))
            sums = builder.load(at(source), align=align)
            step = 1
            while step < lanes:
                moved = picked(sums, [lanes] * step + list(range(lanes - step)))
                sums, step = builder.add(sums, moved), 2 * step
            builder.store(builder.add(sums, builder.load(before)), at(into), align=align)
            builder.store(builder.add(builder.load(before), picked(sums, [lanes - 1] * lanes)), before)
        return builder.extract_element(builder.load(before), ir.IntType(32)(0))

    return total(source, into, count, total), generate


_SIX = types.int64(*[types.int64] * 6)


@intrinsic
def decode_zstd(context: Any, function: Any, state: Any, into: Any, room: Any, data: Any, size: Any) -> _Signature:
    """Call ZSTD_decompressDCtx at `function`: bytes that were made; an error is negative (zstd_errors.h)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function, *rest = args
        word = function.type
        kind = ir.FunctionType(word, [word] * 5)
        return builder.call(builder.inttoptr(function, kind.as_pointer()), rest)

    return _SIX, generate


@intrinsic
def decode_deflate(context: Any, function: Any, state: Any, into: Any, room: Any, data: Any, size: Any) -> _Signature:
    """Call libdeflate_zlib_decompress at `function`: bytes that were made; an error is -1."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function, state, into, room, data, size = args
        word = function.type
        made = cgutils.alloca_once_value(builder, word(0))
        kind = ir.FunctionType(ir.IntType(32), [word] * 5 + [word.as_pointer()])
        result = builder.call(builder.inttoptr(function, kind.as_pointer()), [state, data, size, into, room, made])
        is_done = builder.icmp_unsigned("==", result, result.type(0))
        return builder.select(is_done, builder.load(made), word(-1))

    return _SIX, generate
