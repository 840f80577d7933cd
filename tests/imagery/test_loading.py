"""Windows of made worlds, held against the ground that they were made of."""

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pystac
import pytest
from rasterio.errors import RasterioError

from citygrain.errors import InputError
from citygrain.imagery import opening
from citygrain.imagery.clouds import Sky
from citygrain.imagery.loading import Layers, load_window, window_bytes
from citygrain.imagery.observation import Observation
from citygrain.imagery.radiometry import decide_radiometry
from citygrain.imagery.reading import read_numbers, read_sample
from citygrain.scene.radiometry import Radiometry
from citygrain.tiles import tile_grid
from helpers.observed import observations_of
from helpers.stac_world import World

Worlds = Callable[..., World]
BANDS = ("B02", "B04", "B08", "B11")


def decided(observations: list[Observation], world: World) -> dict[str, Radiometry]:
    return {one.id: decide_radiometry(one, read_sample(one, world.ground.geobox)) for one in observations}


def loaded(world: World, bands: tuple[str, ...] = BANDS, **options: Any) -> Layers:
    images = observations_of(world)
    return load_window(images, world.ground.geobox, bands, radiometry=decided(images, world), **options)


def errors(layers: Layers, world: World) -> npt.NDArray[np.float64]:
    """Median error by overpass and band where the sky was clear, against the ground."""
    truth = world.truth.sel(band=list(BANDS)).values
    told = []
    for values, names in zip(layers.values.values, layers.sources, strict=True):
        clear = np.logical_or.reduce([world.clear(name) for name in names]) & np.isfinite(values).all(0)
        told.append(np.median(np.abs(values - truth)[:, clear], axis=1) if clear.any() else np.zeros(len(BANDS)))
    return np.array(told)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "border", "zones", "baselines", "flags_contradict"])
def test_overpasses_show_the_ground(stac_world: Worlds, name: str) -> None:
    world = stac_world(name)
    layers = loaded(world)
    assert layers.values.odc.geobox == world.ground.geobox and layers.values.dtype == np.float32
    assert list(layers.values.band.values) == list(BANDS) and layers.values.attrs["level"] == "L2A"
    off = errors(layers, world)
    assert (off[:, :3] < 0.003).all() and (off[:, 3] < 0.008).all()  # B11 has pixels of 20 m
    for values, names in zip(layers.values.values, layers.sources, strict=True):
        seen = np.logical_or.reduce([world.seen[name] for name in names])
        assert (np.isfinite(values).all(0) == seen).mean() > 0.98  # but for the rim of the swath


def test_tiles_of_one_overpass_are_one_layer_each_by_its_own_radiometry(stac_world: Worlds) -> None:
    world = stac_world("baselines")
    radiometry = decided(observations_of(world), world)
    assert {made.offset for made in radiometry.values()} == {0, -1000}
    layers = loaded(world)
    assert [len(names) for names in layers.sources] == [2, 2]
    assert layers.values.attrs["radiometry"].count("by metadata and data") == 2
    assert layers.values.attrs["baseline"] == "02.14, 05.11"
    mixed = load_window(
        observations_of(world),
        world.ground.geobox,
        BANDS,
        radiometry=dict.fromkeys(radiometry, next(iter(radiometry.values()))),
    )
    assert np.nanmax(np.abs(mixed.values.values - layers.values.values)) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zones", "border"])
@pytest.mark.parametrize("size", [90, (37, 111)])
def test_windows_give_what_the_whole_gives(stac_world: Worlds, name: str, size: Any) -> None:
    world = stac_world(name)
    images = observations_of(world)
    radiometry = decided(images, world)
    whole = load_window(images, world.ground.geobox, BANDS, radiometry=radiometry)
    for tile in tile_grid(world.ground.geobox.shape, size)[::3]:
        part = load_window(images, world.ground.geobox[tile.slices], BANDS, radiometry=radiometry)
        rows, columns = tile.slices
        np.testing.assert_array_equal(part.values.values, whole.values.values[:, :, rows, columns])
        np.testing.assert_array_equal(part.sky.values, whole.sky.values[:, rows, columns])


@pytest.mark.slow
def test_neither_order_nor_threads_change_anything(stac_world: Worlds) -> None:
    world = stac_world("zones")
    images = observations_of(world)
    radiometry = decided(images, world)
    first = load_window(images, world.ground.geobox, BANDS, radiometry=radiometry)
    for order, threads in itertools.product((images[::-1], images[3:] + images[:3]), (1, 4)):
        second = load_window(order, world.ground.geobox, BANDS, radiometry=radiometry, threads=threads)
        assert second.sources == first.sources
        np.testing.assert_array_equal(second.values.values, first.values.values)
        np.testing.assert_array_equal(second.sky.values, first.sky.values)


@pytest.mark.slow
def test_a_pixel_is_of_one_image_with_all_its_bands(stac_world: Worlds) -> None:
    world = stac_world("border")
    layers = loaded(world)
    there = np.isfinite(layers.values.values)
    missing = layers.sky.values == Sky.MISSING
    assert (there.all(1) | missing).all()


def test_images_without_a_mask_or_a_band_are_left_out(stac_world: Worlds) -> None:
    world = stac_world("missing")
    layers = loaded(world)
    assert list(layers.sources) == [("S2B_33UUU_20250723_0_L2A",)]
    assert [line.partition(": ")[2] for line in layers.left_out] == ["has no SCL", "has no B11"]
    assert len(loaded(world, ("B04",), masked=False).sources) == 3
    with pytest.raises(InputError, match=r"none of 3 images .*has no"):
        loaded(world, ("B10",))


def test_coarser_grids_take_means(stac_world: Worlds) -> None:
    world = stac_world("plain")
    images = observations_of(world)[:1]
    radiometry = decided(images, world)
    fine = load_window(images, world.ground.geobox, ("B04",), radiometry=radiometry).values.values[0, 0]
    coarse = load_window(images, world.ground.geobox.zoom_out(2), ("B04",), radiometry=radiometry).values.values[0, 0]
    means = fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean((1, 3))
    np.testing.assert_allclose(coarse, means, atol=1e-6)


def test_what_is_wrong_is_said_in_a_line(stac_world: Worlds) -> None:
    world = stac_world("plain")
    images = observations_of(world)
    with pytest.raises(InputError, match="has no radiometry"):
        load_window(images, world.ground.geobox, BANDS, radiometry={})
    with pytest.raises(InputError, match="none of 0 images"):
        load_window([], world.ground.geobox, BANDS, radiometry={})
    other = Observation(**{**vars(images[0]), "level": "L1C"})
    with pytest.raises(InputError, match="sentinel-2 L1C and sentinel-2 L2A together"):
        load_window([other, *images[1:]], world.ground.geobox, BANDS, radiometry={})


def test_a_file_that_cannot_be_read_is_named_and_its_error_kept(stac_world: Worlds) -> None:
    world = stac_world("plain")
    image = observations_of(world)[0]
    item = pystac.Item.from_dict(image.item.to_dict(transform_hrefs=False))
    item.assets[image.assets["B04"]].href = str(world.folder / "nowhere.tif")
    lost = Observation(**{**vars(image), "item": item})
    with pytest.raises(InputError, match=f"{image.id} cannot be read") as caught:
        read_numbers(lost, world.ground.geobox, ["B04"])
    assert "\n" not in str(caught.value) and isinstance(caught.value.__cause__, (RasterioError, OSError))


def test_addresses_are_signed_as_they_are_read(stac_world: Worlds) -> None:
    world = stac_world("plain")
    image = observations_of(world)[0]
    asked: list[str] = []

    def sign(href: str) -> str:
        asked.append(href)
        return href

    read_numbers(image, world.ground.geobox, ["B04", "SCL"], sign=sign)
    assert [href.rsplit("/", 1)[-1] for href in asked] == ["B04.tif", "SCL.tif"]


def test_an_image_elsewhere_is_empty(stac_world: Worlds) -> None:
    world = stac_world("plain")
    away = world.ground.geobox.translate_pix(50_000, 0)
    numbers = read_numbers(observations_of(world)[0], away, ["B04", "SCL"])
    assert all(np.isnan(values).all() for values in numbers.values())


def test_a_sample_is_small_and_of_several_colours(stac_world: Worlds) -> None:
    world = stac_world("plain")
    sample = read_sample(observations_of(world)[0], world.ground.geobox.zoom_out(0.1))
    assert {"B04", "B08", "B11", "B12"} <= set(sample)
    assert all(max(values.shape) <= 512 and not (values == 0).any() for values in sample.values())


def test_a_sample_opens_each_file_once(stac_world: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = stac_world("plain")
    opened, real = [], opening.rasterio.open
    monkeypatch.setattr(opening.rasterio, "open", lambda *a, **k: opened.append(a[0]) or real(*a, **k))
    sample = read_sample(observations_of(world)[0], world.ground.geobox)
    assert len(opened) == len(set(opened)) == len(sample) == 5


@pytest.mark.slow
def test_a_window_takes_no_more_memory_than_said(stac_world: Worlds) -> None:
    from citygrain.imagery.clouds import clear_mask
    from citygrain.imagery.composite import composite

    world = stac_world("small")
    images = observations_of(world)
    radiometry = decided(images, world)
    grid = world.ground.geobox
    for _ in range(2):  # the first time compiles and opens what stays
        tracemalloc.start()
        layers = load_window(images, grid, BANDS, radiometry=radiometry)
        clear = np.stack([clear_mask(sky, resolution_m=10) for sky in layers.sky.values])
        composite(layers.values, clear, method="medoid")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < window_bytes(grid.shape, len(images), len(BANDS))


@pytest.mark.slow
def test_radar_stays_linear_power(stac_world: Worlds) -> None:
    world = stac_world("small")
    images = observations_of(world, "sentinel-1")
    layers = load_window(images, world.ground.geobox, ["VV", "VH"], masked=False)
    assert layers.values.attrs["units"] == "linear power" and len(layers.sources) == 4
    there = layers.values.values[np.isfinite(layers.values.values)]
    assert (there > 0).all() and 0.001 < np.median(there) < 1


@pytest.mark.slow
def test_landsat_has_its_own_scale_and_quality_bits(stac_world: Worlds) -> None:
    world = stac_world("small")
    images = observations_of(world, "landsat")
    grid = world.ground.geobox.zoom_out(3)
    radiometry = {one.id: decide_radiometry(one, None) for one in images}
    layers = load_window(images, grid, ["B2", "B4"], radiometry=radiometry)
    coarse = world.truth.sel(band=["B02", "B04"]).values.reshape(2, grid.shape[0], 3, grid.shape[1], 3).mean((2, 4))
    for values, sky, (name,) in zip(layers.values.values, layers.sky.values, layers.sources, strict=True):
        clear = (sky == Sky.CLEAR) & world.clear(name)[1::3, 1::3]
        assert clear.mean() > 0.3 and (sky == Sky.CLOUD).any() and (sky == Sky.SHADOW).any()
        assert np.median(np.abs(values - coarse)[:, clear]) < 0.001
