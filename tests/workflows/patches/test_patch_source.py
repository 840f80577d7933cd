"""What patches are called, read in which units, and marked by."""

from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.workflows.patches import patch_source
from citygrain.workflows.patches.patch_source import PatchSource, content_mark
from helpers.patch_worlds import BANDS, write_patches
from helpers.so2sat_files import write_so2sat


def write_folder(folder: Path) -> None:
    for name in ("Forest", "Water"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            np.save(folder / name / f"{name}_{number}.npy", np.full((4, 4, 3), 100 * number, np.uint16))


def test_units_follow_from_what_the_patches_are(tmp_path: Path) -> None:
    write_patches(tmp_path / "ours.h5", 20)
    write_so2sat(tmp_path / "so2sat.h5", 20)
    write_folder(tmp_path / "chips")
    names = ("B04", "B03", "B02")
    cases = (
        (PatchSource(tmp_path / "ours.h5"), "reflectance"),
        (PatchSource(tmp_path / "so2sat.h5"), "reflectance"),
        (PatchSource(tmp_path / "so2sat.h5", sensors=("s1", "s2")), "radar features and reflectance"),
        (PatchSource(tmp_path / "chips"), "digital numbers"),
        (PatchSource(tmp_path / "chips", names=names), "digital numbers"),  # called by a band's name, but not scaled
        (PatchSource(tmp_path / "chips", names=names, scale=10_000), "reflectance"),
    )
    for source, units in cases:
        assert source.units(source.open().features) == units


def test_chosen_channels_and_the_way_of_reading_travel(tmp_path: Path) -> None:
    write_patches(tmp_path / "ours.h5", 20)
    source = PatchSource(tmp_path / "ours.h5", bands=("B08", "B02"))
    assert source.open().features == ("B08", "B02")
    assert PatchSource.from_dict(source.path, source.to_dict()) == source
    assert source.beside(Path("other.h5"), part="test") == PatchSource(
        Path("other.h5"), bands=source.bands, part="test"
    )
    with pytest.raises(InputError, match="B99"):
        PatchSource(source.path, bands=("B99",)).open()
    with pytest.raises(InputError, match="how its patches were read"):
        PatchSource.from_dict(source.path, {"bands": list(BANDS)})


def test_blocks_are_groups_that_share_no_ground(tmp_path: Path) -> None:
    write_patches(tmp_path / "a.h5", 80)
    samples = PatchSource(tmp_path / "a.h5", block=1000).open()
    assert 0 < len(samples) < 80 and len(np.unique(samples.group)) > 3
    for number in np.unique(samples.group):
        inside, outside = samples.extent[samples.group == number], samples.extent[samples.group != number]
        assert not ((outside[:, 0] < inside[:, 2].max()) & (outside[:, 2] > inside[:, 0].min())).any()
    write_so2sat(tmp_path / "b.h5", 20)
    for path, block, told in (("b.h5", 1000, "no coordinates"), ("a.h5", 10, "larger blocks"), ("a.h5", 0, "no size")):
        with pytest.raises(InputError, match=told):
            PatchSource(tmp_path / path, block=block).open()


def test_the_mark_follows_the_content_of_large_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    whole = content_mark(path)
    monkeypatch.setattr(patch_source, "_WHOLE", 100)
    monkeypatch.setattr(patch_source, "_PROBE", 8)
    pieces = content_mark(path)
    path.write_bytes(b"\x01" + bytes(999))
    assert content_mark(path) != pieces != whole
    with pytest.raises(InputError, match="cannot be read"):
        content_mark(tmp_path / "nowhere")
