"""Mean spectra: what the plain forest sees of a unit, and so the forest that every score stands beside."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from citygrain.models.catalogue import make_model
from citygrain.models.choice import FORESTS, PLAIN
from citygrain.models.statistics import own_means
from citygrain.samples.draw import draw_samples
from citygrain.samples.samples import Samples
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.workflows.city.finished_run import read_run
from citygrain.workflows.city.mean_spectra import mean_spectra
from citygrain.workflows.city.run_data import RunData

WINDOW = 31


@pytest.fixture(scope="module")
def data(finished_runs: Path) -> RunData:
    return RunData(read_run(finished_runs / "a").config, finished_runs / "a", lambda _: nullcontext())


def within(units: SegmentPatches) -> np.ndarray:
    """The superpixels that do not reach out of their window, nor their window out of the scene, which is mirrored."""
    boxes, corner = units._segments.table.boxes, units._segments.corners
    end = corner + units.window
    held = (boxes[:, :2] >= corner) & (boxes[:, 2:] <= end) & (corner >= 0) & (end <= units.labels.shape)
    return np.flatnonzero(held.all(1))


def test_the_plain_forest_sees_the_mean_spectra_of_superpixels(data: RunData) -> None:
    labels = data.units.labels  # type: ignore[union-attr]
    patches, statistics = SegmentPatches(labels, WINDOW, outline=True), SegmentStatistics(labels, 9)
    rows = within(patches)
    assert len(rows) > 200
    means = mean_spectra(data.chosen, patches, rows)
    names = [str(name) for name in data.chosen.band.values]
    seen = own_means(np.asarray(patches.rows(data.chosen)[rows]), patches.names(names))
    np.testing.assert_allclose(seen, means, rtol=1e-6)
    columns = own_means(np.asarray(statistics.rows(data.chosen)[rows]), statistics.names(names))
    np.testing.assert_array_equal(columns, means)


def test_trained_on_the_same_rows_it_says_what_the_baseline_says(data: RunData) -> None:
    labels = data.units.labels  # type: ignore[union-attr]
    patches, statistics = SegmentPatches(labels, WINDOW, outline=True), SegmentStatistics(labels, 9)
    reference, legend = data.reference
    kept = within(patches)
    drawn = draw_samples(data.chosen, statistics, reference, legend=legend)[kept]
    train, test = np.arange(len(drawn)) % 2 == 0, np.arange(len(drawn)) % 2 == 1
    means = mean_spectra(data.chosen, statistics, kept)
    names = tuple(str(name) for name in data.chosen.band.values)
    baseline = Samples.of(means, drawn.y, features=names, legend=legend, purity=drawn.purity)
    said = make_model("forest", options={"trees": 100}).fit(baseline[train]).predict_proba(means[test])
    plain = make_model("forest", options=FORESTS[PLAIN]).fit(drawn[train])
    np.testing.assert_array_equal(plain.predict_proba(drawn.x[test]), said)
    cut = draw_samples(data.chosen, patches, reference, legend=legend)[kept]
    plain = make_model("forest", options=FORESTS[PLAIN]).fit(cut[train])
    again = plain.predict_proba(cut[test].x).argmax(1)
    assert (again == said.argmax(1)).mean() > 0.99  # means of patches may differ in the last bit
