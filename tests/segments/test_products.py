"""The vectors written for LLVM and the plain Python beside them give the same sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from citygrain.segments._products import LANES, set_products, set_squares


@njit
def products(sums, pairs, factors, first):
    set_products(sums, pairs, factors, first)


@njit
def squares(sums, pairs):
    set_squares(sums, pairs)


@given(
    chunks=st.integers(1, 5), bands=st.integers(1, 7), limit=st.sampled_from([1, 300, 5000]), seed=st.integers(0, 99)
)
def test_compiled_is_plain(chunks, bands, limit, seed):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(-limit, limit, 2 * bands * chunks * LANES, endpoint=True).astype(np.int16)
    factors = rng.integers(-2 * limit, 2 * limit, 2 * bands, endpoint=True).astype(np.int16)
    found, wanted = np.empty((2, chunks * LANES), np.int32)
    products(found, pairs, factors, np.int32(seed))
    set_products(wanted, pairs, factors, np.int32(seed))
    assert np.array_equal(found, wanted)
    squares(found, pairs)
    set_squares(wanted, pairs)
    assert np.array_equal(found, wanted)


def test_no_bit_is_lost_at_the_edge_of_the_range():
    pairs = np.full(2 * LANES, -16382, np.int16)
    sums = np.empty(LANES, np.int32)
    products(sums, pairs, np.array([32764, 32764], np.int16), np.int32(0))
    assert (sums == -2 * 16382 * 32764).all()


def test_the_processor_multiplies_pairs():
    """On x86 the loop is one instruction for two bands of sixteen pixels; without it, it is a quarter as fast."""
    llvmlite = pytest.importorskip("llvmlite.binding")
    products(np.empty(LANES, np.int32), np.zeros(2 * LANES, np.int16), np.zeros(2, np.int16), np.int32(0))
    if llvmlite.get_host_cpu_features().get("avx2"):
        code = "".join(products.inspect_asm().values())
        assert "vpdpwssd" in code or "vpmaddwd" in code
