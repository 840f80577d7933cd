"""Figures: values in, a Figure out, nothing left behind; the right value at the right place."""

import io
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox
from PIL import Image

from citygrain.accuracy.reliability import reliability_bins
from citygrain.errors import InputError, OutputError
from citygrain.legend import LCZ, URBAN, Legend
from citygrain.report import style
from citygrain.report.charts import _bins
from citygrain.report.display import draw_outlines, furnish_map, natural_bands, pixel_metres, thin
from citygrain.report.figures import (
    encode_figure,
    figure_area_bars,
    figure_balance,
    figure_changes,
    figure_class_bars,
    figure_composite,
    figure_confidence,
    figure_confusion,
    figure_errors,
    figure_histograms,
    figure_index_maps,
    figure_learning_curves,
    figure_look,
    figure_map,
    figure_maps,
    figure_patches,
    figure_reliability,
    figure_right_where,
    figure_sample_counts,
    figure_segments,
    figure_sweep,
    figure_times,
    rgb_image,
    save_figure,
)
from citygrain.report.style import RIGHT, WRONG
from citygrain.samples.samples import Samples
from citygrain.scene.read import read_scene
from citygrain.tiles import Tile


def every_figure(run):
    """Name and call of each figure."""
    geobox = run.scene.odc.geobox
    two = {"a": run.reference_pixel, "b": run.reference_unit}
    held_out = run.assessment["superpixel"]
    return {
        "look": lambda: figure_look(run.scene),
        "composite": lambda: figure_composite(run.scene, ("B08", "B04", "B03")),
        "histograms": lambda: figure_histograms(run.scene),
        "segments": lambda: figure_segments(run.scene, run.segments, mark=Tile(5, 5, 20, 20)),
        "sweep": lambda: figure_sweep(run.scene, [(108, c, run.segments) for c in (0.1, 1.0)]),
        "map": lambda: figure_map(run.map_codes, run.legend, geobox),
        "maps": lambda: figure_maps(two, run.legend, geobox, difference=("a", "b")),
        "confidence": lambda: figure_confidence(run.confidence, geobox),
        "errors": lambda: figure_errors(run.map_codes, run.reference_pixel, run.split, geobox),
        "confusion": lambda: figure_confusion(held_out["confusion"]["matrix"], run.legend),
        "bars": lambda: figure_class_bars(held_out["per_class"]),
        "balance": lambda: figure_balance({"Urban": 9, "Crop": 4}, {"Urban": 5, "Crop": 5}, run.legend),
        "samples": lambda: figure_sample_counts({"training": {"Urban": 9}, "test": {"Crop": 4}}, run.legend),
        "areas": lambda: figure_area_bars([{"name": "Urban", "area": 9.0, "low": 8.0, "high": 11.0}], run.legend),
        "changes": lambda: figure_changes(run.reference_unit, run.map_codes, run.legend, geobox),
        "right where": lambda: figure_right_where(run.map_codes, run.reference_unit, run.reference_pixel, geobox),
        "indices": lambda: figure_index_maps(run.scene, ("B02", "B03")),
        "reliability": lambda: figure_reliability(reliability_bins([0.5, 0.9], [True, False])),
        "curves": lambda: figure_learning_curves(run.history),
        "patches": lambda: figure_patches(run.patches),
        "times": lambda: figure_times(run.steps),
    }


def pixels_of(figure):
    return np.asarray(Image.open(io.BytesIO(encode_figure(figure, dpi=80))).convert("RGB"))


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def test_every_figure_is_a_figure_and_leaves_no_state(run):
    before = dict(mpl.rcParams)
    for name, draw in every_figure(run).items():
        assert isinstance(draw(), Figure), name
    assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_every_figure_has_the_same_bytes_and_keeps_them(run):
    for name, draw in every_figure(run).items():
        figure = draw()
        first = encode_figure(figure, dpi=60)
        assert first == encode_figure(draw(), dpi=60), name
        assert first == encode_figure(figure, dpi=60), name  # writing does not change it
        assert np.asarray(Image.open(io.BytesIO(first)).convert("L")).std() > 3, name


def test_the_callers_style_does_not_show(run):
    plain = encode_figure(figure_times(run.steps), dpi=60)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "figure.dpi": 33}):
        assert encode_figure(figure_times(run.steps), dpi=60) == plain


def test_pyplot_is_not_used():
    for path in Path(style.__file__).parent.glob("*.py"):
        assert "pyplot" not in path.read_text(encoding="utf-8").replace("never pyplot's", ""), path


@pytest.mark.parametrize("ending", ["png", "pdf", "svg", "jpg"])
def test_files_are_whole_and_repeatable(run, tmp_path, ending):
    for name in ("a", "b"):
        save_figure(figure_times(run.steps), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]


def test_vector_files_keep_letters_as_letters_and_escape_them(run):
    legend = Legend.from_names({1: "<script>&", 2: "Wasser"})
    codes = np.array([[1, 2]] * 2, np.uint8).repeat(30, 0).repeat(30, 1)
    geobox = GeoBox.from_bbox((0, 0, 600, 600), "EPSG:32633", resolution=10)
    svg = encode_figure(figure_map(codes, legend, geobox), "svg").decode()
    assert ">&lt;script&gt;&amp;</text>" in svg
    assert "<script" not in svg
    for word in ("Wasser", "100 m", "N"):
        assert f">{word}</text>" in svg
    assert "'DejaVu Sans', Verdana, sans-serif" in svg
    assert svg.count("<image") == 1  # the map is a picture, all else is drawn
    assert "<dc:date>" not in svg
    pdf = encode_figure(figure_map(codes, legend, geobox), "pdf")
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_every_map_has_a_scale_bar_and_a_north_arrow(run):
    maps = (
        "composite",
        "segments",
        "sweep",
        "map",
        "maps",
        "confidence",
        "errors",
        "changes",
        "right where",
        "indices",
    )
    for name, draw in every_figure(run).items():
        if name in maps:
            panels = [axes for axes in draw().axes if axes.images]
            for axes in panels:
                words = {text.get_text() for text in axes.texts}
                assert "N" in words and any(word.endswith(" m") for word in words), name


def test_files_that_cannot_be(run, tmp_path):
    with pytest.raises(InputError, match="figure format 'bmp'"):
        save_figure(figure_times(run.steps), tmp_path / "a.bmp")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save_figure(figure_times(run.steps), tmp_path / "file" / "a.png")


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 1500))
def test_thinning_keeps_within_the_limit_and_no_smaller_than_half(height, width, largest):
    shape = thin(np.zeros((height, width), np.uint8), largest).shape
    assert max(shape) <= largest
    assert max(shape) >= min(max(height, width), largest / 2) - 1


def test_rgb_stretches_to_the_percentiles_and_leaves_no_data_white(remake_scene):
    scene = remake_scene()
    scene.values[:, :5] = np.nan
    picture = rgb_image(scene, ("B08", "B04", "B03"), percentiles=(2, 98), gamma=1)
    assert picture.dtype == np.uint8
    assert (picture[:5] == 255).all()
    band = scene.sel(band="B08").values[5:]
    low, high = np.percentile(band, (2, 98))
    expected = np.rint(np.clip((band - low) / (high - low), 0, 1) * 255)
    assert np.abs(picture[5:, :, 0] - expected).max() <= 1


def test_visible_bands_share_their_stretch(remake_scene):
    scene = remake_scene()
    scene.values[0] *= 0.25  # blue
    natural = rgb_image(scene, ("B04", "B03", "B02"))
    assert natural[..., 2].mean() < 0.5 * natural[..., 0].mean()
    mixed = rgb_image(scene, ("B08", "B03", "B02"))
    assert mixed[..., 2].mean() > 0.8 * mixed[..., 0].mean()


def test_a_window_looks_as_in_the_whole(remake_scene):
    scene, window = remake_scene(), Tile(10, 20, 30, 40)
    assert np.array_equal(rgb_image(scene, window=window), rgb_image(scene)[window.slices])


def test_a_band_that_is_not_there_is_named(remake_scene):
    with pytest.raises(InputError, match="B99"):
        rgb_image(remake_scene(), ("B99", "B04", "B03"))
    with pytest.raises(InputError, match="three of"):
        rgb_image(remake_scene(), ("B04", "B03"))


def test_natural_bands_by_any_spelling_or_the_first(remake_scene):
    assert natural_bands(remake_scene(bands=("b2", "b3", "b4", "b8"))) == ("b4", "b3", "b2")
    assert natural_bands(remake_scene(bands=("VV", "VH", "NDVI"))) == ("VV", "VH", "NDVI")
    assert natural_bands(remake_scene(bands=("VV",))) == ("VV", "VV", "VV")


def test_a_scene_of_one_band_or_all_nodata_is_drawn(remake_scene):
    for scene in (remake_scene(bands=("VV",)), remake_scene() * np.nan):
        scene.attrs["units"] = "reflectance"
        assert pixels_of(figure_look(scene)).shape[2] == 3


def test_outlines_lie_between_labels():
    labels = np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])
    picture = draw_outlines(np.zeros((3, 3, 3), np.uint8), labels, size=30, opacity=1.0)
    assert picture.shape == (30, 30, 3)
    drawn = picture[..., 0] > 0
    assert drawn[0, 20]
    assert drawn[20, 5]
    assert drawn.sum() == 30 + 20  # one dot wide: below two pixels' height, beside three


def test_map_colours_are_the_legends(run):
    codes = np.full((60, 60), 4, np.uint8)
    picture = pixels_of(figure_map(codes, URBAN, None))
    share = (np.abs(picture.astype(int) - np.array(URBAN.classes[3].rgb)).sum(-1) < 6).mean()
    assert share > 0.7
    assert "Water" in texts_of(figure_map(codes, URBAN))
    assert "Urban" not in texts_of(figure_map(codes, URBAN))  # not on this map


@pytest.mark.parametrize("wrong_share", [0.0, 0.25, 1.0])
def test_errors_are_drawn_where_the_map_is_wrong_in_test_blocks_only(wrong_share):
    mapped = np.ones((80, 80), np.uint8)
    reference = mapped.copy()
    reference[: int(80 * wrong_share)] = 2
    split = np.full((80, 80), 2, np.uint8)
    split[:, :40] = 1
    picture = pixels_of(figure_errors(mapped, reference, split)).astype(int)

    def share_of(color):
        wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        return (np.abs(picture - wanted).sum(-1) < 12).sum()

    wrong, right = share_of(WRONG), share_of(RIGHT)
    assert wrong / (wrong + right) == pytest.approx(wrong_share, abs=0.03)


def test_difference_share_counts_only_where_both_have_a_class():
    one = np.ones((40, 40), np.uint8)
    other = one.copy()
    other[:20] = 2
    other[:, :20] = 0
    figure = figure_maps({"one": one, "other": other}, URBAN, difference=("one", "other"))
    assert "They differ at 50.0 % of pixels" in texts_of(figure)


def test_confusion_names_both_axes_and_puts_the_map_in_rows():
    matrix = np.array([[5, 1, 0, 0], [2, 6, 0, 0], [0, 0, 0, 0], [0, 0, 0, 9]])
    figure = figure_confusion(matrix, URBAN)
    for axes in figure.axes:
        assert axes.get_ylabel() == "Map"
        assert axes.get_xlabel() == "Reference"
        assert [t.get_text() for t in axes.get_yticklabels()] == list(URBAN.names)
    counts, shares = ({t.get_position(): t.get_text() for t in axes.texts} for axes in figure.axes)
    assert counts[(1, 0)] == "1"  # column 1, row 0: mapped Urban, reference Crop
    assert counts[(0, 1)] == "2"
    assert shares[(0, 1)] == "25"
    assert shares[(2, 2)] == ""  # nothing mapped as Vegetation
    with pytest.raises(InputError, match="confusion matrix"):
        figure_confusion(matrix[:2], URBAN)


@pytest.mark.slow
def test_seventeen_classes_fit():
    figure = figure_confusion(np.eye(17, dtype=int) * 50, LCZ)
    assert pixels_of(figure).std() > 3
    codes = np.arange(1, 18, dtype=np.uint8).repeat(100).reshape(17, 100)
    assert "Bush, scrub" in texts_of(figure_map(codes, LCZ))


def test_names_are_drawn_as_they_are():
    legend = Legend.from_names({1: "$x_1$", 2: "_hidden", 3: "\u4e2d\u6587"})
    codes = np.array([[1, 2, 3]] * 3, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figure_map(codes, legend)
        encode_figure(figure)
        encode_figure(figure_confusion(np.eye(3, dtype=int), legend))
    names = [text.lstrip("\u200b") for text in texts_of(figure)]
    assert {"$x_1$", "_hidden"} <= set(names)


def test_learning_curves_bear_gaps_and_mark_the_best_epoch():
    history = [
        {"epoch": 1, "train_loss": 1.0, "valid_loss": 0.9},
        {"epoch": 2, "train_loss": 0.5, "valid_loss": 0.4, "train_accuracy": 0.7},
        {"epoch": 3, "train_loss": 0.2, "valid_loss": 0.6, "train_accuracy": None},
    ]
    figure = figure_learning_curves(history)
    marks = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in marks] == [2.0]
    assert encode_figure(figure_learning_curves([{"epoch": 1, "train_loss": 1.0}]))


def test_undefined_accuracies_are_said():
    row = {"users_accuracy": None, "producers_accuracy": 0.0, "f1": 0.0}
    assert "undefined" in texts_of(figure_class_bars({"Water": row}))


def test_patches_need_patches_and_bear_a_class_without_any():
    flat = Samples.of(np.zeros((2, 3)), [1, 2], features=("a", "b", "c"), legend=URBAN)
    with pytest.raises(InputError, match="patches"):
        figure_patches(flat)
    x = np.random.default_rng(0).random((3, 3, 5, 5)).astype(np.float32)
    some = Samples.of(x, [1, 1, 4], features=("a", "b", "c"), legend=URBAN)
    assert pixels_of(figure_patches(some)).std() > 3


@pytest.mark.parametrize(("epsg", "step", "metres"), [(32633, 10, 10.0), (4326, 1e-4, 11.132), (2263, 10, 3.048006)])
def test_the_scale_bar_knows_its_metres(epsg, step, metres):
    geobox = GeoBox.from_bbox((10, 50, 10 + 120 * step, 50 + 90 * step), crs=epsg, shape=(90, 120))
    assert pixel_metres(geobox)[0] == pytest.approx(metres, rel=1e-5)
    axes = Figure().add_subplot()
    furnish_map(axes, geobox.shape, geobox)
    left, right = axes.lines[0].get_xdata()
    number, unit = axes.texts[0].get_text().split()
    length = float(number) * (1000 if unit == "km" else 1)
    assert (right - left) * pixel_metres(geobox)[1] == pytest.approx(length, rel=1e-6)


def test_without_geometry_there_is_no_scale_bar():
    axes = Figure().add_subplot()
    furnish_map(axes, (5, 5), None)
    assert len(axes.lines) == len(axes.texts) == 0


@pytest.mark.parametrize("levels", [2, 30, 97, 211, 900, 5000])
def test_histograms_of_coarsely_stored_values_are_no_comb(levels):
    values = (np.arange(levels).repeat(20) / 1000).astype(np.float32)
    edges = _bins(values, (0.0, float(values.max())))
    counts, _ = np.histogram(values, edges)
    assert counts.sum() == len(values)
    assert len(counts) <= 82
    assert counts[1:-1].max(initial=1) <= 1.35 * counts[1:-1].min(initial=1 << 30) or levels == 2


@pytest.mark.slow
def test_a_real_scene_is_looked_at(data):
    scene = read_scene(
        data / "scenes/aberystwyth/s2_20210527.tif",
        bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
        scale=1000,
    )
    figure = figure_look(scene)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[:2] == ["B04 B03 B02", "B08 B04 B03"]
    assert titles[2:] == [str(name) for name in scene.band.values]
    assert "2 km" in texts_of(figure)  # a scale bar in the British grid
    land = rgb_image(scene, ("B04", "B03", "B02"))[400:700, 400:]
    assert land[..., 1].mean() > land[..., 2].mean()  # meadows are greener than blue
