"""COGs: what is written comes back, GDAL finds colours and names, and a file is whole or not there."""

import errno
import resource
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from citygrain.errors import InputError, OutputError
from citygrain.legend import LCZ, URBAN
from citygrain.scene.cog import deny_transparency
from citygrain.scene.write import write_cog


def grid(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, 257_070.5, 0, -10, 285_728.7), "EPSG:27700")


def codes(height: int = 300, width: int = 400, classes: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, (height, width)).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 90)),
    st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]),
    st.integers(0, 1000),
)
def test_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], dtype: str, seed: int
) -> None:
    file = tmp_path_factory.mktemp("cog") / "a.tif"
    raw = np.random.default_rng(seed).bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
    values = np.frombuffer(raw, dtype).reshape(shape)
    write_cog(file, values, grid(*shape[1:]), band_names=[f"b{i}" for i in range(shape[0])], tags={"units": "m"})
    with rasterio.open(file) as source:
        np.testing.assert_array_equal(source.read(), values)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.transform == grid(1, 1).affine
        assert source.crs.to_epsg() == 27700
        assert source.descriptions == tuple(f"b{i}" for i in range(shape[0]))
        assert source.tags()["units"] == "m"


def test_a_map_has_colours_names_overviews_and_no_data(tmp_path: Path) -> None:
    file = tmp_path / "map.tif"
    values = codes()
    names = {c.code: c.name for c in URBAN}
    write_cog(file, values, grid(300, 400), nodata=0, colormap=URBAN.colormap(), names=names)
    with rasterio.open(file) as source:
        np.testing.assert_array_equal(source.read(1), values)
        assert source.nodata == 0
        assert source.colorinterp == (ColorInterp.palette,)
        for code, color in URBAN.colormap().items():
            assert source.colormap(1)[code] == color
        assert source.overviews(1) == [2]
    with rasterio.open(file, overview_level=0) as smaller:
        # Nearest, never an average: classes 1 and 3 have no 2 between them.
        assert set(np.unique(smaller.read(1))) <= set(np.unique(values))
    assert _gdal_names(file, tmp_path) == ["", *URBAN.names]
    assert _gdal_table(file, tmp_path) == [[str(c.code), c.name, *map(str, URBAN.colormap()[c.code])] for c in URBAN]


def _copied(file: Path, folder: Path, driver: str, name: str) -> ET.Element:
    """Let GDAL copy the file with all it knows of it, and return what it wrote down as XML."""
    rasterio.shutil.copy(file, folder / name, driver=driver)
    xml = folder / (name if driver == "VRT" else f"{name}.aux.xml")
    return ET.fromstring(xml.read_text())  # noqa: S314 - written by GDAL a moment ago


def _gdal_names(file: Path, folder: Path) -> list[str]:
    return [each.text or "" for each in _copied(file, folder, "GTiff", "copy.tif").iter("Category")]


def _gdal_table(file: Path, folder: Path) -> list[list[str]]:
    rows = _copied(file, folder, "VRT", "copy.vrt").iter("Row")
    return [[field.text or "" for field in row] for row in rows]


@pytest.mark.parametrize(
    "names", [{1: "A & <b> \"c\" 'd'"}, {3: "Wasserfläche 水"}, {1: "two\nlines\x00"}, {255: "last"}]
)
def test_any_name_reaches_gdal(tmp_path: Path, names: dict[int, str]) -> None:
    write_cog(tmp_path / "m.tif", codes(5, 6), grid(5, 6), names=names)
    ((code, name),) = names.items()
    spoken = "".join(c if c.isprintable() else " " for c in name)
    found = _gdal_names(tmp_path / "m.tif", tmp_path)
    assert len(found) == code + 1
    assert found[code] == spoken
    assert _gdal_table(tmp_path / "m.tif", tmp_path) == [[str(code), spoken]]


def test_lcz_class_e_is_black_and_no_data_is_not(tmp_path: Path) -> None:
    write_cog(tmp_path / "m.tif", codes(5, 6), grid(5, 6), nodata=0, colormap=LCZ.colormap())
    with rasterio.open(tmp_path / "m.tif") as source:
        assert source.colormap(1)[15] == (0, 0, 0, 255)
        assert source.colormap(1)[0][3] == 0


def test_floats_are_averaged_in_overviews_and_keep_nan(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((512, 512)).astype(np.float32)
    values[:2, :2] = np.nan
    write_cog(tmp_path / "c.tif", values, grid(512, 512), nodata=np.nan)
    with rasterio.open(tmp_path / "c.tif", overview_level=0) as smaller:
        half = smaller.read(1)
    expected = values.reshape(256, 2, 256, 2).mean((1, 3))
    np.testing.assert_allclose(half, expected, rtol=1e-5)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        write_cog(tmp_path / name, codes(), grid(300, 400), colormap=URBAN.colormap(), names={1: "x"}, tags={"k": "v"})
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert (tmp_path / "a.tif.aux.xml").read_bytes() == (tmp_path / "b.tif.aux.xml").read_bytes()


def test_names_of_an_earlier_file_do_not_stay(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", codes(5, 6), grid(5, 6), names={1: "old"})
    write_cog(tmp_path / "a.tif", codes(5, 6), grid(5, 6))
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.zeros((3, 4), np.uint8), {}, r"shape \(3, 4\); wanted: \(5, 6\)"),
        (np.zeros((2, 2, 5, 6), np.uint8), {}, "shape"),
        (np.zeros((0, 5, 6), np.uint8), {}, "shape"),
        (np.zeros((5, 6), np.float16), {}, "array of float16"),
        (np.zeros((5, 6), np.complex64), {}, "array of complex64"),
        (np.zeros((5, 6), np.float32), {"colormap": URBAN.colormap()}, "colour table for 1 bands of float32"),
        (np.zeros((3, 5, 6), np.uint8), {"colormap": URBAN.colormap()}, "colour table for 3 bands"),
        (np.zeros((5, 6), np.uint8), {"colormap": {300: (0, 0, 0, 0)}}, "codes of uint8"),
        (np.zeros((5, 6), np.uint8), {"band_names": ["a", "b"]}, "2 band names for 1 bands"),
        (np.zeros((5, 6), np.uint8), {"nodata": -1}, "no data number -1.*of uint8"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, values: np.ndarray, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_cog(tmp_path / "a.tif", values, grid(5, 6), **options)
    assert not list(tmp_path.iterdir())


def test_bool_becomes_0_and_1(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", np.eye(3, dtype=bool), grid(3, 3))
    with rasterio.open(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(1), np.eye(3))


def test_the_folder_is_made(tmp_path: Path) -> None:
    write_cog(tmp_path / "new" / "er" / "a.tif", codes(5, 6), grid(5, 6))
    assert (tmp_path / "new" / "er" / "a.tif").exists()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"a\.tif could not be written: .*; free disk space or choose another folder"):
        write_cog(tmp_path / "out" / "a.tif", codes(5, 6), grid(5, 6))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tif"
    write_cog(file, codes(5, 6), grid(5, 6))
    before = file.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as target:
            target.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_cog(file, codes(5, 6, 2), grid(5, 6))
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
    assert file.read_bytes() == before


@pytest.mark.slow
def test_a_real_limit_on_file_size_is_an_output_error(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from citygrain.errors import OutputError
from citygrain.scene.write import write_cog
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).random((300, 300)).astype(np.float32)
try:
    write_cog(Path(sys.argv[1]), noise, GeoBox((300, 300), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633"))
except OutputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.tif")], capture_output=True, text=True, check=True
    )
    assert "a.tif could not be written: File too large" in run.stdout
    assert not list(tmp_path.iterdir())
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


@pytest.mark.parametrize("bigtiff", ["YES", "NO"])
def test_no_directory_of_a_tiff_takes_a_second_band_for_transparency(bigtiff: str) -> None:
    values = np.random.default_rng(0).integers(0, 5, (2, 300, 300)).astype(np.uint8)
    options = {"count": 2, "height": 300, "width": 300, "dtype": "uint8", "blocksize": 128, "bigtiff": bigtiff}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="COG", transform=grid(300, 300).affine, crs="EPSG:32633", **options) as target:
            target.write(values)
            target.write_colormap(1, URBAN.colormap())
        image = bytearray(memory.getbuffer())
    deny_transparency(image)
    for level in ({}, {"overview_level": 0}, {"overview_level": 1}):
        with rasterio.MemoryFile(bytes(image)) as memory, memory.open(**level) as file:
            assert [kind.name for kind in file.colorinterp] == ["palette", "undefined"]
            assert level or np.array_equal(file.read(), values)
