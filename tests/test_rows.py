"""Rows of a lazy scene are those of the scene in memory, and each of its windows is read once."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain import rows, segment_rows
from citygrain.grid_patches import GridPatches
from citygrain.lazy import is_lazy
from citygrain.tessellation import Pixels, SegmentPatches, SegmentStatistics, Tessellation
from helpers.lazy_scenes import lazy_twin, patchwork

FEATURES, LABELS = patchwork()
CUTS: dict[str, Tessellation] = {
    "pixels": Pixels.of(FEATURES),
    "patches": SegmentPatches(LABELS, 8),
    "outlines": SegmentPatches(lazy_twin(LABELS)[0], 7, outline=True),
    "statistics": SegmentStatistics(LABELS, 9),
    "cells": GridPatches.of(FEATURES, size=12, stride=5),
}
ALL = {name: cut.rows(FEATURES)[:] for name, cut in CUTS.items()}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rows, segment_rows):
        monkeypatch.setattr(module, "NEAR", 32)
    monkeypatch.setattr(segment_rows, "_REACH", (20, 20))


@given(name=st.sampled_from(sorted(CUTS)), picks=st.lists(st.integers(0, 10**6), max_size=40))
def test_any_choice_in_any_order_has_the_same_bytes(name: str, picks: list[int]) -> None:
    cut, every = CUTS[name], ALL[name]
    index = np.array(picks, np.int64) % len(cut)
    for scene in (FEATURES, lazy_twin(FEATURES)[0]):
        made = cut.rows(scene)
        assert made.shape == every.shape and made[index].tobytes() == every[index].tobytes()
        assert made.subset(index)[:].tobytes() == every[index].tobytes()
        assert made.subset(index).loaded()[:].tobytes() == every[index].tobytes()
        if picks:
            assert made[int(index[0])].tobytes() == every[index[0]].tobytes()


@pytest.mark.parametrize("name", sorted(CUTS))
def test_lazy_rows_travel_as_a_recipe(name: str) -> None:
    twin, reader = lazy_twin(FEATURES)
    made = CUTS[name].rows(twin).subset(np.array([3, 5, 8]))
    near = pickle.loads(pickle.dumps(made)).loaded()  # noqa: S301 - our own
    assert made.lazy and not near.lazy and len(reader.read) == (name == "statistics")  # the wide ones are summed up
    assert near[:].tobytes() == ALL[name][[3, 5, 8]].tobytes()
    assert is_lazy(twin)


@pytest.mark.parametrize("name", sorted(CUTS))
def test_what_is_sent_holds_no_more_than_its_part_of_the_scene(name: str) -> None:
    few = CUTS[name].rows(FEATURES).subset(np.array([3, 5]))
    sent = pickle.dumps(few.cropped())
    assert len(sent) < 0.6 * FEATURES.nbytes < len(pickle.dumps(few))
    assert pickle.loads(sent)[:].tobytes() == ALL[name][[3, 5]].tobytes()  # noqa: S301 - our own


@pytest.mark.parametrize("name", sorted(CUTS))
def test_near_rows_come_from_one_window(name: str) -> None:
    twin, reader = lazy_twin(FEATURES)
    made = CUTS[name].rows(twin)
    reader.read.clear()
    made[np.random.default_rng(0).permutation(len(made))]
    assert len(reader.read) <= 3 * 4  # squares of 32 pixels in 70 x 90, and the windows that begin outside
    assert max(max(size) for size in reader.read) <= 32 + 2 * 20 + 12


def test_patches_without_data_are_found_unseen() -> None:
    patches = SegmentPatches(LABELS, 5)
    rows_ = patches.rows(FEATURES)
    assert np.array_equal(rows_.has_data(), np.isfinite(rows_[:]).any((1, 2, 3)))
    holed = FEATURES.where(np.arange(90) > 30)
    holed[0] = np.nan  # nothing in the first band
    eager, lazy = patches.rows(holed).has_data(), patches.rows(lazy_twin(holed)[0]).has_data()
    assert np.array_equal(eager, np.isfinite(patches.rows(holed)[:]).any((1, 2, 3)))
    assert np.array_equal(eager, lazy) and 0 < eager.sum() < len(eager)


SCRIPT = """
import hashlib
import numpy as np
from citygrain.grid_patches import GridPatches
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from helpers.lazy_scenes import patchwork

features, labels = patchwork(34, 36)
cuts = SegmentPatches(labels, 6, outline=True), SegmentStatistics(labels, 5), GridPatches.of(features, size=9, stride=6)
digest = hashlib.sha256()
for cut in cuts:
    digest.update(cut.rows(features)[:].tobytes())
    digest.update(cut.scatter(np.arange(len(cut), dtype=np.float32)).values.tobytes())
digest.update(cuts[0].rows(features).has_data().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_plain_python_gives_the_same_bytes() -> None:
    """The kernels are plain Python: uncompiled they make the same rows and maps, to the last bit."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-c", SCRIPT]
    said = [
        subprocess.run(command, env=environment | more, capture_output=True, text=True, check=True).stdout
        for more in ({}, {"NUMBA_DISABLE_JIT": "1"})
    ]
    assert said[0] == said[1] != ""
