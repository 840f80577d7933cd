import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.rows import LazyRows
from citygrain.samples.patch_folder import open_patch_folder, patch_splits, split_names

CLASSES = ("Forest", "River", "Town")
EUROSAT_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")


def picture(row: int, size: int = 8) -> npt.NDArray[np.uint8]:
    """A smooth patch, so that JPEG keeps it nearly."""
    ramp = np.arange(size)
    return np.stack(
        [10 * row + ramp[:, None] + 0 * ramp, 2 * ramp + 0 * ramp[:, None], np.full((size, size), 7 * row)], -1
    ).astype(np.uint8)


def encoded(values: npt.NDArray[np.generic], suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, values)
    elif suffix == ".tif":
        with rasterio.MemoryFile() as memory:
            profile = {"count": 3, "height": 8, "width": 8, "dtype": "uint8", "crs": "EPSG:32633"}
            where = from_origin(5000 + float(values[0, 0, 0]) * 80, 900, 10, 10)
            with memory.open(driver="GTiff", transform=where, **profile) as file:
                file.write(np.moveaxis(values, -1, 0))
                for i, name in enumerate(("B04", "B03", "B02"), start=1):
                    file.set_band_description(i, name)
            stream.write(memory.read())
    else:
        Image.fromarray(values).save(stream, {".jpg": "JPEG", ".png": "PNG"}[suffix], quality=95)
    return stream.getvalue()


def contents(suffix: str, n: int = 9) -> dict[str, bytes]:
    return {f"{CLASSES[i % 3]}/patch_{i}{suffix}": encoded(picture(i), suffix) for i in range(n)}


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(path: Path, files: dict[str, bytes], above: str = "Set/") -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(above + name, content)
    return path.with_suffix(".zip")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".npy"])
@pytest.mark.parametrize("write", [as_folder, as_zip])
def test_every_kind_opens_as_samples(tmp_path: Path, suffix: str, write: Callable[..., Path]) -> None:
    extra = {
        "notes.txt": b"no patch",
        ".hidden/a.jpg": b"",
        "__MACOSX/Forest/._patch_0.jpg": b"",
        "Forest/.DS_Store": b"",
    }
    path = write(tmp_path / "toy", contents(suffix) | extra)
    samples = open_patch_folder(path)
    assert isinstance(samples.x, LazyRows) and samples.x.shape == (9, 3, 8, 8)
    assert samples.legend.names == CLASSES and samples.legend.scheme == "toy"
    assert samples.y.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    order = [0, 3, 6, 1, 4, 7, 2, 5, 8]  # rows are in the order of the names
    expected = np.stack([np.moveaxis(picture(i), -1, 0) for i in order]).astype(np.float32)
    np.testing.assert_allclose(samples.x[:], expected, atol=4 if suffix == ".jpg" else 0)
    np.testing.assert_array_equal(samples.take(np.array([5, 1, 5])), samples.x[:][[5, 1, 5]])
    np.testing.assert_array_equal(samples[samples.y == 2].x[1], samples.x[4])
    told = {".tif": ("B04", "B03", "B02"), ".npy": ("band1", "band2", "band3")}
    assert samples.features == told.get(suffix, ("red", "green", "blue"))
    if suffix == ".tif":
        assert samples.extent[1].tolist() == [5000 + 30 * 80, 820, 5080 + 30 * 80, 900]
    else:
        assert np.isnan(samples.extent).all()


def test_names_scale_and_legend_are_the_users(tmp_path: Path) -> None:
    files = {name.replace("Forest", "Water").replace("River", "Low plants"): c for name, c in contents(".npy").items()}
    files = {name.replace("Town", "Dense trees"): content for name, content in files.items()}
    path = as_folder(tmp_path / "set", files)
    samples = open_patch_folder(path, bands=("B04", "B03", "B02"), scale=255, legend=LCZ)
    assert samples.features == ("B04", "B03", "B02") and set(samples.y.tolist()) == {11, 14, 17}
    assert samples.x[:].max() <= 1
    for wrong in ({"bands": ("B04",)}, {"bands": ("a", "a", "b")}, {"scale": 0}, {"split": "train"}):
        with pytest.raises(InputError):
            open_patch_folder(path, **wrong)
    with pytest.raises(InputError, match="class 'Forest' is not in legend"):
        open_patch_folder(as_folder(tmp_path / "other", contents(".npy")), legend=LCZ)


def test_no_data_of_a_geotiff_is_nan(tmp_path: Path) -> None:
    path = tmp_path / "set" / "Forest" / "a.tif"
    path.parent.mkdir(parents=True)
    values = np.arange(1, 65, dtype=np.uint16).reshape(1, 8, 8)
    with rasterio.open(
        path,
        "w",
        "GTiff",
        width=8,
        height=8,
        count=1,
        dtype="uint16",
        nodata=7,
        crs="EPSG:32633",
        transform=from_origin(0, 0, 10, 10),
    ) as file:
        file.write(values)
    x = open_patch_folder(tmp_path / "set").x[:]
    assert np.isnan(x).sum() == 1 and np.isnan(x[0, 0, 0, 6]) and x[0, 0, 7, 7] == 64


def test_decoded_patches_are_kept_only_where_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_zip(tmp_path / "set", contents(".png", 200))
    kept = open_patch_folder(path)
    whole = kept.x[:]
    path.write_bytes(b"")  # nothing is read a second time
    np.testing.assert_array_equal(kept[kept.y > 0].x[3:150], whole[3:150])
    monkeypatch.setattr("citygrain.samples.patch_files._KEPT", 100)
    path = as_zip(tmp_path / "other", contents(".png", 200))
    np.testing.assert_array_equal(open_patch_folder(path).x[[150, 3, 150]], whole[[150, 3, 150]])


def csv(*names: str) -> bytes:
    return ("\n".join([",Filename,Label,ClassName", *(f"{i},{name},0,x" for i, name in enumerate(names))])).encode()


@pytest.mark.parametrize("place", ["inside", "beside"])
def test_split_tables_choose_rows(tmp_path: Path, place: str) -> None:
    tables = {"train.csv": csv("Forest/patch_0.png", "River/patch_1.png"), "val.csv": csv("Town/patch_2.png")}
    path = as_zip(tmp_path / "set", contents(".png") | (tables if place == "inside" else {}))
    if place == "beside":
        as_folder(tmp_path, tables)
    assert split_names(path) == ("train", "validation")
    assert {name: rows.tolist() for name, rows in patch_splits(path).items()} == {"train": [0, 3], "validation": [6]}
    assert open_patch_folder(path, split="train").y.tolist() == [1, 2]
    with pytest.raises(InputError, match="one of train, validation"):
        open_patch_folder(path, split="test")


def test_a_neighbours_table_is_left_alone_and_a_wrong_one_refused(tmp_path: Path) -> None:
    path = as_folder(tmp_path / "set", contents(".png"))
    (tmp_path / "train.csv").write_bytes(csv("Forest/patch_0.jpg"))
    assert patch_splits(path) == {}
    for name, table, told in (
        ("train.csv", csv("Forest/patch_0.png", "Forest/none.png"), "names Forest/none.png"),
        ("train.csv", b"a,b\n1,2\n", "wanted: a column Filename"),
        ("train.csv", b"\xff\xfe\x00", "no text"),
        ("test.csv", csv("Forest/patch_0.png"), "is in train and in test"),
    ):
        (path / "train.csv").write_bytes(csv("Forest/patch_0.png"))
        (path / name).write_bytes(table)
        with pytest.raises(InputError, match=told):
            patch_splits(path)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "has no patches"),
        ({"a.png": b""}, "has patches at a.png; wanted: one subfolder"),
        ({"Forest/a.png": b"", "more/Town/b.png": b""}, "has patches at"),
        ({"x/Forest/a.png": b"", "y/Town/b.png": b""}, "has patches at"),
        ({"Forest/a.png": encoded(picture(0), ".png"), "Town/b.npy": b""}, "mixes"),
        ({"Forest/a.png": b"no image"}, "cannot be decoded"),
        ({"Forest/a.jpg": encoded(picture(0), ".jpg")[:300]}, "cannot be decoded"),
        ({"Forest/a.tif": encoded(picture(0), ".tif")[:60]}, "cannot be decoded"),
        ({"Forest/a.npy": encoded(picture(0), ".npy")[:-5]}, "its header speaks of"),
        ({"Forest/a.npy": encoded(np.array([{}], object), ".npy")}, "wanted: numbers"),
    ],
)
def test_what_is_no_set_of_patches_is_refused(tmp_path: Path, files: dict[str, bytes], told: str) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match=told) as refused:
        open_patch_folder(as_folder(tmp_path / "set", files))
    assert "\n" not in str(refused.value)


def test_the_first_odd_file_is_named(tmp_path: Path) -> None:
    odd = {"Town/odd.png": encoded(picture(0, size=9), ".png")}
    samples = open_patch_folder(as_folder(tmp_path / "set", contents(".png", 100) | odd))
    assert samples.x[:30].shape[0] == 30
    with pytest.raises(InputError, match=r"Town/odd.png is uint8 \(9, 9, 3\), but Forest/patch_0.png"):
        samples.x[:]


def png_bomb(side: int) -> bytes:
    """A small file whose header claims side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_bombs_are_refused(tmp_path: Path) -> None:
    for side in (5000, 30_000):
        with pytest.raises(InputError, match="would decode to"):
            open_patch_folder(as_zip(tmp_path / "bomb", {"Forest/a.png": png_bomb(side)}))
    with pytest.raises(InputError, match="times its size"):
        open_patch_folder(as_zip(tmp_path / "zeros", {"Forest/a.npy": bytes(70 * 2**20)}))
    claim = io.BytesIO()
    np.lib.format.write_array_header_1_0(claim, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with pytest.raises(InputError, match="its header speaks of"):
        open_patch_folder(as_zip(tmp_path / "claim", {"Forest/a.npy": claim.getvalue()}))


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citygrain.samples.patch_store.LARGEST", 150)
    for write in (as_folder, as_zip):
        with pytest.raises(InputError, match="is larger than"):
            open_patch_folder(write(tmp_path / "set", {"Forest/a.npy": encoded(picture(0), ".npy")}))


def test_broken_archives_are_refused(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set", contents(".png"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole zip"):
        open_patch_folder(path)
    bent = bytearray(whole)
    bent[60:90] = bytes(30)  # inside the first file
    path.write_bytes(bytes(bent))
    with pytest.raises(InputError, match="cannot be decoded"):
        open_patch_folder(path)


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_pictures_that_are_no_bands_are_refused(tmp_path: Path, mode: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture(1)).convert(mode).save(stream, "JPEG" if mode == "CMYK" else "PNG")
    with pytest.raises(InputError, match=f"mode {mode}"):
        open_patch_folder(as_folder(tmp_path / "s", {f"a/b.{'jpg' if mode == 'CMYK' else 'png'}": stream.getvalue()}))


@pytest.mark.slow
def test_eurosat_and_its_split(data: Path) -> None:
    path = data / "eurosat/EuroSAT_RGB.zip"
    samples = open_patch_folder(path, split="test")
    assert samples.x.shape == (2700, 3, 64, 64) and len(samples.legend) == 10
    splits = patch_splits(path)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [18_900, 5400, 2700]
    assert len(np.unique(np.concatenate(list(splits.values())))) == 27_000
    first = samples.x[:64]
    assert first.min() >= 0 and 100 < first.max() <= 255


@pytest.mark.slow
def test_the_thirteen_bands_of_eurosat(data: Path) -> None:
    samples = open_patch_folder(data / "eurosat/ms13", bands=EUROSAT_BANDS, scale=10_000)
    assert samples.x.shape == (279, 13, 64, 64) and patch_splits(data / "eurosat/ms13") == {}
    side = samples.extent[:, 2] - samples.extent[:, 0]
    assert ((side > 630) & (side < 650)).all()
    forest = samples[samples.y == samples.legend.code_of("Forest")].select(("B04", "B08"))
    red, nir = np.moveaxis(forest.x[:], 1, 0)
    assert np.median((nir - red) / (nir + red)) > 0.6
