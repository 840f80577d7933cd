"""What a map of cells or pixels says of itself: sets of classes, and ground that is unlike the training."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from distributed import Client
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.maps.predict import predict_map
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.classifier import Embedder
from citygrain.models.trust import write_trust
from citygrain.pixel_context import PixelContext
from citygrain.samples.samples import Samples
from citygrain.tessellation import Pixels
from citygrain.workflows.dates import join_dates
from citygrain.workflows.mapping import grid_judging
from citygrain.workflows.mapping.grid_judging import GridJob, dissimilarity_of, judge_grid
from citygrain.workflows.mapping.grid_map import map_grid
from citygrain.workflows.trust import known_ground, learn_trust, set_rule

BANDS = ("B03", "B08")
TRUST_FILES = {"set_size.tif", "sets.tif", "applicability.json", "dissimilarity.tif", "applicable.tif"}


def scene(*, seed: int = 0, strange: int = 0, side: int = 60) -> xr.DataArray:
    """Four classes in squares, the first `strange` rows brighter than anything that was seen."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 4, (6, 6)).repeat(side // 6, 0).repeat(side // 6, 1)
    values = np.stack([0.1 + 0.05 * classes, 0.4 - 0.08 * classes]) + rng.normal(0, 0.02, (2, side, side))
    values[:, :strange] += 3
    grid = GeoBox.from_bbox((0, 0, 10 * side, 10 * side), "EPSG:32633", resolution=10)
    attrs = {"units": "reflectance", "sensor": "sentinel-2", "source": f"date{seed}.tif", "scale": 10000.0}
    return xr.DataArray(
        values.astype(np.float32), dims=("band", "y", "x"), coords={"band": list(BANDS), **xr_coords(grid)}, attrs=attrs
    )


def trained(folder: Path, features: xr.DataArray, *, window: int = 3) -> Path:
    """A forest of pixels with their context, and what a run would have found out about it."""
    cut = PixelContext.of(features, window=window) if window > 1 else Pixels.of(features)
    names = [str(name) for name in features.band.values]
    rows, side = cut.rows(features)[np.arange(len(cut))], features.shape[1]
    row, column = np.divmod(np.arange(len(cut)), side)
    y = np.take([1, 2, 3, 4], np.clip(np.rint((features.values[0].ravel() - 0.1) / 0.05), 0, 3).astype(int))
    samples = Samples.of(rows, y, features=cut.names(names), legend=URBAN, group=row // 10 * 6 + column // 10)
    training = (row // 10 + column // 10) % 2 == 0
    how = {"tessellation": "pixels", "pixel_m2": 100.0, "features": names, "sensor": "sentinel-2", "window": window}
    model = make_model("forest", preparation=how | ({"context": window} if window > 1 else {}), options={"trees": 60})
    model.fit(samples[training], samples[~training]).save(folder)
    learn_trust(folder, model, samples[training], samples[~training], seed=0)
    return folder


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("forest"), scene())


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.mark.slow
def test_pixels_with_context_are_mapped_as_in_the_run(forest: Path, tmp_path: Path) -> None:
    image = scene(seed=3)
    image.values[:, 5:9, 20:40] = np.nan
    city = map_grid([image], forest, tmp_path)
    wanted = predict_map(image, PixelContext.of(image, window=3), load_model(forest))
    assert np.array_equal(city.codes.values, wanted.codes.values)
    np.testing.assert_allclose(city.confidence.values, wanted.confidence.values, rtol=1e-6)


def test_every_engine_judges_the_same(forest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dates = [scene(side=24), scene(seed=1, side=24)]
    dates[1][:, 3:9, 4:20] = np.nan  # there the first date judges alone
    cells = [PixelContext.of(date, window=3) for date in dates]
    job = GridJob(dates, cells, load_model(forest))
    monkeypatch.setattr(grid_judging, "_BATCH", 100)
    one = judge_grid(job, shares=True)
    with Client(processes=False, dashboard_address="127.0.0.1:0", n_workers=1, threads_per_worker=2) as client:
        for engine in (3, client):
            other = judge_grid(job, shares=True, engine=engine)
            for name in ("codes", "confidence", "shares"):
                assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.mark.slow
def test_pixels_with_context_of_dates_side_by_side(tmp_path: Path) -> None:
    dates = [scene(seed=1), scene(seed=2)]
    joined = join_dates(dates)
    city = map_grid(dates, trained(tmp_path / "model", joined), tmp_path / "map")
    wanted = predict_map(joined, PixelContext.of(joined, window=3), load_model(tmp_path / "model"))
    assert np.array_equal(city.codes.values, wanted.codes.values)


@pytest.mark.slow
def test_sets_hold_the_mapped_class_and_no_data_alone_has_none(forest: Path, tmp_path: Path) -> None:
    image = scene(seed=3)
    image.values[:, 5:9, 20:40] = np.nan
    codes = map_grid([image], forest, tmp_path, sets=True).codes.values
    sizes, sets = read(tmp_path / "set_size.tif"), read(tmp_path / "sets.tif")
    assert np.array_equal(np.bitwise_count(sets), sizes) and np.array_equal(sizes == 0, codes == 0)
    there = codes > 0
    assert ((sets[there] >> URBAN.columns(codes[there]).astype(np.uint32)) & 1).all()
    model = load_model(forest)
    cut = PixelContext.of(image, window=3)
    shares = model.predict_proba(cut.rows(image)[np.flatnonzero(there.ravel())])
    assert np.array_equal(sets[there], set_rule(model.card).masks(shares))
    record = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert record["sets"]["level"] == set_rule(model.card).level


@pytest.mark.slow
def test_strange_ground_is_warned_of_and_drawn(forest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image, known = scene(seed=4, strange=21), known_ground(forest)
    with caplog.at_level(logging.INFO, "citygrain"):
        map_grid([image], forest, tmp_path, applicability=True)
    index, mask = read(tmp_path / "dissimilarity.tif"), read(tmp_path / "applicable.tif")
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert f"about {100 * (mask == 2).mean():.0f} % of the map is outside" in warning
    assert np.array_equal(mask, np.where(index <= np.float32(known.threshold), 1, 2))
    assert (mask[:20] == 2).all() and (mask[22:] == 1).mean() > 0.9
    cut, model = PixelContext.of(image, window=3), load_model(forest)
    wanted = known.dissimilarity(model.embed(cut.rows(image)[np.arange(len(cut))]))
    np.testing.assert_allclose(index.ravel(), wanted, rtol=1e-5)
    whole = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))["share_outside"]
    assert whole == pytest.approx((mask == 2).mean())
    map_grid([image], forest, tmp_path)
    some = json.loads((tmp_path / "applicability.json").read_text(encoding="utf-8"))
    assert some["places"] == 1000 and some["share_outside"] == pytest.approx(whole, abs=0.05)
    assert not (tmp_path / "dissimilarity.tif").exists() and not (tmp_path / "sets.tif").exists()


@pytest.mark.slow
def test_of_several_dates_the_least_like_one_counts(forest: Path) -> None:
    dates = [scene(seed=5), scene(seed=6, strange=12)]
    dates[0].values[:, 50:] = np.nan
    dates[1].values[:, :, 55:] = np.nan
    model, known = load_model(forest), known_ground(forest)
    cells = [PixelContext.of(date, window=3) for date in dates]
    index = dissimilarity_of(GridJob(dates, cells, model), known, everywhere=True)
    each = [
        dissimilarity_of(GridJob([d], [c], model), known, everywhere=True) for d, c in zip(dates, cells, strict=True)
    ]
    np.testing.assert_array_equal(index, np.fmax(*each))
    assert np.isnan(index[50:, 55:]).all() and np.isfinite(index).sum() == 3600 - 10 * 5
    drawn = dissimilarity_of(GridJob(dates, cells, model), known, everywhere=False)
    there = np.isfinite(drawn)
    assert there.sum() == 1000 and np.array_equal(drawn[there], index[there])


def test_a_model_that_kept_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = Samples.of(rng.random((40, 2), np.float32), np.repeat([1, 4], 20), features=BANDS, legend=URBAN)
    model = make_model("forest", preparation={"tessellation": "pixels", "pixel_m2": 100.0}, options={"trees": 9})
    model.fit(rows)
    model.save(tmp_path / "model")
    write_trust(tmp_path / "model", {"sets": {"reason": "3 blocks"}})
    for asked, why in (
        ({"sets": True}, r"sets .* \(3 blocks\)"),
        ({"applicability": True}, "applicability of a model"),
    ):
        with pytest.raises(InputError, match=why):
            map_grid([scene()], tmp_path / "model", tmp_path / "map", **asked)
    assert isinstance(model, Embedder) and not (tmp_path / "map").exists()
    city = map_grid([scene()], model, tmp_path / "map")
    assert not TRUST_FILES & {path.name for path in (tmp_path / "map").iterdir()}
    judged = judge_grid(GridJob([scene()], [Pixels.of(scene())], model))
    assert judged.marks is None and np.array_equal(judged.codes, city.codes.values)
