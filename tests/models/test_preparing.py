"""Standardisation, augmentation, statistics, batches and threads."""

import copy
import threading
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citygrain.errors import InputError
from citygrain.models.augment import blend, cut_windows, jitter, move, square_view, turn_in_turn
from citygrain.models.catalogue import make_model
from citygrain.models.feed import Feed, draw_counts, prepare, spread_seed
from citygrain.models.networks.dropout import SeededDropout
from citygrain.models.normalisation import SEGMENT, Normalisation, learn_normalisation, learn_robust_normalisation
from citygrain.models.parallel import Twins, split_network, workers
from citygrain.models.recipe import COURSE, DEFAULT, Recipe, recipe_named
from citygrain.models.statistics import patch_statistics
from helpers.worlds import Lazy, toy_patches

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


def test_early_epochs_see_windows_and_late_ones_whole_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citygrain.models.feed._LEAST_WINDOW", 4)
    recipe = replace(DEFAULT, epochs=4, window=0.6, windowed=0.5)
    whole = toy_patches(50).x.shape[2]
    feed, judge = _feed(recipe), _feed(recipe, seed=None)
    for epoch, side in enumerate((round(0.6 * whole), round(0.6 * whole), whole, whole)):
        feed.epoch = judge.epoch = epoch
        assert {x.shape[2:] for x, _, _ in feed} == {(side, side)}
        assert {x.shape[2:] for x, _, _ in judge} == {(whole, whole)}
    monkeypatch.setattr("citygrain.models.feed._LEAST_WINDOW", 24)
    assert {x.shape[2] for x, _, _ in _feed(recipe)} == {whole}  # too small to be cut


def _numbered(recipe: Recipe, *, n: int, seed: int | None = 0) -> Feed:
    """A feed whose row weights are the row numbers."""
    samples = toy_patches(n)
    columns, weights = samples.legend.columns(samples.y), np.arange(n, dtype=np.float32)
    return Feed(samples, columns, weights, normalisation=Normalisation.none(4), recipe=recipe, seed=seed, half=False)


@pytest.mark.parametrize("seed", [0, None])
def test_rows_on_disk_come_once_each_in_full_batches(monkeypatch: pytest.MonkeyPatch, seed: int | None) -> None:
    monkeypatch.setattr("citygrain.models.feed._IN_MEMORY", 0)
    monkeypatch.setattr("citygrain.models.feed._BLOCK", 8)
    monkeypatch.setattr("citygrain.models.feed._MIXED", 3)
    feed = _numbered(replace(DEFAULT, least_rows=1, batch=16, augment=False, jitter=0.0), n=90, seed=seed)
    batches = list(feed)
    assert len(batches) == len(feed)
    if seed is not None:
        assert {len(x) for x, _, _ in batches[:-1]} == {16}
    rows = torch.cat([weight for _, _, weight in batches]).long()
    assert sorted(rows.tolist()) == list(range(90))
    assert (rows.tolist() == list(range(90))) == (seed is None)
    torch.testing.assert_close(torch.cat([x for x, _, _ in batches]), torch.from_numpy(toy_patches(90).x)[rows])


def test_processes_share_each_batch_and_each_has_draws_of_its_own() -> None:
    recipe = replace(DEFAULT, least_rows=1, batch=16, augment=False, jitter=0.0)
    whole = [weight for _, _, weight in _numbered(recipe, n=50)]
    shared = []
    for rank in range(3):
        feed = _numbered(recipe, n=50)
        feed.share = rank, 3
        shared.append([weight for _, _, weight in feed])
        assert len(shared[-1]) == len(feed)
    *full, last = list(zip(whole, *shared, strict=True))
    for batch, *parts in full:
        assert torch.equal(torch.cat(parts), batch)
        assert {len(part) for part in parts} <= {5, 6}
    assert torch.equal(torch.cat([part for part in last[1:] if float(part.sum()) > 1e-20]), last[0])
    assert [len(part) for part in last[1:]] == [1, 1, 1]  # of two rows: the third process takes part with a ghost
    drawn = [_feed(replace(recipe, jitter=0.1)) for _ in range(2)]
    for rank, feed in enumerate(drawn):
        feed.share = rank, 2
    first, second = (next(iter(feed))[0] - _feed(recipe)._rows[0].mean() for feed in drawn)  # type: ignore[index]
    assert not torch.equal(first, second)


@settings(max_examples=20)
@given(n=st.integers(24, 200), world=st.integers(2, 4), sampling=st.sampled_from([0.0, 0.5]))
def test_processes_share_rows_on_disk(n: int, world: int, sampling: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_IN_MEMORY", 0), ("_BLOCK", 8), ("_MIXED", 3)):
            patch.setattr(f"citygrain.models.feed.{name}", value)
        recipe = replace(DEFAULT, least_rows=1, batch=16, augment=False, jitter=0.0, sampling=sampling)
        seen: list[int] = []
        for rank in range(world):
            feed = copy.copy(_numbered(recipe, n=n))  # as it is taken up by another process
            feed.share = rank, world
            batches = [weight for _, _, weight in feed]
            assert len(batches) == len(feed)
            assert max(len(batch) for batch in batches) <= 16 // world + 8
            seen += [round(row) for row in torch.cat(batches).tolist()]
    counts = np.bincount(seen, minlength=n)
    assert (counts[1:] == 1).all() if sampling == 0 else counts.sum() >= n - 4


@pytest.mark.parametrize("half", [False, True])
def test_a_feed_travels_to_another_process_without_its_unprepared_rows(half: bool) -> None:
    samples = toy_patches(50)
    columns, weights = samples.legend.columns(samples.y), np.ones(50, np.float32)
    none = Normalisation.none(4)
    feed = Feed(samples, columns, weights, normalisation=none, recipe=DEFAULT, seed=0, half=half)
    sent = ForkingPickler.dumps(feed)
    assert len(sent) < 1.2 * samples.x.nbytes / (2 if half else 1)
    for one, other in zip(feed, ForkingPickler.loads(sent), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
        assert one[0].stride() == other[0].stride()


def test_a_feed_that_is_left_or_fails_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, before = toy_patches(300), threading.active_count()
    columns, weights = samples.legend.columns(samples.y), np.ones(300, np.float32)
    feed = Feed(samples, columns, weights, normalisation=Normalisation.none(4), recipe=DEFAULT, seed=0, half=False)
    batches = iter(feed)
    next(batches)
    batches.close()  # type: ignore[attr-defined]  # a generator
    assert threading.active_count() == before

    def broken(*_: object, **__: object) -> None:
        raise InputError("row 64 cannot be read")

    batches = iter(feed)
    next(batches)
    monkeypatch.setattr("citygrain.models.feed.jitter", broken)
    with pytest.raises(InputError, match="row 64"):
        list(batches)
    assert threading.active_count() == before


@pytest.mark.parametrize("in_memory", [2**30, 0])
def test_balanced_sampling_draws_each_class_as_often(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr("citygrain.models.feed._IN_MEMORY", in_memory)
    recipe = replace(DEFAULT, least_rows=1, sampling=1.0, augment=False, jitter=0.0)
    samples = toy_patches(100, codes=(2, 7, 7, 7, 9, 9, 9, 9, 9, 9))
    columns, weights = samples.legend.columns(samples.y), np.ones(100, np.float32)
    feed = Feed(samples, columns, weights, normalisation=Normalisation.none(4), recipe=recipe, seed=0, half=False)
    batches = list(feed)
    assert len(batches) == len(feed)
    assert torch.bincount(torch.cat([target for _, target, _ in batches]))[[0, 2, 3]].tolist() == [33, 33, 33]


@given(
    columns=hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4)),
    sampling=st.floats(0, 1),
    offset=st.floats(0, 0.99),
)
def test_draws_are_even_within_a_class_and_as_many_as_planned(
    columns: np.ndarray, sampling: float, offset: float
) -> None:
    drawn = draw_counts(columns, sampling, offset=offset)
    for column in np.unique(columns):
        assert np.ptp(drawn[columns == column]) <= 1
        assert drawn[columns == column].sum() >= 1
    assert drawn.sum() == draw_counts(columns, sampling).sum()
    assert abs(drawn.sum() - len(columns)) <= 5  # rounding, class by class
    assert (draw_counts(columns, 0.0) == 1).all()


def test_windows_are_parts_of_their_patches() -> None:
    x = torch.arange(16.0 * 64).reshape(16, 1, 8, 8)
    cut = cut_windows(x, 5, rng=torch.Generator().manual_seed(0))
    assert cut.shape == (16, 1, 5, 5)
    tops = {(int(window[0, 0, 0]) % 64, row) for row, window in enumerate(cut)}
    for corner, row in tops:
        top, left = divmod(corner, 8)
        assert torch.equal(cut[row], x[row, :, top : top + 5, left : left + 5])
    assert len({corner for corner, _ in tops}) > 2
    assert torch.equal(cut_windows(x, 8, rng=torch.Generator()), x)


def test_moved_patches_keep_their_middle() -> None:
    x = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(16, 1, 1, 1)
    moved = move(x, 0.25, rng=torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    assert all(set(row.flatten().tolist()) <= set(range(64)) for row in moved)
    assert len({row.flatten()[27].item() for row in moved}) > 2
    assert torch.equal(move(x, 0.1, rng=torch.Generator()), x)  # less than a pixel


def test_blended_labels_say_what_the_rows_are_made_of() -> None:
    target = torch.tensor([0, 1, 2, 1])
    one_hot = torch.nn.functional.one_hot(target, 3).float()
    x, labels = blend(one_hot, target, 0.4, classes=3, rng=torch.Generator().manual_seed(5))
    torch.testing.assert_close(x, labels)  # the rows are the labels here
    assert torch.equal(labels.argmax(1), target)
    assert not torch.equal(labels, one_hot)


def test_robust_scaling_shrugs_off_a_tail() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (500, 1, 4, 4))
    x[::50] = 12_702  # a radar echo of So2Sat
    learned = learn_robust_normalisation(x, ("VV",))
    assert learned.mean[0] == pytest.approx(5, abs=0.2)
    assert learned.std[0] == pytest.approx(2, abs=0.2)
    assert learned.apply(x.astype(np.float32)).max() == learned.cut
    assert Normalisation.from_dict(learned.to_dict()) == learned


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

    def loss_of(logits: torch.Tensor, rows: slice) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, target[rows])

    with workers(2) as over:
        loss, logits = split.gradients(x, loss_of, over, seed=0)
    found = [weight.grad.clone() for weight in network.parameters()]
    network.zero_grad()
    whole = loss_of(network(x), slice(None))
    whole.backward()
    torch.testing.assert_close(loss, whole.detach())
    torch.testing.assert_close(logits, network(x).detach())
    torch.testing.assert_close(found, [weight.grad for weight in network.parameters()])


def _normalised() -> torch.nn.Module:
    torch.manual_seed(0)
    parts = (torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), SeededDropout(0.3), torch.nn.Flatten())
    return torch.nn.Sequential(*parts, torch.nn.Linear(27, 2)).double()


def _twin_step(network: torch.nn.Module, x: torch.Tensor, target: torch.Tensor, *, threads: int) -> torch.Tensor:
    """Gradients of one step, flattened."""
    twins = split_network(network, lambda function: function, halves=True)
    assert isinstance(twins, Twins)

    def loss_of(logits: torch.Tensor, rows: slice) -> torch.Tensor:
        losses = torch.nn.functional.cross_entropy(logits, target[rows], reduction="none")
        return losses.sum() / len(target)

    with workers(threads) as over:
        _, logits = twins.gradients(x, loss_of, over, seed=3)
    assert logits.shape == (len(x), 2)
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])  # type: ignore[union-attr]


def test_twins_of_one_half_twice_are_the_network_itself() -> None:
    """With the same rows in both halves the statistics of a half are those of the whole."""
    half, labels = torch.rand(4, 2, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    network, plain = _normalised(), _normalised()
    for each in (network, plain):
        each[2].share = 0.0  # type: ignore[index]
    found = _twin_step(network, half.repeat(2, 1, 1, 1), labels.repeat(2), threads=2)
    torch.nn.functional.cross_entropy(plain(half.repeat(2, 1, 1, 1)), labels.repeat(2)).backward()
    torch.testing.assert_close(found, torch.cat([weight.grad.flatten() for weight in plain.parameters()]))


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_twins_give_the_same_bits_on_one_thread_and_on_two(rows: int) -> None:
    x, target = torch.rand(rows + 1, 2, 5, 5, dtype=torch.float64), torch.arange(rows + 1) % 2
    one, two = _normalised(), _normalised()
    assert torch.equal(_twin_step(one, x, target, threads=1), _twin_step(two, x, target, threads=2))
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), two.buffers(), strict=True))


def test_a_network_that_draws_outside_its_head_is_not_cut() -> None:
    assert split_network(torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2)), lambda f: f) is None
    assert split_network(torch.nn.Sequential(torch.nn.BatchNorm1d(2)), lambda f: f) is None
    drawing = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    assert split_network(drawing, lambda f: f, halves=True) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"views": 9},
        {"schedule": "linear"},
        {"scaling": "log"},
        {"shift": 0.5},
        {"sampling": 2.0},
        {"window": 0.0},
        {"windowed": 1.5},
        {"mixup": -1.0},
    ],
)
def test_impossible_recipes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(DEFAULT, **wrong)  # type: ignore[arg-type]


def test_settings_of_a_recipe_can_be_changed_one_by_one() -> None:
    changed = DEFAULT.changed({"mixup": "0.4", "augment": "no", "batch": 32, "scaling": "robust"})
    assert (changed.mixup, changed.augment, changed.batch, changed.scaling) == (0.4, False, 32, "robust")
    assert replace(changed, mixup=0.0, augment=True, batch=64, scaling="standard") == DEFAULT
    for wrong in (
        *({key: value} for key in ("mixup", "rate") for value in ("nan", "inf", "-1")),
        {"rate": 0},
        {"label_smoothing": 1.5},
        {"patience": -1},
        {"least_rows": 0},
        {"mixups": 1},
        {"batch": "many"},
        {"augment": "perhaps"},
        {"name": "mine"},
        {"scaling": "log"},
    ):
        with pytest.raises(InputError):
            DEFAULT.changed(wrong)


def test_recipes_come_back_and_are_strict() -> None:
    assert Recipe.from_dict(recipe_named("course", epochs=3).to_dict()) == replace(COURSE, epochs=3)
    for values in ({}, COURSE.to_dict() | {"x": 1}, COURSE.to_dict() | {"rate": "fast"}):
        with pytest.raises(InputError, match="recipe"):
            Recipe.from_dict(values)
    with pytest.raises(InputError, match="course, default"):
        recipe_named("best")


def test_each_network_is_taught_as_long_as_in_its_course() -> None:
    epochs = {name: make_model(name, recipe="course").recipe.epochs for name in ("cnn", "mlp", "resnet50")}
    assert epochs == {"cnn": 10, "mlp": 5, "resnet50": 5}
    assert make_model("mlp", recipe="course", epochs=7).recipe.epochs == 7


def test_windows_are_for_networks_of_whole_patches() -> None:
    assert make_model("resnet20", options={"window": 0.5}).recipe.window == 0.5
    with pytest.raises(InputError, match=r"window = 0\.5 for model 'mlp'"):
        make_model("mlp", options={"window": 0.5})
