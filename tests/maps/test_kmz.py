import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from PIL import Image
from rasterio.warp import transform

from citygrain.errors import InputError, OutputError
from citygrain.legend import LCZ, Legend
from citygrain.maps.kmz import _document, write_kmz
from citygrain.tessellation import raster_like

KML = "{http://www.opengis.net/kml/2.2}"


def city(shape: tuple[int, int] = (30, 40)) -> xr.DataArray:
    x, y = 385_000, 5_820_000
    grid = GeoBox.from_bbox((x, y - 100 * shape[0], x + 100 * shape[1], y), "EPSG:32633", resolution=100)
    codes = np.random.default_rng(0).integers(0, 18, shape).astype(np.uint8)
    return raster_like(codes, grid)


def opened(path: Path) -> tuple[dict[str, float], np.ndarray, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    root = ElementTree.fromstring(files["doc.kml"], forbid_dtd=True)
    box = {side.tag.removeprefix(KML): float(side.text) for side in root.iter(f"{KML}LatLonBox").__next__()}
    return box, np.array(Image.open(io.BytesIO(files["map.png"]))), files


def test_each_cell_shows_its_colour_where_it_lies_on_the_globe(tmp_path: Path) -> None:
    codes = city()
    write_kmz(tmp_path / "map.kmz", codes, LCZ, title="Berlin")
    box, picture, _ = opened(tmp_path / "map.kmz")
    y, x = np.meshgrid(codes.y.values, codes.x.values, indexing="ij")
    lon, lat = (np.array(each) for each in transform("EPSG:32633", "EPSG:4326", x.ravel(), y.ravel()))
    column = (lon - box["west"]) / (box["east"] - box["west"]) * picture.shape[1]
    row = (box["north"] - lat) / (box["north"] - box["south"]) * picture.shape[0]
    shown = picture[row.astype(int), column.astype(int)]
    wanted = np.array([LCZ.colormap()[code] for code in codes.values.ravel().tolist()])
    assert np.array_equal(shown, wanted)  # the middle of every cell; no data is transparent


def test_the_file_has_the_legend_and_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.kmz", "b.kmz"):
        write_kmz(tmp_path / name, city(), LCZ, title="Berlin", key=b"picture")
    assert (tmp_path / "a.kmz").read_bytes() == (tmp_path / "b.kmz").read_bytes()
    _, _, files = opened(tmp_path / "a.kmz")
    assert next(iter(files)) == "doc.kml" and files["legend.png"] == b"picture"  # Google Earth opens the first KML
    assert b"ScreenOverlay" in files["doc.kml"] and b"Compact high-rise" in files["doc.kml"]
    write_kmz(tmp_path / "a.kmz", city(), LCZ, title="Berlin")
    assert b"ScreenOverlay" not in opened(tmp_path / "a.kmz")[2]["doc.kml"]


@given(st.text(min_size=1, max_size=30))
def test_hostile_names_stay_text(name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    document = _document(Legend.from_names({1: name}), name, (0.0, 0.0, 1.0, 1.0), with_key=True)
    root = ElementTree.fromstring(document, forbid_dtd=True)
    (description,) = (element.text for element in root.iter(f"{KML}description"))
    assert description is not None
    inner = ElementTree.fromstring(description.replace("&nbsp;", " "), forbid_dtd=True)  # what the balloon parses
    cells = [cell.text or "" for cell in inner.iter("td")]
    assert cells[2] == "".join(c if c.isprintable() else " " for c in name)


def test_large_maps_are_shown_in_a_size_that_the_program_takes(tmp_path: Path) -> None:
    write_kmz(tmp_path / "map.kmz", city((30, 6000)), LCZ, title="long")
    assert opened(tmp_path / "map.kmz")[1].shape[1] <= 4096


def test_maps_without_a_place_and_folders_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    nowhere = xr.DataArray(np.ones((4, 4), np.uint8), dims=("y", "x"), coords={"y": [3, 2, 1, 0], "x": [0, 1, 2, 3]})
    with pytest.raises(InputError, match="coordinate system"):
        write_kmz(tmp_path / "map.kmz", nowhere, LCZ, title="nowhere")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError):
        write_kmz(tmp_path / "file" / "map.kmz", city(), LCZ, title="Berlin")


def test_degrees_stay_as_they_are(tmp_path: Path) -> None:
    grid = GeoBox.from_bbox((13.0, 52.0, 13.4, 52.2), "EPSG:4326", resolution=0.01)
    codes = raster_like(np.random.default_rng(0).integers(1, 18, grid.shape).astype(np.uint8), grid)
    write_kmz(tmp_path / "map.kmz", codes, LCZ, title="degrees")
    box, picture, files = opened(tmp_path / "map.kmz")
    assert box == pytest.approx({"west": 13.0, "south": 52.0, "east": 13.4, "north": 52.2})
    assert picture.shape[2] == 4 and set(files) == {"doc.kml", "map.png"}
    assert np.array_equal(picture[7::15, 7::15, :3], np.array([LCZ.colormap()[c][:3] for c in range(18)])[codes.values])
