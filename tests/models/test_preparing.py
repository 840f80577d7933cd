"""Standardisation, augmentation, statistics, batches and threads."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.errors import InputError
from citygrain.models.augment import jitter, square_view, turn_in_turn
from citygrain.models.feed import Feed, prepare, spread_seed
from citygrain.models.normalisation import SEGMENT, Normalisation, learn_normalisation
from citygrain.models.parallel import split_network, workers
from citygrain.models.recipe import COURSE, DEFAULT, Recipe, recipe_named
from citygrain.models.statistics import patch_statistics

sys.path.insert(0, str(Path(__file__).parent))
from worlds import Lazy, toy_patches

FLOATS = st.floats(-1e4, 1e4, width=32)


@given(hnp.arrays(np.float32, st.tuples(st.integers(2, 9), st.just(3), st.just(4), st.just(4)), elements=FLOATS))
def test_standardised_rows_have_mean_0_and_deviation_1(x: np.ndarray) -> None:
    learned = learn_normalisation(x, ("a", "b", "c"))
    np.testing.assert_allclose(learned.mean, x.astype(float).mean((0, 2, 3)), rtol=1e-4, atol=1e-3)
    deviation = x.astype(float).std((0, 2, 3))
    varied = deviation > 1e-2 * (1 + np.abs(np.array(learned.mean)))
    scaled = learned.apply(x).astype(float)
    np.testing.assert_allclose(scaled.std((0, 2, 3))[varied], 1, rtol=1e-3)
    assert np.isfinite(scaled).all()


def test_missing_values_become_the_mean_and_do_not_teach_it() -> None:
    x = np.array([[1.0, 5.0, 1.0], [3.0, np.nan, 0.0], [np.nan, np.inf, 1.0]], np.float32)
    learned = learn_normalisation(x, ("a", "b", SEGMENT))
    assert learned == Normalisation((2.0, 5.0, 0.0), (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(learned.apply(x), [[-1, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert np.isnan(x[2, 0])  # the rows of the user stay as they are


def test_normalisation_reads_rows_in_slices() -> None:
    x = np.random.default_rng(0).normal(3, 2, (9_000, 2)).astype(np.float32)
    lazy = Lazy(x)
    assert learn_normalisation(lazy, ("a", "b")) == learn_normalisation(x, ("a", "b"))
    assert lazy.longest < len(x)


@pytest.mark.parametrize("std", [(0.0,), (-1.0,), (float("nan"),)])
def test_impossible_normalisation_is_refused(std: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        Normalisation((0.0,), std)


def test_the_eight_views_differ_and_keep_every_value() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    views = {tuple(square_view(x, way).flatten().tolist()) for way in range(8)}
    assert len(views) == 8
    assert all(sorted(view) == list(range(9)) for view in views)


@settings(max_examples=20)
@given(n=st.integers(1, 40), first=st.integers(0, 7))
def test_turning_keeps_rows_in_order_and_channels_together(n: int, first: int) -> None:
    x = torch.rand(n, 2, 5, 5)
    turned = turn_in_turn(x, first)
    assert turned.shape == x.shape
    torch.testing.assert_close(turned.flatten(2).sort(2).values, x.flatten(2).sort(2).values)
    ways = [
        next(way for way in range(8) if torch.equal(square_view(x[i : i + 1], way)[0], turned[i])) for i in range(n)
    ]
    assert len(set(ways)) == min(8, -(-n // -(-n // 8)))


def test_jitter_spares_the_mask() -> None:
    x = torch.rand(4, 3, 5, 5)
    moved = jitter(x, 0.5, spared=2, rng=torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved[:, 2], x[:, 2])
    assert (moved[:, :2] != x[:, :2]).all()


def test_statistics_are_those_of_numpy() -> None:
    samples = toy_patches(12)
    image, mask = samples.x[:, :3], samples.x[:, 3] > 0
    found = patch_statistics(samples.x, samples.features)
    inside = [image[i][:, mask[i]] for i in range(12)]
    wanted = [[p.mean(1) for p in inside], [p.std(1) for p in inside], image.mean((2, 3)), image.std((2, 3))]
    np.testing.assert_allclose(found, np.concatenate(wanted, 1), atol=1e-5)


def test_statistics_without_a_mask_take_the_centre() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 15, 15)).astype(np.float32)
    found = patch_statistics(x, ("a", "b"))
    np.testing.assert_allclose(found[:, :2], x[:, :, 4:11, 4:11].mean((2, 3)), atol=1e-5)


def _feed(recipe: Recipe = DEFAULT, *, seed: int | None = 0, n: int = 50) -> Feed:
    samples = toy_patches(n)
    columns, weights = samples.legend.columns(samples.y), np.ones(n, np.float32)
    return Feed(samples, columns, weights, normalisation=Normalisation.none(4), recipe=recipe, seed=seed, half=False)


def test_an_epoch_draws_every_row_equally_often_and_at_least_the_least() -> None:
    feed = _feed(replace(DEFAULT, least_rows=120))
    batches = list(feed)
    assert len(batches) == len(feed)
    targets = torch.cat([target for _, target, _ in batches])
    assert len(targets) == 150
    assert torch.bincount(targets)[[0, 2, 3]].tolist() == [51, 51, 48]


def test_epochs_differ_and_repeat_exactly() -> None:
    one, other = _feed(), _feed()
    first = [x for x, _, _ in one]
    assert all(torch.equal(a, b) for a, (b, _, _) in zip(first, other, strict=True))
    other.epoch = 1
    assert not torch.equal(first[0], next(iter(other))[0])
    assert len({spread_seed(s, e) for s in range(30) for e in range(30)}) == 900


def test_validation_rows_come_once_in_order_and_unchanged() -> None:
    x = torch.cat([batch[0] for batch in _feed(seed=None)])
    torch.testing.assert_close(x, torch.from_numpy(toy_patches(50).x))


def test_rows_on_disk_give_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [x for x, _, _ in _feed()]
    monkeypatch.setattr("citygrain.models.feed._IN_MEMORY", 0)
    assert all(torch.equal(a, b) for a, (b, _, _) in zip(inside, _feed(), strict=True))


def test_half_precision_rows_are_channels_last() -> None:
    rows = prepare(toy_patches(4).x, Normalisation.none(4), half=True)
    assert rows.dtype == torch.bfloat16
    assert rows.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("threads", [1, 3])
def test_workers_keep_order_and_do_not_run_ahead(threads: int) -> None:
    taken: list[int] = []

    def items():  # type: ignore[no-untyped-def]
        for i in range(50):
            taken.append(i)
            yield i

    with workers(threads) as over:
        for i, result in enumerate(over(lambda i: i * i, items())):
            assert result == i * i
            assert len(taken) <= i + threads + 2


def test_gradients_of_the_halves_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.Linear(27, 2)).double()
    split = split_network(network, lambda function: function)
    assert split is not None
    x, target = torch.rand(7, 2, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1, 0, 0])

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, target)

    with workers(2) as over:
        loss = split.gradients(x, loss_of, over)
    found = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    whole = loss_of(network(x))
    whole.backward()
    torch.testing.assert_close(loss, whole.detach())
    torch.testing.assert_close(found, [weight.grad for weight in network.parameters()])


def test_a_network_that_draws_outside_its_head_is_not_cut() -> None:
    assert split_network(torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2)), lambda f: f) is None
    assert split_network(torch.nn.Sequential(torch.nn.BatchNorm1d(2)), lambda f: f) is None


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"views": 9}, {"schedule": "linear"}])
def test_impossible_recipes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(DEFAULT, **wrong)  # type: ignore[arg-type]


def test_recipes_come_back_and_are_strict() -> None:
    assert Recipe.from_dict(recipe_named("course", epochs=3).to_dict()) == replace(COURSE, epochs=3)
    for values in ({}, COURSE.to_dict() | {"x": 1}, COURSE.to_dict() | {"rate": "fast"}):
        with pytest.raises(InputError, match="recipe"):
            Recipe.from_dict(values)
    with pytest.raises(InputError, match="course, default"):
        recipe_named("best")
