"""Copies hold the numbers of their files where the area is, and each block is asked for once."""

import resource
import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from citygrain.errors import InputError, OutputError
from citygrain.imagery import mirror, patience
from citygrain.imagery.area import area_from_bbox, grid_for
from citygrain.imagery.catalogues import catalogue_named
from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.mirror import Early, copy_area
from citygrain.imagery.plan import make_plan
from citygrain.imagery.query import Query
from citygrain.imagery.reading import read_numbers, read_sample
from citygrain.imagery.searching import resolve_collection, search
from citygrain.imagery.signing import HeaderSigner
from citygrain.imagery.transport import Transport, forget_all
from helpers import faults


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)


def images_of(world, address, bands=("B04", "B11", "SCL")):
    transport, catalogue = Transport(retries=0, timeout=10), catalogue_named(str(address))
    collection = resolve_collection(catalogue, "sentinel-2", transport)
    found = search(catalogue, collection, Query(area_from_bbox(world.bbox)), transport)
    return ImageSet("sentinel-2", catalogue, collection, tuple(found[:2]), bands)


def middle(world, share=4):
    west, south, east, north = world.bbox
    dx, dy = (east - west) / share, (north - south) / share
    return grid_for(area_from_bbox([west + dx, south + dy, east - dx, north - dy]))


@pytest.mark.slow
@pytest.mark.parametrize("around", [0.0, 300.0])
def test_a_copy_holds_the_numbers_of_its_file(served, tmp_path, around):
    world, site = served("small")
    images, grid = images_of(world, site.api), middle(world)
    local = copy_area(images, grid, tmp_path, around_m=around)
    for (remote, band), (near, _) in zip(images.files(), local.files(), strict=True):
        copy = near.item.assets[near.assets[band]].href
        original = world.folder / remote.item.assets[remote.assets[band]].href.split("/static/")[1]
        with rasterio.open(copy) as here, rasterio.open(original) as there:
            window = there.window(*here.bounds).round_offsets().round_lengths()
            assert np.array_equal(here.read(1), there.read(1, window=window))
            assert here.nodata == there.nodata and here.dtypes == there.dtypes
            box, reach = grid.boundingbox, around if band == "SCL" else 0
            assert here.bounds.left <= max(box.left - reach, there.bounds.left)
            assert here.bounds.top >= min(box.top + reach, there.bounds.top)


@pytest.mark.slow
def test_a_copy_that_is_there_is_not_made_again(served, tmp_path):
    world, site = served("small")
    images, grid = images_of(world, site.api), middle(world)
    ticks = []
    copy_area(images, grid, tmp_path, progress=lambda *tick: ticks.append(tick))
    assert ticks[0] == (0, 6) and ticks[-1] == (6, 6)
    (tmp_path / "00003.tif").unlink()
    site.clear()
    copy_area(images, grid, tmp_path)
    assert len({entry.path for entry in site.log("*.tif")}) == 1


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_looked_at_early_is_copied_first_and_may_end_it(served, tmp_path, workers):
    world, site = served("small")
    images, grid, seen = images_of(world, site.api), middle(world), []

    def look(one):
        seen.append(one.id)
        with rasterio.open(one.item.assets[one.assets["SCL"]].href) as file:
            assert file.read(1).any()
        assert set(one.assets) == {"SCL"}

    copy_area(images, grid, tmp_path / "all", workers=workers, early=Early(("SCL",), look))
    assert seen == [one.id for one in images.observations]
    copy_area(images, grid, tmp_path / "all", workers=workers, early=Early(("SCL",), look))
    assert len(seen) == 4  # copies of an earlier fetch are looked at, too

    def refuse(one):
        raise InputError(one.id)

    with pytest.raises(InputError, match=images.observations[0].id):
        copy_area(images, grid, tmp_path / "none", workers=workers, early=Early(("SCL",), refuse))
    assert len(list((tmp_path / "none").iterdir())) <= workers + 1


def test_an_image_elsewhere_is_no_data_here(served, tmp_path):
    world, site = served("plain")
    west, south, east, north = world.bbox
    away = grid_for(area_from_bbox([west + 0.1, south, east + 0.1, north]))
    for observation in copy_area(images_of(world, site.api), away, tmp_path).observations:
        with rasterio.open(observation.item.assets[observation.assets["B04"]].href) as file:
            assert file.shape == (1, 1) and not (file.bounds.right > away.boundingbox.left)


@pytest.mark.parametrize("fault", [faults.truncated("*B11.tif", 3000), faults.missing("*B11.tif")])
def test_a_file_that_cannot_be_read_is_named_and_leaves_no_copy(served, tmp_path, fault):
    world, site = served("plain")
    site.faults(fault)
    with pytest.raises(InputError, match=r"^B11 of S2B_33UUU_2025.* cannot be read .*what was read is kept"):
        copy_area(images_of(world, site.api), middle(world), tmp_path, workers=1)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000.tif"]


def test_a_secret_goes_to_no_other_machine(served, tmp_path):
    world, site = served("plain")
    images = replace(images_of(world, site.api), signer=HeaderSigner("Authorization", "Bearer x", ("127.0.0.1",)))
    assert images.header() == "Authorization: Bearer x"
    copy_area(images, middle(world), tmp_path)
    asset = images.observations[0].item.assets[images.observations[0].assets["B04"]]
    asset.href = "https://elsewhere.example.org/a.tif"
    with pytest.raises(InputError, match="several machines"):
        images.header()


@pytest.mark.parametrize("way", ["copy", "plan", "sample", "numbers"])
def test_a_file_that_names_another_is_refused_and_the_other_is_not_read(served, stac_server, tmp_path, way):
    world, _ = served("plain")
    elsewhere = stac_server.serve(world.folder)
    folder = tmp_path / "catalogue"
    shutil.copytree(world.folder, folder)
    for path in folder.rglob("*B04.tif"):
        secret = f"/vsicurl/{elsewhere.url}/static/{path.relative_to(folder).as_posix()}"
        with rasterio.open(world.folder / path.relative_to(folder)) as original:
            path.write_text(vrt_of(secret, original))
        with rasterio.open(path) as made:
            assert made.read(1).any()  # GDAL would read it
    assert elsewhere.requests("*.tif") > 0
    forget_all()
    elsewhere.clear()
    images, grid = images_of(world, stac_server.serve(folder).api, ("B04",)), middle(world)
    do = {
        "copy": lambda: copy_area(images, grid, tmp_path / "copies", workers=1),
        "plan": lambda: make_plan(grid, [images]),
        "sample": lambda: read_sample(images.observations[0], grid, ["B04"]),
        "numbers": lambda: read_numbers(images.observations[0], grid, ["B04"]),
    }
    with pytest.raises(InputError, match=r"B04.tif is no GeoTIFF or JPEG 2000") as error:
        do[way]()
    assert "\n" not in str(error.value)
    assert elsewhere.requests("*") == 0
    assert not list(tmp_path.glob("copies/*"))


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_copy_that_the_disk_could_not_hold_is_none(served, tmp_path, monkeypatch, capfd, foreseen):
    world, site = served("small")
    images, grid = images_of(world, site.api, ("B04",)), grid_for(area_from_bbox(world.bbox))
    if not foreseen:  # where no room can be taken beforehand GDAL says nothing
        monkeypatch.setattr(mirror, "reserve", lambda *_: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="could not be written") as error:
            copy_area(images, grid, tmp_path, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
    assert not foreseen or capfd.readouterr().err == ""
    assert len(copy_area(images, grid, tmp_path).observations) == 2


LOCAL = rasterio.crs.CRS.from_wkt('LOCAL_CS["a building site",UNIT["metre",1]]')


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("lies on a turned grid", {"transform": rasterio.Affine(7, 7, 384_900, 7, -7, 5_813_000)}),
        ("lies on a turned grid", {"transform": rasterio.Affine(10, 0, 384_900, 0, 10, 5_813_000)}),
        ("lies on a grid that is none of the Earth", {"crs": LOCAL}),
        ("has no projection", {"crs": None}),
        ("has no projection", {"transform": rasterio.Affine.identity()}),
        ("holds numbers of type complex64", {"dtype": "complex64", "nodata": None}),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_that_lies_on_no_map_is_refused_in_a_line(stac_world, tmp_path, words, changes):
    world = stac_world("plain")
    folder = tmp_path / "catalogue"
    shutil.copytree(world.folder, folder)
    path = min(folder.rglob("*B04.tif"))
    with rasterio.open(path) as file:
        values = file.read(1)
        keys = ("crs", "transform", "nodata", "width", "height", "dtype", "count")
        profile = {"driver": "GTiff", **{key: file.profile[key] for key in keys}, **changes}
    path.unlink()
    with rasterio.open(path, "w", **profile) as target:
        target.write(values.astype(profile["dtype"]), 1)
    images = images_of(world, folder / "catalog.json", ("B04",))
    with pytest.raises(InputError, match=words) as error:
        copy_area(images, middle(world), tmp_path / "copies", workers=1)
    assert "\n" not in str(error.value)


def test_copies_say_themselves_where_they_lie(served, tmp_path):
    world, site = served("plain")
    images, grid = images_of(world, site.api, ("B04", "SCL")), middle(world)
    wrong = replace(images, observations=tuple(deepcopy(one) for one in images.observations))
    for one in wrong.observations:
        one.item.bbox, one.item.geometry = [-1.0, -1.0, 1.0, 1.0], None
        for asset in one.item.assets.values():
            asset.extra_fields |= {
                "proj:code": "EPSG:999999",
                "proj:shape": "wide",
                "raster:bands": [1, {"nodata": "x"}],
            }
    right, told = (copy_area(each, grid, tmp_path / name) for name, each in (("a", images), ("b", wrong)))
    for one, other in zip(right.observations, told.observations, strict=True):
        assert one.item.bbox == other.item.bbox
        numbers = [read_numbers(each, grid, ["B04", "SCL"]) for each in (one, other)]
        assert all(np.array_equal(numbers[0][band], numbers[1][band], equal_nan=True) for band in ("B04", "SCL"))


def vrt_of(source, like):
    """Return a VRT that shows the numbers of a file, as another one lies."""
    place = ",".join(map(str, like.transform.to_gdal()))
    return (
        f'<VRTDataset rasterXSize="{like.width}" rasterYSize="{like.height}"><SRS>{like.crs}</SRS>'
        f'<GeoTransform>{place}</GeoTransform><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
