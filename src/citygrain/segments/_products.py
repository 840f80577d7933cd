"""Sums of products of 16-bit pairs, sixteen pixels at a time: the innermost loop of SLIC.

Processors multiply two pairs of 16-bit integers and add them in one instruction (vpdpwssd, vpmaddwd, smlal), but no
compiler finds that in a loop over pixels by itself. So the loop is spelt out here as vectors of LLVM, without naming
a processor; every processor gets the best that it has. The same in plain Python stands beside it and runs uncompiled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = ["LANES", "set_products", "set_squares"]

LANES = 16
"""Pixels taken at a time; cells are filled up to a multiple of it."""

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]


def set_products(sums: Int32, pairs: Int16, factors: Int16, first: Any) -> None:
    """Set `sums` to `first` plus the products of each pixel's features with `factors`, exact in 32 bits.

    Parameters
    ----------
    sums : ndarray of int32, (pixel,)
        Result; a multiple of LANES long.
    pairs : ndarray of int16, (pair * pixel * 2,)
        Features: of two bands the values of the first pixel, of the second, ...; then of the next two bands.
    factors : ndarray of int16, (pair * 2,)
        A factor for each band.
    first : int32
        Where the sums begin.
    """
    values = pairs.reshape(-1, sums.size, 2).astype(np.int32)
    sums[:] = first + (values * factors.reshape(-1, 1, 2)).sum(axis=(0, 2), dtype=np.int32)


def set_squares(sums: Int32, pairs: Int16) -> None:
    """Set `sums` to the sum of squares of each pixel's features, exact in 32 bits; see `set_products`."""
    values = pairs.reshape(-1, sums.size, 2).astype(np.int32)
    sums[:] = (values * values).sum(axis=(0, 2), dtype=np.int32)


@overload(set_products)
def _compile_products(sums: Any, pairs: Any, factors: Any, first: Any) -> Callable[..., None]:
    def compiled(sums: Any, pairs: Any, factors: Any, first: Any) -> None:
        _each_lane(sums, pairs, factors, pairs.size // (2 * sums.size), np.int32(first))

    return compiled


@overload(set_squares)
def _compile_squares(sums: Any, pairs: Any) -> Callable[..., None]:
    def compiled(sums: Any, pairs: Any) -> None:
        _each_lane(sums, pairs, None, pairs.size // (2 * sums.size), np.int32(0))

    return compiled


def _write_lanes(_: Any, sums: Any, pairs: Any, factors: Any, count: Any, first: Any) -> Any:
    """Write the loops: over the pixels by LANES, within it over the pairs of bands."""
    signature = types.void(sums, pairs, factors, count, first)

    def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, pairs = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:2], arguments, strict=False)
        )
        table = None
        if signature.args[2] is not types.none:
            factors = context.make_array(signature.args[2])(context, builder, arguments[2])
            table = builder.bitcast(factors.data, ir.IntType(32).as_pointer())  # a pair at a time
        count, first = arguments[3:]
        size = builder.extract_value(sums.shape, 0)
        step = size.type(LANES)
        with cgutils.for_range_slice(builder, size.type(0), size, step, size.type) as (pixel, _):
            spread = _spread(builder, first, LANES)
            total = cgutils.alloca_once(builder, spread.type)  # type: ignore[no-untyped-call]
            builder.store(spread, total)
            with cgutils.for_range(builder, count) as pair:
                at = builder.mul(builder.add(builder.mul(pair.index, size), pixel), size.type(2))
                values = _vector(builder, builder.gep(pairs.data, [at]), 2 * LANES, align=2)
                if table is None:
                    others = values
                else:
                    factor = builder.load(builder.gep(table, [pair.index]), align=2)
                    others = builder.bitcast(_spread(builder, factor, LANES), values.type)
                builder.store(builder.add(builder.load(total), _pairwise(builder, values, others)), total)
            place = builder.bitcast(builder.gep(sums.data, [pixel]), total.type)
            builder.store(builder.load(total), place, align=4)

    return signature, write


_each_lane: Any = intrinsic(_write_lanes)


def _spread(builder: Any, value: Any, count: int) -> Any:
    """Return a vector of `count` times the value."""
    empty = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    one = builder.insert_element(empty, value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count))


def _vector(builder: Any, pointer: Any, count: int, *, align: int) -> Any:
    """Load `count` neighbours."""
    kind = ir.VectorType(pointer.type.pointee, count)
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=align)


def _pairwise(builder: Any, one: Any, other: Any) -> Any:
    """Multiply 16-bit vectors and add neighbours: what processors have an instruction for."""
    wide = ir.VectorType(ir.IntType(32), 2 * LANES)
    products = builder.mul(builder.sext(one, wide), builder.sext(other, wide))
    half = ir.VectorType(ir.IntType(32), LANES)
    even, odd = (
        builder.shuffle_vector(
            products, ir.Constant(wide, ir.Undefined), ir.Constant(half, list(range(k, 2 * LANES, 2)))
        )
        for k in (0, 1)
    )
    return builder.add(even, odd)
