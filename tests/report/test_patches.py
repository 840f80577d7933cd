"""Contact sheets: the right patches in the right rows, one stretch for all, and nothing read that is not drawn."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from citygrain.errors import InputError
from citygrain.legend import LCZ, URBAN
from citygrain.report.figures import figure_patch_sheet, figure_radar_sheet
from citygrain.report.patches import Radar, draw_rows, phase_picture
from citygrain.samples.samples import Samples
from citygrain.sensors import SO2SAT_SENTINEL1


@dataclass(frozen=True)
class Watched:
    """Rows that remember which of them were read."""

    values: Any
    index: Any
    read: list[int] = field(default_factory=list)

    shape = property(lambda self: (len(self.index), *self.values.shape[1:]))
    dtype = property(lambda self: self.values.dtype)

    def __len__(self) -> int:
        return len(self.index)

    def subset(self, rows: Any) -> "Watched":
        return replace(self, index=self.index[rows])

    def __getitem__(self, rows: Any) -> Any:
        self.read.extend(np.atleast_1d(self.index[rows]).tolist())
        return self.values[self.index[rows]]


def patches(n: int = 40) -> Samples:
    """Patches of class 1, 2 and 4, each of one grey that is its row number."""
    x = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 4, 3, 3)).copy()
    y = np.array([1, 2, 4, 4])[np.arange(n) % 4]
    return Samples.of(x, y, features=("B02", "B03", "B04", "B08"), legend=URBAN)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def sheet(figure: Any) -> dict[int, list[int]]:
    """Grey of the patches by row of the sheet, from left to right."""
    rows: dict[int, list[int]] = {}
    for image in sorted(figure.axes[0].images, key=lambda i: i.get_extent()[0]):
        rows.setdefault(int(image.get_extent()[3]), []).append(int(image.get_array()[0, 0, 0]))
    return rows


def test_rows_are_drawn_of_each_class_without_repeats() -> None:
    samples = patches()
    drawn = draw_rows(samples, 8, rng=rng())
    assert [len(rows) for rows in drawn] == [8, 8, 0, 8]
    assert all(set(samples.y[rows]) <= {c.code} for rows, c in zip(drawn, URBAN, strict=True))
    assert all(len(set(rows.tolist())) == len(rows) for rows in drawn)


def test_a_darker_patch_is_darker_on_the_sheet() -> None:
    samples = patches()
    figure = figure_patch_sheet(samples, rng=rng(), per_class=5)
    shown = sheet(figure)
    drawn = [rows for rows in draw_rows(samples, 5, rng=rng()) if len(rows)]
    assert {row: len(greys) for row, greys in shown.items()} == {0: 5, 1: 5, 2: 5}
    pairs = sorted((int(rows[n]), shown[place][n]) for place, rows in enumerate(drawn) for n in range(5))
    greys = [grey for _, grey in pairs]
    assert greys == sorted(greys) and greys[0] == 0 and greys[-1] == 255
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["Urban", "Crop", "Water"]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"10", "20", "40 patches", "Patches, B04 B03 B02 as red, green, blue"} <= set(texts)
    assert figure.get_supxlabel() == "no patches of Vegetation"
    assert len(figure.axes[0].patches) == 3  # a bar for each class that is there


def test_only_what_is_drawn_is_read() -> None:
    samples = patches(400)
    rows = Watched(samples.x, np.arange(400))
    figure_patch_sheet(replace(samples, x=rows), rng=rng(), per_class=3)
    assert sorted(set(rows.read)) == sorted(np.concatenate(draw_rows(samples, 3, rng=rng())).tolist())


def test_any_three_bands_and_only_three() -> None:
    figure = figure_patch_sheet(patches(), rng=rng(), bands=("B08", "B04", "B03"))
    assert any("B08 B04 B03" in text.get_text() for text in figure.axes[0].texts)
    with pytest.raises(InputError, match="three"):
        figure_patch_sheet(patches(), rng=rng(), bands=("B08", "B04"))
    with pytest.raises(InputError, match="B99"):
        figure_patch_sheet(patches(), rng=rng(), bands=("B99", "B04", "B03"))
    with pytest.raises(InputError, match="patches"):
        figure_patch_sheet(Samples.of(np.zeros((3, 1)), [1] * 3, features=("B02",), legend=URBAN), rng=rng())
    with pytest.raises(InputError, match="without a class"):
        figure_patch_sheet(replace(patches(), y=np.zeros(40, np.uint8)), rng=rng())


def radar(n: int = 6) -> Samples:
    x = np.zeros((n, 8, 4, 4), np.float32)
    x[:, 4], x[:, 5] = 0.01, 0.1  # VH and VV
    angle = np.linspace(-3, 3, n)[:, None, None]
    x[:, 6], x[:, 7] = 0.5 * 0.001**0.5 * np.cos(angle), 0.5 * 0.001**0.5 * np.sin(angle)
    return Samples.of(x, np.arange(n) % 2 + 1, features=SO2SAT_SENTINEL1, legend=LCZ)


def test_radar_is_shown_in_decibels_with_phase_and_coherence() -> None:
    seen = Radar.of(radar().x)
    np.testing.assert_allclose(seen.vv, -10, atol=1e-4)
    np.testing.assert_allclose(seen.vh, -20, atol=1e-4)
    np.testing.assert_allclose(seen.coherence, 0.5, rtol=1e-4)
    np.testing.assert_allclose(seen.phase[:, 0, 0], np.linspace(-3, 3, 6), rtol=1e-4)
    figure = figure_radar_sheet(radar(), rng=rng(), per_class=2)
    assert len(figure.axes[0].images) == 3 * 2 * 2
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert titles[:1] == ["Intensity VV"] and "Phase and coherence" in titles


def test_phase_is_hue_and_coherence_brightness() -> None:
    third = 2 * np.pi / 3
    turned = phase_picture(np.array([0, third, -third], np.float32), np.ones(3, np.float32))
    assert turned.argmax(1).tolist() == [0, 1, 2]  # red, green, blue
    darker = phase_picture(np.zeros(3, np.float32), np.array([0, 0.3, 1], np.float32)).max(1)
    assert darker[0] == 0 and np.all(np.diff(darker.astype(int)) > 0)


def test_radar_without_its_channels_is_refused() -> None:
    with pytest.raises(InputError, match="COV_IM"):
        figure_radar_sheet(radar().select(SO2SAT_SENTINEL1[:7]), rng=rng())
