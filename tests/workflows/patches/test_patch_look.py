"""A first look at patches: what is told of them, and which figures come of which sensors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.samples.store import write_samples
from citygrain.sensors import SO2SAT_SENTINEL1, SO2SAT_SENTINEL2
from citygrain.workflows.patches.patch_look import describe_patches, look_at_patches
from citygrain.workflows.patches.patch_source import PatchSource
from helpers.patch_worlds import make_patches, write_patches
from helpers.so2sat_files import write_so2sat


@pytest.mark.slow
def test_both_sensors_of_so2sat(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "a.h5", 34)
    about = look_at_patches(PatchSource(tmp_path / "a.h5"), tmp_path / "look.png", per_class=2)
    assert about["figures"] == {"patches": str(tmp_path / "look.png"), "sentinel-1": str(tmp_path / "look-s1.png")}
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in about["figures"].values())
    assert [row["name"] for row in about["channels"]] == [*SO2SAT_SENTINEL2, *SO2SAT_SENTINEL1]
    assert len(about["channels"]) == 18 and about["shape"] == [10, 32, 32]
    assert set(about["classes"].values()) == {2}


def test_one_sensor_alone(tmp_path: Path) -> None:
    write_so2sat(tmp_path / "s1.h5", 34, sen2=False)
    about = look_at_patches(PatchSource(tmp_path / "s1.h5"), tmp_path / "look.png", per_class=2)
    assert list(about["figures"]) == ["sentinel-1"] and len(about["channels"]) == 8
    write_so2sat(tmp_path / "s2.h5", 34, sen1=False)
    about = look_at_patches(PatchSource(tmp_path / "s2.h5"), tmp_path / "look.png", per_class=2)
    assert list(about["figures"]) == ["patches"]


def test_ranges_groups_and_missing_values(tmp_path: Path) -> None:
    samples = make_patches(40)
    x = samples.x.copy()
    x[:20, 1] = np.nan
    x[0, 0, 0, 0] = 9
    write_samples(tmp_path / "a.h5", replace(samples, x=x))
    source = PatchSource(tmp_path / "a.h5")
    about = describe_patches(source.open(), source)
    first, second = about["channels"][:2]
    assert first["max"] == 9 and first["missing"] == 0 and second["missing"] == 0.5
    assert (about["groups"], about["unlabelled"], about["ground_known"], about["probed"]) == (8, 0, True, 40)
    assert first["p2"] == pytest.approx(np.percentile(x[:, 0], 2))


def test_what_is_no_patch_file_is_refused(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5", 20)
    with pytest.raises(InputError, match="B99"):
        look_at_patches(PatchSource(tmp_path / "a.h5"), tmp_path / "look.png", rgb=("B99", "B03", "B02"))
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="cannot be opened"):
        look_at_patches(PatchSource(tmp_path / "b.h5"), tmp_path / "look.png")
