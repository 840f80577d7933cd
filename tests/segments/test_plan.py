"""What is allowed is not exceeded: fewer threads first, then a scratch file, then a clear word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.segments._lattice import lay_lattice
from citygrain.segments._plan import plan_memory, table_bytes

LATTICE = lay_lattice((2000, 3000), 6_000_000, 10_000)
TILES = LATTICE.tiles(512)


def test_all_is_kept_in_memory_unless_told():
    plan = plan_memory(LATTICE, TILES, 8, None, 7)
    assert plan.threads == 7 and not plan.on_disk


@given(memory=st.integers(90 * 2**20, 2**30), threads=st.integers(1, 8))
def test_more_memory_is_never_worse(memory, threads):
    less, more = (plan_memory(LATTICE, TILES, 8, bytes_, threads) for bytes_ in (memory, 2 * memory))
    assert 1 <= less.threads <= threads
    assert more.on_disk <= less.on_disk
    if more.on_disk == less.on_disk:
        assert more.threads >= less.threads


def test_too_little_is_said_with_what_would_do():
    with pytest.raises(InputError, match=r"memory of 9 MB for 10000 segments of 8 features; wanted: at least \d+ MB"):
        plan_memory(LATTICE, TILES, 8, 10**7, 2)


def test_tables_grow_with_the_segments_alone():
    small, wide = (lay_lattice((side, side), side * side, 10_000) for side in (1000, 8000))
    assert table_bytes(small, 8) == table_bytes(wide, 8)
    assert table_bytes(small, 8) / 10_000 < 1100
