import json
import logging
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from citygrain.errors import InputError, ModelMismatchError
from citygrain.grid_patches import GridPatches
from citygrain.legend import LCZ, URBAN, Legend
from citygrain.maps.smooth import lcz_filter
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.card import ModelCard
from citygrain.samples.samples import Samples
from citygrain.scene.read import read_scene
from citygrain.sensors import SO2SAT_SENTINEL2
from citygrain.workflows.mapping import grid_files
from citygrain.workflows.mapping.grid_map import map_grid, maps_cells

BANDS = ("B02", "B03", "B04")


@dataclass
class Brightness:
    """A model whose class is the patch's mean brightness in steps: what it says is known beforehand."""

    card: ModelCard
    stop_after: int = 10**9

    @property
    def legend_(self) -> Legend:
        return self.card.legend

    @property
    def features_(self) -> tuple[str, ...]:
        return self.card.features

    @property
    def history_(self) -> list[dict[str, float]]:
        return []

    def fit(self, train: Samples, valid: Samples | None = None) -> "Brightness":
        return self

    def predict_proba(self, x: Any) -> npt.NDArray[np.float32]:
        self.stop_after -= len(x)
        if self.stop_after < 0:
            raise KeyboardInterrupt
        rows = np.asarray(x[:] if hasattr(x, "subset") else x, np.float32)
        level = rows.reshape(len(rows), -1).mean(1)[:, None]
        steps = np.linspace(0, 1, len(self.card.legend))
        weight = np.exp(-(((level - steps) / 0.05) ** 2)) + 1e-6
        return (weight / weight.sum(1, keepdims=True)).astype(np.float32)

    def predict(self, x: Any) -> npt.NDArray[np.uint8]:
        return self.card.legend.codes(self.predict_proba(x).argmax(1))

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> "Brightness":
        raise NotImplementedError


def model(
    *,
    bands: tuple[str, ...] = BANDS,
    legend: Legend = LCZ,
    shape: tuple[int, ...] = (8, 8),
    preparation: dict[str, Any] | None = None,
    origin: dict[str, Any] | None = None,
) -> Brightness:
    card = ModelCard(
        kind="stub", network="brightness", recipe={}, parameters=0, features=bands, input_shape=(len(bands), *shape),
        units="reflectance", normalisation={}, legend=legend, counts=dict.fromkeys(legend.names, 1), seed=0,
        preparation=preparation or {"tessellation": "grid", "pixel_m2": 100.0}, origin=origin or {},
    )  # fmt: skip
    return Brightness(card)


def scene(
    shape: tuple[int, int] = (63, 96),
    *,
    seed: int = 0,
    bands: tuple[str, ...] = BANDS,
    pixel: float = 10,
    epsg: int = 32633,
) -> xr.DataArray:
    """Blocks of 20 x 20 pixels of one brightness each."""
    rng = np.random.default_rng(seed)
    blocks = rng.random((1, 6, 8), np.float32)
    values = blocks.repeat(20, 1).repeat(20, 2)[:, : shape[0], : shape[1]].repeat(len(bands), 0)
    grid = GeoBox.from_bbox((0, 0, pixel * shape[1], pixel * shape[0]), f"EPSG:{epsg}", shape=shape)
    attrs = {"units": "reflectance", "sensor": "sentinel-2", "source": f"date{seed}.tif", "scale": 10000.0}
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands), **xr_coords(grid)}, attrs=attrs)


def holed(image: xr.DataArray, rows: slice, columns: slice) -> xr.DataArray:
    values = image.values.copy()
    values[:, rows, columns] = np.nan
    return image.copy(data=values)


@pytest.fixture
def pictures() -> None:
    """Asked for by the tests that want the pictures, which take most of a small map's time."""


@pytest.fixture(autouse=True)
def pictures_only_where_wanted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr(grid_files, "save_figure", lambda *_: None)
        monkeypatch.setattr(grid_files, "encode_figure", lambda *_, **__: b"")
        for draw in ("figure_map", "figure_maps", "figure_legend"):
            monkeypatch.setattr(grid_files, draw, lambda *_: None)


def test_the_map_is_what_the_model_says_of_each_cell(tmp_path: Path) -> None:
    image, judge = scene(), model()
    ticks: list[tuple[int, int]] = []
    city = map_grid([image], judge, tmp_path, probabilities=True, progress=lambda done, of: ticks.append((done, of)))
    cells = GridPatches.of(image, size=8, stride=10)
    said = judge.predict_proba(cells.gather(image)[:])
    assert np.array_equal(city.codes.values, cells.scatter(LCZ.codes(said.argmax(1))).values)
    assert np.array_equal(city.confidence.values, cells.scatter(said.max(1)).values)
    assert city.filtered is not None
    assert np.array_equal(city.filtered.values, lcz_filter(city.codes.values, 100))
    assert ticks[-1] == (60, 60)
    back = ThematicMap.read(tmp_path / "map.tif", LCZ)
    assert back.geobox == cells.geobox and np.array_equal(back.recommended.values, city.filtered.values)
    with rasterio.open(tmp_path / "probabilities.tif") as file:
        shares = file.read() * file.scales[0]
    np.testing.assert_allclose(shares, said.T.reshape(17, 6, 10), atol=5.1e-5)


def test_each_cell_averages_the_dates_on_which_it_has_data(tmp_path: Path) -> None:
    one, two = holed(scene(seed=1), slice(0, 30), slice(0, 40)), holed(scene(seed=2), slice(0, 20), slice(20, 60))
    judge = model()
    city = map_grid([one, two], judge, tmp_path)
    total, count = np.zeros((6, 10, 17)), np.zeros((6, 10, 1))
    for date in (one, two):
        cells = GridPatches.of(date, size=8, stride=10)
        said = judge.predict_proba(cells.gather(date)[:])
        for column in range(17):
            total[..., column] += np.nan_to_num(cells.scatter(said[:, column]).values)
        count[..., 0] += cells.scatter(np.ones(len(cells), np.uint8)).values
    nowhere = count[..., 0] == 0
    assert 0 < nowhere.sum() < 10  # the dates overlap, and leave a part that neither has
    wanted = np.where(nowhere, 0, LCZ.codes((total / np.maximum(count, 1)).argmax(-1)))
    assert np.array_equal(city.codes.values, wanted)
    assert np.array_equal(np.isnan(city.confidence.values), nowhere)
    assert city.filtered is not None and np.array_equal(city.filtered.values == 0, nowhere)


def test_one_date_given_twice_is_that_date(tmp_path: Path) -> None:
    once, twice = (map_grid([scene()] * n, model(), tmp_path / str(n)) for n in (1, 2))
    assert np.array_equal(once.codes.values, twice.codes.values)
    np.testing.assert_allclose(once.confidence.values, twice.confidence.values, rtol=1e-6)


@pytest.mark.usefixtures("pictures")
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    for run in ("a", "b"):
        map_grid([scene()], model(), tmp_path / run / "city", probabilities=True)
    names = sorted(path.name for path in (tmp_path / "a/city").iterdir())
    assert names == [
        "confidence.tif", "map.clr", "map.json", "map.kmz", "map.png", "map.qml", "map.tif", "map.tif.aux.xml",
        "probabilities.tif",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a/city" / name).read_bytes() == (tmp_path / "b/city" / name).read_bytes(), name


def test_files_that_were_not_asked_for_do_not_stay(tmp_path: Path) -> None:
    map_grid([scene()], model(), tmp_path, probabilities=True)
    city = map_grid([scene()], model(), tmp_path, kmz=False, lcz_filter=False)
    assert (
        city.filtered is None and not (tmp_path / "probabilities.tif").exists() and not (tmp_path / "map.kmz").exists()
    )
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.count == 1


def test_the_record_says_what_the_map_is_made_of(tmp_path: Path) -> None:
    map_grid(
        [scene(seed=4), scene(seed=5)],
        model(origin={"name": "bright", "level": "unknown"}),
        tmp_path,
        grid=50,
        level="boa",
    )
    record = json.loads((tmp_path / "map.json").read_text(encoding="utf-8"))
    assert [date["source"] for date in record["dates"]] == ["date4.tif", "date5.tif"]
    assert record["grid"]["cell_m"] == 50 and record["grid"]["stride_pixels"] == 5 and record["level"] == "boa"
    assert record["cells"] == {"with a class": 13 * 19, "without": 0}
    assert sum(record["areas_ha"]["lcz"].values()) == pytest.approx(13 * 19 * 0.25)
    assert sum(record["areas_ha"]["lczFilter"].values()) == pytest.approx(13 * 19 * 0.25)
    assert record["model"]["name"] == "bright" and record["bands"] == list(BANDS)
    with zipfile.ZipFile(tmp_path / "map.kmz") as archive:
        assert "legend.png" in archive.namelist()


def test_a_scene_with_more_bands_is_reduced_to_those_of_the_model(tmp_path: Path) -> None:
    rich = scene(bands=("B08", "B04", "B03", "B02"))
    rich.values[0] = 7  # would shine through
    city = map_grid([rich], model(), tmp_path / "rich")
    assert np.array_equal(city.codes.values, map_grid([scene()], model(), tmp_path / "plain").codes.values)


def test_a_model_of_several_dates_side_by_side_gets_them_so(tmp_path: Path) -> None:
    names = tuple(f"{band} @{date}" for date in (1, 2) for band in BANDS)
    dates = [scene(seed=1), scene(seed=2)]
    city = map_grid(dates, model(bands=names), tmp_path)
    joined = xr.concat(dates, "band").assign_coords(band=list(names))
    cells = GridPatches.of(joined, size=8, stride=10)
    assert np.array_equal(city.codes.values, cells.scatter(model(bands=names).predict(cells.gather(joined)[:])).values)
    with pytest.raises(ModelMismatchError, match="1 dates; wanted: 2"):
        map_grid(dates[:1], model(bands=names), tmp_path)


def test_a_model_of_pixels_maps_pixels(tmp_path: Path) -> None:
    image, judge = holed(scene(), slice(0, 9), slice(3, 30)), model(shape=(), preparation={"tessellation": "pixels"})
    city = map_grid([image], judge, tmp_path)
    assert city.geobox == image.odc.geobox
    valid = np.isfinite(image.values[0])
    assert np.array_equal(city.codes.values > 0, valid)
    assert np.array_equal(city.codes.values[valid], judge.predict(image.values[:, valid].T))
    with pytest.raises(InputError, match="model of pixels"):
        map_grid([image], judge, tmp_path, grid=100)


def test_top_of_atmosphere_models_warn_unless_the_scene_is_said_to_be_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    judge = model(origin={"name": "bright", "level": "top-of-atmosphere", "level_effect": "73 % become 76 %"})
    with caplog.at_level(logging.WARNING, "citygrain"):
        map_grid([scene()], judge, tmp_path, level="toa")
        assert not caplog.records
        map_grid([scene()], judge, tmp_path)
        map_grid([scene()], judge, tmp_path, level="boa")
        map_grid([scene()], model(), tmp_path)
    unsaid, surface = (record.getMessage() for record in caplog.records)
    assert "bright" in unsaid and "73 % become 76 %" in unsaid and "--level toa" in unsaid
    assert "is surface reflectance" in surface and "Level-1C scene" in surface


def test_a_scene_that_says_its_level_needs_no_option(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    judge = model(origin={"name": "bright", "level": "top-of-atmosphere"})
    with caplog.at_level(logging.WARNING, "citygrain"):
        map_grid([scene().assign_attrs(level="L1C")], judge, tmp_path)
        assert not caplog.messages
        map_grid([scene().assign_attrs(level="L2A")], judge, tmp_path)
    assert "the scene is surface reflectance" in caplog.text
    assert json.loads((tmp_path / "map.json").read_text())["level"] == "boa"
    with pytest.raises(InputError, match="--level toa for a scene of L2A; wanted: --level boa"):
        map_grid([scene().assign_attrs(level="L2A")], judge, tmp_path, level="toa")
    with pytest.raises(InputError, match="wanted: dates of one level"):
        map_grid([scene().assign_attrs(level="L2A"), scene().assign_attrs(level="L1C")], judge, tmp_path)


@pytest.mark.parametrize(
    ("images", "judge", "options", "message"),
    [
        ([scene(bands=("B02", "B03"))], model(), {}, "date0.tif with bands B02, B03.*missing B04"),
        ([scene(pixel=20)], model(), {}, "pixels of 20 m; wanted: 10 m"),
        ([scene(pixel=20)], model(preparation={"tessellation": "grid"}), {}, "pixels of 20 m; wanted: 10 m"),
        ([scene().assign_attrs(units="digital numbers")], model(), {}, "digital numbers.*reflectance"),
        ([scene()], model(), {"grid": 45}, "cells of 45 m on pixels of 10 m.*set --grid 40"),
        ([scene()], model(), {"grid": 0}, "cells of 0 m"),
        ([scene()], model(), {"grid": float("nan")}, "cells of nan m"),
        ([scene(), scene((63, 95), seed=1)], model(), {}, "date1.tif lies on another grid than date0.tif"),
        ([], model(), {}, "no scene"),
        ([scene(epsg=2263)], model(), {}, "wanted: a coordinate system in metres"),
        ([scene((7, 40))], model(), {}, "room for a patch of 8"),
        ([scene()], model(preparation={"tessellation": "patches"}), {}, "model of patches; wanted"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_model_is_refused_in_one_line(
    tmp_path: Path, images: list[xr.DataArray], judge: Brightness, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((InputError, ModelMismatchError), match=message):
        map_grid(images, judge, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_model_of_another_legend_is_not_filtered(tmp_path: Path) -> None:
    assert map_grid([scene()], model(legend=URBAN), tmp_path).filtered is None


def test_an_interrupted_map_leaves_no_file(tmp_path: Path) -> None:
    judge = replace(model(), stop_after=4000)
    with pytest.raises(KeyboardInterrupt):
        map_grid([scene((120, 160))], judge, tmp_path, grid=10)
    assert not list(tmp_path.iterdir())


def test_superpixel_models_are_told_from_models_of_cells() -> None:
    assert maps_cells(model().card) and maps_cells(model(preparation={"tessellation": "cells"}).card)
    assert maps_cells(model(shape=(), preparation={"tessellation": "pixels"}).card)
    assert not maps_cells(model(preparation={"tessellation": "patches"}).card)
    assert not maps_cells(model(shape=(), preparation={"tessellation": "statistics"}).card)


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_published_network_knows_the_polygons_of_berlin(data: Path, tmp_path: Path) -> None:
    from citygrain.models.shelf import published_models

    image = read_scene(data / "scenes/berlin/s2_20241024.tif")
    published = published_models()["sen2lcz-mf"]
    network = published.load(data / "so2sat/weights" / published.file)
    assert network.card.features == SO2SAT_SENTINEL2
    city = map_grid([image], network, tmp_path)
    with rasterio.open(data / "scenes/berlin/lcz_polygons_raster.tif") as file:
        polygons = file.read(1)
    fine = city.codes.values.repeat(10, 0).repeat(10, 1)[: polygons.shape[0], : polygons.shape[1]]
    inside = np.isin(polygons, [2, 5])
    right = (fine == polygons)[inside].mean()
    assert 0.65 < right < 0.85  # 73 % of the patches cut there by others are right
