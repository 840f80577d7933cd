import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

from citygrain.errors import ModelMismatchError
from citygrain.grid_patches import GridPatches
from citygrain.legend import URBAN
from citygrain.maps.predict import MapWindow, predict_map, predict_units, predict_windows
from citygrain.models.catalogue import make_model
from citygrain.models.classifier import Classifier
from citygrain.models.forest import ForestClassifier
from citygrain.samples.draw import draw_samples
from citygrain.samples.samples import Samples
from citygrain.tessellation import Pixels, SegmentPatches, SegmentStatistics, Tessellation, raster_like
from helpers.lazy_scenes import lazy_twin, patchwork

Quilt = tuple[xr.DataArray, xr.DataArray]
FEATURES, LABELS = patchwork()
KINDS = ("pixels", "statistics", "patches", "cells")


def cut_of(kind: str, *, lazy: bool = False) -> tuple[xr.DataArray, Tessellation]:
    features, labels = (lazy_twin(raster)[0] if lazy else raster for raster in (FEATURES, LABELS))
    if kind == "pixels":
        return features, Pixels.of(features)
    if kind == "cells":
        return features, GridPatches.of(features, size=12, stride=5)
    return features, SegmentStatistics(labels, 9) if kind == "statistics" else SegmentPatches(labels, 9, outline=True)


def taught(features: xr.DataArray, cut: Tessellation, name: str = "forest") -> Classifier:
    """A model that has learned bright from dark in the first band."""
    n = len(cut)
    x = cut.rows(features)[:]
    light = np.nan_to_num(x.reshape(n, x.shape[1], -1)[:, 0].mean(1))
    names = cut.names([str(band) for band in features.band.values])
    samples = Samples.of(x, np.where(light > np.median(light), 1, 4), features=names, legend=URBAN)
    model = ForestClassifier(trees=7) if name == "forest" else make_model(name, epochs=1)
    return model.fit(samples[np.arange(0, n, max(1, n // 100))])


MODELS: dict[str, Classifier] = {}


def model_of(kind: str) -> Classifier:
    if kind not in MODELS:
        MODELS[kind] = taught(*cut_of(kind))
    return MODELS[kind]


def joined(windows: list[MapWindow], shape: tuple[int, int], k: int = 0) -> list[np.ndarray]:
    """The map that windows make together; each pixel comes once."""
    seen = np.zeros(shape, int)
    codes, sure = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    every = np.zeros((k, *shape), np.float32)
    for window in windows:
        place = window.tile.slices
        seen[place] += 1
        codes[place], sure[place] = window.codes, window.confidence
        if k:
            every[:, *place] = window.probabilities
    assert (seen == 1).all()
    return [codes, sure, every]


def test_the_map_is_scatter_predict_gather(quilt: Quilt) -> None:
    features, labels = quilt
    for cut in (Pixels.of(features), SegmentStatistics(labels, 7)):
        reference = raster_like(np.where(np.nan_to_num(features.values[0]) > 0.5, 1, 4).astype(np.uint8), cut.geobox)
        samples = draw_samples(features, cut, reference, legend=URBAN)
        samples = samples[np.isfinite(samples.take(np.arange(len(samples)))).all(1)]
        model = ForestClassifier(trees=7).fit(samples)
        city = predict_map(features, cut, model)
        probabilities = model.predict_proba(cut.gather(features)[:])
        assert np.array_equal(city.codes.values, cut.scatter(URBAN.codes(probabilities.argmax(1))).values)
        no_data = np.isnan(features.values).all(0)
        assert np.array_equal(city.codes.values == 0, no_data)
        assert np.array_equal(np.isnan(city.confidence.values), no_data)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_join_to_the_map_whatever_their_size_and_engine(kind: str) -> None:
    whole = predict_map(*cut_of(kind), model_of(kind))

    @settings(max_examples=5)
    @given(block=st.integers(9, 120), engine=st.integers(1, 3), lazy=st.booleans())
    def law(block: int, engine: int, lazy: bool) -> None:
        features, cut = cut_of(kind, lazy=lazy)
        told: list[tuple[int, int]] = []
        windows = predict_windows(
            features, cut, model_of(kind), block=block, engine=engine, progress=lambda *now: told.append(now)
        )
        codes, sure, _ = joined(list(windows), cut.geobox.shape)
        assert codes.tobytes() == whole.codes.values.tobytes()
        assert sure.tobytes() == whole.confidence.values.tobytes()
        assert told[-1] == (len(cut), len(cut)) and told == sorted(told)

    law()


@pytest.mark.parametrize("kind", KINDS)
def test_windows_carry_the_probabilities_of_all_classes(kind: str) -> None:
    features, cut = cut_of(kind)
    answers = predict_units(features, cut, model_of(kind), block=40)
    windows = list(predict_windows(features, cut, model_of(kind), block=40, probabilities=True))
    codes, sure, every = joined(windows, cut.geobox.shape, len(URBAN))
    for column in range(len(URBAN)):
        assert every[column].tobytes() == cut.scatter(answers[:, column]).values.tobytes()
    there = codes > 0
    assert np.array_equal(every.max(0)[there], sure[there]) and np.isnan(every[:, ~there]).all()
    assert windows[0].tile.row == windows[0].tile.column == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_makes_the_same_map(kind: str) -> None:
    whole = predict_units(*cut_of(kind), model_of(kind))
    with Client(processes=False, dashboard_address=":0", n_workers=1, threads_per_worker=2) as client:
        for lazy in (False, True):
            made = predict_units(*cut_of(kind, lazy=lazy), model_of(kind), engine=client, block=30)
            assert made.tobytes() == whole.tobytes()


@pytest.mark.slow
def test_other_processes_make_the_same_map_and_one_may_die() -> None:
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
    with cluster, Client(cluster) as client:
        for kind, name, lazy in (("statistics", "forest", False), ("patches", "cnn", True)):
            model = taught(*cut_of(kind), name)
            whole = predict_units(*cut_of(kind), model, block=40)
            made = predict_units(*cut_of(kind, lazy=lazy), model, engine=client, block=40)
            assert made.tobytes() == whole.tobytes()
        features, cut = cut_of("pixels", lazy=True)
        city = predict_map(*cut_of("pixels"), model_of("pixels"))
        windows = predict_windows(features, cut, model_of("pixels"), engine=client, block=16)
        first = next(windows)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        codes, _, _ = joined([first, *windows], cut.geobox.shape)
        assert codes.tobytes() == city.codes.values.tobytes()


def test_a_scene_with_other_bands_or_units_is_refused(quilt: Quilt) -> None:
    features, labels = quilt
    cut = SegmentStatistics(labels, 7)
    model = taught(features, cut)
    for mapped in (predict_map, predict_windows):
        with pytest.raises(ModelMismatchError, match="order"):
            mapped(features[::-1], cut, model)
        other = features.copy()
        other.attrs["units"] = "digital numbers"
        with pytest.raises(ModelMismatchError, match=r"digital numbers.*reflectance"):
            mapped(other, cut, model)


SCRIPT = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from helpers.lazy_scenes import endless
from citygrain.legend import URBAN
from citygrain.maps.predict import predict_windows
from citygrain.models.forest import ForestClassifier
from citygrain.samples.samples import Samples
from citygrain.tessellation import SegmentStatistics

def mapped(side):
    features, labels = endless(side)
    cut = SegmentStatistics(labels, 25)
    names = cut.names([str(band) for band in features.band.values])
    x = np.random.default_rng(0).random((400, 40), np.float32)
    model = ForestClassifier(trees=5).fit(Samples.of(x, 1 + (4 * x[:, 0]).astype(int), features=names, legend=URBAN))
    start = time.process_time()
    pixels = sum(int((window.codes > 0).sum()) for window in predict_windows(features, cut, model, block=512))
    seconds = time.process_time() - start
    return pixels, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

print(json.dumps([mapped(side) for side in json.loads(sys.argv[1])]))
"""


@pytest.mark.slow
def test_memory_and_time_of_a_pixel_do_not_grow_with_the_scene() -> None:
    """Statistics, forest and map of 1, 4 and 16 megapixels in ten bands: the last would take 640 MB as an array."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "[1000, 1000, 2000, 4000]"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    _, one, four, sixteen = json.loads(done.stdout)
    assert [figures[0] for figures in (one, four, sixteen)] == [10**6, 4 * 10**6, 16 * 10**6]
    assert sixteen[2] - one[2] < 40  # MB of peak memory: the tables of 40,000 superpixels, not 640 MB
    per_pixel = [seconds / pixels for pixels, seconds, _ in (one, four, sixteen)]
    assert max(per_pixel) < 1.5 * min(per_pixel)
