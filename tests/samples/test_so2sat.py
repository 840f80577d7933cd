from pathlib import Path

import h5py
import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.features.sar import so2sat_sar
from citygrain.legend import LCZ
from citygrain.rows import LazyRows
from citygrain.samples.samples import Samples
from citygrain.samples.so2sat import city_names, open_so2sat, so2sat_parts
from citygrain.samples.so2sat_ground import SO2SAT_CITIES
from citygrain.samples.split import split_blocks
from citygrain.samples.store import write_samples
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL1, SO2SAT_SENTINEL2
from helpers.so2sat_files import write_geo, write_so2sat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("so2sat")
    write_so2sat(folder / "training.h5")
    return folder


def test_bands_classes_and_values_are_those_of_the_file(folder: Path) -> None:
    samples = open_so2sat(folder / "training.h5")
    assert isinstance(samples.x, LazyRows) and samples.x.shape == (60, 10, 32, 32)
    assert samples.features == SO2SAT_SENTINEL2 and samples.legend == LCZ
    assert samples.y.tolist() == [i % 17 + 1 for i in range(60)]
    with h5py.File(folder / "training.h5") as file:
        stored = file["sen2"][:]
    np.testing.assert_array_equal(samples.x[11:14], np.moveaxis(stored[11:14], -1, 1).astype(np.float32))
    assert (samples.group == -1).all() and np.isnan(samples.extent).all()
    assert city_names(folder / "training.h5") == {}


def test_both_sensors_radar_first(folder: Path) -> None:
    raw = open_so2sat(folder / "training.h5", sensors=("s2", "s1"), radar="raw")
    assert raw.features == SO2SAT_SENTINEL1 + SO2SAT_SENTINEL2
    made = open_so2sat(folder / "training.h5", sensors=("s1", "s2"))
    assert made.features == SAR_FEATURES + SO2SAT_SENTINEL2 and isinstance(made.x, LazyRows)
    rows = np.array([0, 59, 7])
    np.testing.assert_array_equal(made.take(rows)[:, :7], so2sat_sar(raw.take(rows)[:, :8]))
    np.testing.assert_array_equal(made.take(rows)[:, 7:], raw.take(rows)[:, 8:])
    only = open_so2sat(folder / "training.h5", sensors="s1")
    assert only.features == SAR_FEATURES and np.isfinite(only.x[:]).all()


@pytest.mark.parametrize(("label", "dtype", "chunks"), [("0-16", np.float32, 8), ("1-17", np.float64, None)])
def test_integer_labels_and_other_layouts(tmp_path: Path, label: str, dtype: type, chunks: int | None) -> None:
    codes = write_so2sat(tmp_path / "a.h5", 40, label=label, dtype=dtype, chunks=chunks, sen1=False)
    assert open_so2sat(tmp_path / "a.h5").y.tolist() == codes.tolist()
    if label == "1-17":
        with pytest.raises(InputError, match="with first_label = 0"):
            open_so2sat(tmp_path / "a.h5", first_label=0)
    else:
        assert open_so2sat(tmp_path / "a.h5", first_label=1).y.tolist() == (codes - 1).tolist()  # 0 = unlabelled


def test_labels_that_leave_their_start_open_are_asked_for(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 3, label="1-17", sen1=False)  # 1, 2, 3
    with pytest.raises(InputError, match=r"may be 0-16 or 1-17; wanted: first_label"):
        open_so2sat(tmp_path / "a.h5")
    assert open_so2sat(tmp_path / "a.h5", first_label=0).y.tolist() == [2, 3, 4]
    assert open_so2sat(tmp_path / "a.h5", first_label=1).y.tolist() == [1, 2, 3]


def test_a_file_without_labels_is_unlabelled(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 4, label="none")
    assert (open_so2sat(tmp_path / "a.h5").y == 0).all()


def test_folders_of_all_versions(tmp_path: Path) -> None:
    for name in ("training", "validation", "testing", "random/training", "random/testing", "culture_10/testing"):
        write_so2sat(tmp_path / f"{name}.h5", 17 + len(name), sen1=False)
    write_geo(tmp_path / "training_geo.h5", 25)
    assert len(so2sat_parts(tmp_path)) == 6 and "training_geo" not in so2sat_parts(tmp_path)
    assert len(open_so2sat(tmp_path, part="train")) == 25
    assert len(open_so2sat(tmp_path, part="random/test")) == len(open_so2sat(tmp_path / "random", part="testing"))
    assert len(open_so2sat(tmp_path / "culture_10")) == 17 + len("culture_10/testing")
    with pytest.raises(InputError, match="folder of several files; wanted: part = one of testing, training"):
        open_so2sat(tmp_path)
    with pytest.raises(InputError, match="no part 'block/testing'"):
        open_so2sat(tmp_path, part="block/testing")


@pytest.mark.parametrize("layout", ["2026", "first"])
def test_geolocation_gives_city_and_extent(tmp_path: Path, layout: str) -> None:
    write_so2sat(tmp_path / "testing.h5", sen1=False)
    cities = write_geo(tmp_path / "testing_geo.h5", layout=layout)
    samples = open_so2sat(tmp_path / "testing.h5")
    names = city_names(tmp_path / "testing.h5")
    assert len(names) == 4  # New York and Philadelphia share a zone, and are two
    for name in set(cities):
        own = samples.group[np.array(cities) == name]
        assert len(set(own.tolist())) == 1
        assert layout == "first" or (names[own[0]] == name and SO2SAT_CITIES[own[0]] == name)
    assert samples.extent[0].tolist() == [380000, 5820000 - 320, 380320, 5820000]
    assert samples.extent[4].tolist() == [380100, 5820000 - 320, 380420, 5820000]


def test_blocks_of_ground_split_a_city(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 400, sen1=False, dtype=np.float32)
    write_geo(tmp_path / "elsewhere.h5", 400, cities=("berlin",))
    samples = open_so2sat(tmp_path / "a.h5", geo=tmp_path / "elsewhere.h5")
    train, test = split_blocks(samples, 2000, rng=np.random.default_rng(0))
    assert isinstance(train.x, LazyRows)
    apart = (train.extent[:, None, 0] >= test.extent[None, :, 2]) | (
        train.extent[:, None, 2] <= test.extent[None, :, 0]
    )
    assert len(train) > 50 and len(test) > 50 and apart.all()


def test_companions_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 20, sen1=False)
    write_geo(tmp_path / "other.h5", 21)
    with pytest.raises(InputError, match="20 of numbers, as the patches"):
        open_so2sat(tmp_path / "a.h5", geo=tmp_path / "other.h5")
    with pytest.raises(InputError, match="no known data set"):
        open_so2sat(tmp_path / "a.h5", geo=tmp_path / "a.h5")
    with pytest.raises(InputError, match="does not exist"):
        open_so2sat(tmp_path / "a.h5", geo=tmp_path / "none.h5")
    write_geo(tmp_path / "bent.h5", 20)
    with h5py.File(tmp_path / "bent.h5", "r+") as file:
        file["tfw"][3] = np.nan
    with pytest.raises(InputError, match="no pixels of 10 m"):
        open_so2sat(tmp_path / "a.h5", geo=tmp_path / "bent.h5")
    with h5py.File(tmp_path / "bent.h5", "r+") as file:
        file["tfw"][:] = [10, 0, 0, -10, 1e300, 0]
    with pytest.raises(InputError, match="no UTM metres"):
        open_so2sat(tmp_path / "a.h5", geo=tmp_path / "bent.h5")


REPLACED: dict[str, dict[str, object]] = {
    "empty": {"sen1": None, "sen2": None},
    "label": {"label": np.eye(17)[:5]},
    "channels": {"sen2": np.zeros((20, 32, 32, 13))},
    "sides": {"sen1": np.zeros((20, 16, 16, 8))},
    "nan": {"sen2": np.full((20, 32, 32, 10), np.nan)},
    "two hot": {"label": np.ones((20, 17))},
    "text": {"label": np.full(20, b"LCZ 1")},
    "half": {"label": np.arange(20) / 2},
    "scalar": {"label": 1.0},
    "link": {"sen2": h5py.SoftLink("/nowhere")},
}


def broken(path: Path, what: str) -> None:
    """Spoil a whole file in one way."""
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-5000])
        return
    if what == "foreign":
        path.write_text("no HDF5 at all")
        return
    with h5py.File(path, "r+") as file:
        for name, data in REPLACED.get(what, {}).items():
            del file[name]
            if data is not None:
                file[name] = data
        if what == "group":
            del file["label"]
            file.create_group("label")
        elif what == "claim":
            del file["sen2"]
            file.create_dataset("sen2", (10**9, 32, 32, 10), np.float64, chunks=(1, 32, 32, 10))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("truncated", "cannot be read as HDF5"),
        ("foreign", "cannot be read as HDF5"),
        ("empty", "has no sen1 and no sen2"),
        ("label", "differ in length: sen1 20, sen2 20, label 5"),
        ("channels", r"shape \(20, 32, 32, 13\)"),
        ("sides", "the same size"),
        ("nan", "nothing but NaN"),
        ("two hot", "not one-hot"),
        ("text", "one-hot or"),
        ("half", "one-hot or"),
        ("group", "label"),
        ("link", "cannot be read as HDF5"),
        ("scalar", "label 0"),
        ("claim", "claims 1,000,000,000 rows"),
    ],
)
def test_broken_files_are_refused_in_a_line(tmp_path: Path, what: str, told: str) -> None:
    write_so2sat(tmp_path / "a.h5", 20)
    broken(tmp_path / "a.h5", what)
    with pytest.raises(InputError, match=told) as refused:
        open_so2sat(tmp_path / "a.h5", sensors=("s1", "s2"))
    assert "\n" not in str(refused.value)


def test_ground_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 20, sen1=False)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["coords"] = np.full((20, 2), b"here")
        file.create_group("polygon_id")
    assert (open_so2sat(tmp_path / "a.h5").group == -1).all()


def test_wrong_options_are_refused(folder: Path, tmp_path: Path) -> None:
    for wrong in ({"sensors": ("s3",)}, {"sensors": ()}, {"radar": "db"}, {"part": "testing"}):
        with pytest.raises(InputError):
            open_so2sat(folder / "training.h5", **wrong)
    ours = Samples.of(np.ones((2, 3, 4, 4), np.float32), [1, 2], features=("a", "b", "c"), legend=LCZ)
    write_samples(tmp_path / "ours.h5", ours)
    with pytest.raises(InputError, match="read_samples"):
        open_so2sat(tmp_path / "ours.h5")


def test_the_real_berlin_patches(data: Path) -> None:
    path = data / "so2sat/berlin_lcz_patches.h5"
    samples = open_so2sat(path)
    assert samples.x.shape == (235, 10, 32, 32)
    assert {name: count for name, count in samples.counts().items() if count} == {
        "Compact midrise": 172,
        "Open midrise": 63,
    }
    assert np.unique(samples.group).tolist() == [12, 13, 14, 15] and city_names(path)[12] == "polygon 12"
    assert np.allclose(samples.extent[:, 2:] - samples.extent[:, :2], 320)
    with pytest.raises(InputError, match="has no sen1"):
        open_so2sat(path, sensors=("s1", "s2"))


def test_the_extent_of_a_real_patch_is_its_ground(data: Path) -> None:
    import rasterio
    from rasterio.windows import from_bounds

    samples = open_so2sat(data / "so2sat/berlin_lcz_patches.h5")
    with rasterio.open(data / "scenes/berlin/s2_20241024.tif") as scene:
        window = from_bounds(*samples.extent[100], scene.transform).round_offsets(op="floor").round_lengths()
        ground = scene.read(window=window) / 10_000
    np.testing.assert_allclose(samples.x[100], ground, atol=1e-6)
