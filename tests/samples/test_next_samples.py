"""Where to label next: nested, in any order of the units, apart on the ground, and where it teaches most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import InputError
from citygrain.samples.next_samples import suggest_next, uncertainty

World = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def world(seed: int, n: int = 40) -> World:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.uniform(0, 1000, (n, 2)), rng.random(n), rng.random(n) < 0.3


@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(1, 15), st.sampled_from([0.0, 80.0]))
def test_the_first_are_those_of_fewer(seed, few, more, spacing):
    looks, places, weights, known = world(seed)
    options = {"weights": weights, "known": known, "spacing": spacing}
    long, short = (suggest_next(looks, places, n, **options) for n in (few + more, few))
    assert long.rows[: len(short.rows)].tolist() == short.rows.tolist()
    assert (np.diff(long.gain) <= 1e-9).all() and long.gain.sum() <= 1 + 1e-9
    assert not known[long.rows].any() and len(set(long.rows.tolist())) == len(long.rows)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_units_does_not_matter(seed):
    looks, places, weights, known = world(seed)
    turn = np.random.default_rng(seed).permutation(len(looks))
    found = suggest_next(looks, places, 10, weights=weights, known=known, spacing=60)
    mixed = suggest_next(looks[turn], places[turn], 10, weights=weights[turn], known=known[turn], spacing=60)
    assert turn[mixed.rows].tolist() == found.rows.tolist() and (mixed.gain == found.gain).all()


@given(st.integers(0, 2**32 - 1), st.floats(1, 400))
def test_all_keep_their_distance(seed, spacing):
    looks, places, weights, known = world(seed)
    try:
        rows = suggest_next(looks, places, 40, weights=weights, known=known, spacing=spacing).rows
    except InputError:  # so wide that labelled units leave no room
        return
    for nth, row in enumerate(rows):
        others = np.vstack([places[rows[:nth]], places[known]])
        assert (np.hypot(*(others - places[row]).T) >= spacing - 1e-9).all()


def brute(looks: np.ndarray, share: np.ndarray, count: int) -> tuple[list[int], float]:
    """The greedy choice in the plainest way, and the best of all choices."""
    from itertools import combinations

    z = (looks - looks.mean(0)) / looks.std(0)
    squares = ((z[:, None] - z) ** 2).sum(2)
    alike = np.exp2(-squares / np.percentile(squares[np.triu_indices(len(z), 1)], 5)).astype(np.float32)
    chosen: list[int] = []
    for _ in range(count):
        values = [-1.0 if row in chosen else alike[[*chosen, row]].max(0) @ share for row in range(len(z))]
        chosen.append(int(np.argmax(values)))
    return chosen, max(alike[list(rows)].max(0) @ share for rows in combinations(range(len(z)), count))


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_it_is_the_greedy_choice_and_near_the_best(seed):
    looks, places, weights, _ = world(seed, 12)
    share = weights / weights.sum()
    found = suggest_next(looks, places, 3, weights=weights)
    chosen, best = brute(looks, share, 3)
    assert found.rows.tolist() == chosen
    assert found.gain.sum() >= (1 - 1 / np.e) * best - 1e-6


def test_unsure_ground_comes_first_and_what_is_labelled_last():
    """Three clouds: the model is unsure of the second alone; the first is labelled."""
    rng = np.random.default_rng(0)
    cloud = np.repeat([0, 1, 2], 20)
    looks, places = rng.normal(0, 0.3, (60, 2)) + 10 * cloud[:, None], rng.uniform(0, 900, (60, 2))
    found = cloud[suggest_next(looks, places, 12, unsure=cloud == 1, known=cloud == 0).rows]
    assert found[0] == 1 and 0 not in found
    assert sorted(cloud[suggest_next(looks, places, 3).rows].tolist()) == [0, 1, 2]


def test_only_units_that_are_open_are_chosen():
    looks, places, weights, _ = world(1)
    open_to = np.arange(40) % 4 == 0
    rows = suggest_next(looks, places, 40, weights=weights, open_to=open_to).rows
    assert sorted(rows.tolist()) == np.flatnonzero(open_to).tolist()


@pytest.mark.slow
def test_of_many_units_some_stand_for_all():
    looks, places, _, _ = world(2, 12_000)
    rows = suggest_next(looks, places, 5).rows
    assert len(rows) == 5 and rows.max() < 12_000


def test_of_two_alike_the_less_sure_one_is_chosen():
    looks, places = np.array([[0.0], [0.01], [9.0]]), np.array([[0.0, 0], [500, 0], [900, 0]])
    assert suggest_next(looks, places, 1, unsure=[0.1, 0.9, 0.1]).rows.tolist() == [1]
    assert suggest_next(looks, places, 1, unsure=[0.9, 0.1, 0.1]).rows.tolist() == [0]


@pytest.mark.parametrize(("p", "unsure"), [([1, 0, 0], 0), ([0.5, 0.5, 0], 1), ([0.4, 0.3, 0.3], 0.9)])
def test_uncertainty(p, unsure):
    assert uncertainty(np.array([p])) == pytest.approx([unsure])


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"weights": np.ones(3)},
        {"weights": -np.ones(40)},
        {"known": np.ones(40, bool)},
        {"places": np.zeros((40, 3))},
        {"features": np.full((40, 3), np.nan)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_be_ranked(change):
    looks, places, weights, _ = world(0)
    given = {"features": looks, "places": places, "count": 3, "weights": weights} | change
    with pytest.raises(InputError):
        suggest_next(given.pop("features"), given.pop("places"), given.pop("count"), **given)
