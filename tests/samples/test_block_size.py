import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.block_size import FEWEST_BLOCKS, choose_block_size
from citygrain.samples.samples import Samples
from citygrain.samples.split import assign_roles


def lattice(side: int = 60, *, rare: bool = False) -> Samples:
    """Samples of 30 m on a lattice of 10 m: two classes in turn; or a second class that lies in one corner alone."""
    x, y = np.divmod(np.arange(side**2), side)
    codes = np.where((x < 12) & (y < 12), 4, 1) if rare else 1 + (x + y) % 2
    extent = np.column_stack([x - 1, y - 1, x + 2, y + 2]) * 10.0
    return Samples.of(np.zeros((side**2, 1)), codes, features=("B02",), legend=URBAN, extent=extent)


def test_the_wished_size_is_taken_where_it_works() -> None:
    found = choose_block_size(lattice(), 100.0, seed=1)
    assert (found.size, found.limit) == (100.0, "")


def test_the_largest_that_works_is_taken_and_it_is_said_why() -> None:
    samples = lattice()
    found = choose_block_size(samples, 900.0, seed=1)
    role, block = assign_roles(samples, found.size, rng=np.random.default_rng([1, 0]))
    assert found.wished == 900 and found.size < 200 and f"fewer than {FEWEST_BLOCKS}" in found.limit
    assert len(np.unique(block[role == 3])) >= FEWEST_BLOCKS


def test_a_rare_class_is_named() -> None:
    found = choose_block_size(lattice(rare=True), 150.0, seed=0)
    assert found.size < 150 and "'Water' is too rare" in found.limit


def test_where_nothing_works_that_is_an_error() -> None:
    with pytest.raises(InputError, match="no side of blocks"):
        choose_block_size(lattice(4), 100.0, seed=0)
