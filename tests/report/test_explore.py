"""The part of a report to explore: its tiles are the rasters, its counts the matrix's, its texts only ever texts."""

import base64
import dataclasses
import io
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from citygrain.accuracy.assess import assess
from citygrain.legend import Legend
from citygrain.report.assessed import cell_units, pixel_matrix, segment_units
from citygrain.report.color_words import color_word
from citygrain.report.display import natural_bands, rgb_image
from citygrain.report.explore import Explored, embedded_json, explore, script, script_hash
from citygrain.report.html import write_report
from citygrain.report.pyramid import TILE, code_pyramid, label_pyramid, level_shapes, picture_pyramid

HOSTILE = (
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(2)">',
    "\u2028\u2029 & {{ 7 * 7 }}",
    "__proto__",
)


def bytes_of(text):
    return zlib.decompress(base64.b64decode(text))


def joined(tiles, level, shape, decode):
    """Put the tiles of a level together."""
    whole = None
    for (k, row, column), text in tiles.items():
        if k != level:
            continue
        height, width = min(TILE, shape[0] - row * TILE), min(TILE, shape[1] - column * TILE)
        tile = decode(text, (height, width))
        whole = np.zeros((*shape, *tile.shape[2:]), tile.dtype) if whole is None else whole
        whole[row * TILE : row * TILE + height, column * TILE : column * TILE + width] = tile
    return whole


def codes_of(text, shape):
    return np.frombuffer(bytes_of(text), np.uint8).reshape(shape)


def labels_of(text, shape):
    content = bytes_of(text)
    count = int(np.frombuffer(content, "<u4", 1)[0])
    numbers = np.frombuffer(content, "<u4", count, 4)
    places = np.frombuffer(content, "<u2" if count <= 1 << 16 else "<u4", offset=4 + 4 * count)
    return numbers[places].reshape(shape).astype(np.int64)


def picture_of(text, _):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def explored(run, **changes):
    names = [run.unit, *(["pixel"] if run.unit == "superpixel" else [])]
    fields = {
        "scene": run.scene,
        "legend": run.legend,
        "unit": run.unit,
        "mapped": run.map_codes,
        "reference": run.reference_pixel,
        "reference_unit": run.reference_unit,
        "confidence": run.confidence,
        "split": run.split,
        "segments": run.segments,
        "cell": run.cell,
        "window": 32,
        "matrices": {name: run.assessment[name]["confusion"]["matrix"] for name in names},
    }
    return Explored(**(fields | changes))


def layer_of(exploration, name):
    tiles = {}
    for key, text in exploration.parts.items():
        kind, layer, *place = key.split("-")
        if (kind, layer) == ("tile", name):
            tiles[tuple(map(int, place))] = text
    return tiles


shapes = st.tuples(st.integers(1, 1300), st.integers(1, 1300))


@settings(max_examples=12, deadline=None)
@given(shape=shapes, seed=st.integers(0, 99), base=st.integers(0, 2))
def test_tiles_put_together_are_the_raster(shape, seed, base):
    codes = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    levels = level_shapes(shape)
    tiles = code_pyramid(codes, base=base).tiles
    assert max(levels[-1]) <= TILE
    assert {k for k, _, _ in tiles} == set(range(base, len(levels)))
    for k in range(base, len(levels)):
        assert (joined(tiles, k, levels[k], codes_of) == codes[:: 2**k, :: 2**k]).all()


@settings(max_examples=8, deadline=None)
@given(shape=shapes, seed=st.integers(0, 99), most=st.sampled_from([1, 50, 2**31 - 1]))
def test_units_keep_their_numbers(shape, seed, most):
    labels = np.random.default_rng(seed).integers(0, most, shape, dtype=np.int32, endpoint=True)
    if most == 2**31 - 1:  # far apart, as nobody numbers them: few, then
        labels = labels // 2**25
    tiles = label_pyramid(labels).tiles
    assert (joined(tiles, 0, shape, labels_of) == labels).all()


def test_a_tile_of_very_many_units_keeps_their_numbers():
    labels = np.arange(1, 300 * 300 + 1, dtype=np.int32).reshape(300, 300)
    assert (joined(label_pyramid(labels).tiles, 0, labels.shape, labels_of) == labels).all()


@pytest.mark.parametrize("shape", [(40, 30), (513, 700), (1025, 1)])
def test_the_picture_is_the_scene(shape, remake_scene):
    ramp = np.linspace(0, 200, shape[0] * shape[1]).reshape(shape)
    picture = np.stack([ramp, ramp[::-1], np.full(shape, 90)], -1).astype(np.uint8)
    tiles = picture_pyramid(picture, quality=90).tiles
    for k, level in enumerate(level_shapes(shape)):
        shown = joined(tiles, k, level, picture_of).astype(float)
        wanted = picture[:: 2**k, :: 2**k].astype(float)
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).mean() < 6


def test_the_scene_is_drawn_as_in_the_figures(run):
    shown = joined(layer_of(explore(explored(run)), "scene"), 0, run.scene.shape[1:], picture_of)
    wanted = rgb_image(run.scene, natural_bands(run.scene))
    assert np.abs(shown.astype(float) - wanted).mean() < 8  # JPEG of noise


def test_every_layer_is_the_runs(run):
    exploration = explore(explored(run))
    shape = run.map_codes.shape
    percent = np.rint(100 * run.confidence)
    for name, wanted in {
        "map": run.map_codes,
        "reference": run.reference_pixel,
        "split": run.split,
        "confidence": percent,
    }.items():
        assert (joined(layer_of(exploration, name), 0, shape, codes_of) == wanted).all()
    assert (joined(layer_of(exploration, "label"), 0, shape, labels_of) == run.segments).all()


def test_no_confidence_is_told_from_a_low_one(run):
    confidence = run.confidence.copy()
    confidence[:50], confidence[50] = np.nan, 0
    tiles = layer_of(explore(explored(run, confidence=confidence)), "confidence")
    shown = joined(tiles, 0, confidence.shape, codes_of)
    assert (shown[:50] == 255).all()
    assert (shown[50] == 0).all()
    nothing = explore(explored(run, confidence=np.full_like(confidence, np.nan)))
    assert len(json.loads(nothing.facts)["ramp"]["colors"]) == 101


def test_the_table_of_units_counts_what_the_matrix_counts(run):
    facts = json.loads(explore(explored(run)).facts)
    assert facts["drills"]["superpixel"] == "units"
    assert facts["units"] == np.sum(run.assessment["superpixel"]["confusion"]["matrix"])


def test_each_unit_has_its_box_and_classes(run):
    rasters = {"mapped": run.map_codes, "reference": run.reference_unit, "split": run.split}
    rasters["percent"] = np.full_like(run.split, 7)
    units = segment_units(run.segments, rasters)
    for i, number in enumerate(units.number):
        rows, columns = np.nonzero(run.segments == number)
        assert units.box[i].tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        assert run.segments[tuple(units.centre[i])] == number
        assert run.map_codes[rows[0], columns[0]] == units.mapped[i]
        assert run.reference_unit[rows[0], columns[0]] == units.reference[i]
        assert run.split[rows[0], columns[0]] == 2


def test_numbers_without_pixels_and_units_without_a_class_are_no_units():
    segments = np.array([[1, 1, 4], [0, 6, 4]], np.int32)
    rasters = {name: np.full((2, 3), 2, np.uint8) for name in ("mapped", "reference", "percent", "split")}
    rasters["reference"][1, 1] = 0
    assert segment_units(segments, rasters).number.tolist() == [1, 4]
    assert segment_units(np.zeros((2, 3), np.int32), rasters).number.size == 0


def test_cells_are_counted_once_and_cut_at_the_edge():
    fine = np.kron(np.array([[1, 2], [3, 0]], np.uint8), np.ones((4, 4), np.uint8))[:7, :6]
    rasters = {"mapped": fine, "reference": fine, "percent": fine, "split": np.where(fine, 2, 0).astype(np.uint8)}
    units = cell_units(4, rasters)
    assert units.mapped.tolist() == [1, 2, 3]
    assert units.box.tolist() == [[0, 0, 4, 4], [0, 4, 4, 6], [4, 0, 7, 4]]
    assert (units.matrix(Legend.from_names({1: "a", 2: "b", 3: "c"})) == np.eye(3)).all()


def test_pixels_are_counted_as_the_assessment_counts_them(run):
    where = run.split == 2
    wanted = assess(run.reference_pixel[where], run.map_codes[where], run.legend).matrix
    assert (pixel_matrix(run.map_codes, run.reference_pixel, run.split, run.legend) == wanted).all()
    matrices = {"superpixel": run.assessment["superpixel"]["confusion"]["matrix"], "pixel": wanted.tolist()}
    assert json.loads(explore(explored(run, matrices=matrices)).facts)["drills"]["pixel"] == "pixels"


def test_a_matrix_that_is_not_found_again_cannot_be_clicked(run):
    matrices = {name: (np.array(matrix) + 1).tolist() for name, matrix in explored(run).matrices.items()}
    assert json.loads(explore(explored(run, matrices=matrices)).facts)["drills"] == {}


def test_a_run_of_pixels_needs_no_table(run):
    matrix = pixel_matrix(run.map_codes, run.reference_pixel, run.split, run.legend).tolist()
    exploration = explore(explored(run, unit="pixel", segments=None, matrices={"pixel": matrix}))
    assert json.loads(exploration.facts)["drills"] == {"pixel": "pixels"}
    assert not [key for key in exploration.parts if key.startswith(("unit-", "tile-label"))]


def test_what_is_given_up_for_the_budget_is_said(run):
    whole = explore(explored(run))
    assert whole.notes == []
    small = explore(explored(run), budget=whole_size(whole) // 8)
    assert whole_size(small) < whole_size(whole)
    assert any("low quality" in note or "resolution" in note for note in small.notes)
    assert any("steps of 5 per cent" in note for note in small.notes)


def whole_size(exploration):
    return sum(map(len, exploration.parts.values()))


def large_world(remake_scene, side, kind):
    """Return superpixels, pixels with errors all over, or pixels at random, of a large scene of noise."""
    rng = np.random.default_rng(5)
    scene = remake_scene(side, side, bands=("B02", "B03", "B04"))
    legend = Legend.from_names(dict(enumerate(("Urban", "Crop", "Vegetation", "Water"), start=1)))
    rows, columns = np.indices((side, side), np.int32)
    shifts = rng.integers(-3, 4, (2, side, side), dtype=np.int32)  # ragged borders, which pack badly
    across = -(-side // 20)
    down, right = (np.clip(at + shift, 0, side - 1) // 20 for at, shift in zip((rows, columns), shifts, strict=True))
    segments = down * across + right + 1
    fields = rng.integers(1, 5, (2, across**2 + 1), dtype=np.uint8)[:, segments]
    reference, mapped = fields if kind == "superpixel" else (fields[0], fields[0].copy())
    confidence = rng.uniform(0.4, 1, across**2 + 1).astype(np.float32)[segments]
    if kind != "superpixel":
        where = rng.random((side, side)) < {"pixel": 0.2, "noise": 2}[kind]
        mapped[where] = rng.integers(1, 5, int(where.sum()), dtype=np.uint8)
        confidence = rng.uniform(0.4, 1, (side, side)).astype(np.float32)
    if kind == "noise":
        reference = rng.integers(1, 5, (side, side), dtype=np.uint8)
    split = (1 + (rows // 120 + columns // 120) % 2).astype(np.uint8)
    unit, labels = ("superpixel", segments) if kind == "superpixel" else ("pixel", None)
    matrices = {unit: np.zeros((4, 4), int).tolist()}
    return Explored(
        scene, legend, unit, mapped, reference, reference, confidence, split, labels, 1, 25, matrices
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "base"), [("superpixel", 0), ("pixel", 0), ("noise", 1)])
def test_the_budget_holds_for_twelve_million_pixels(remake_scene, kind, base):
    what = large_world(remake_scene, 3500, kind)
    exploration = explore(what)
    assert whole_size(exploration) <= 24_000_000
    assert json.loads(exploration.facts)["base"]["codes"] == base
    assert (not base) or any("every second pixel" in note for note in exploration.notes)
    coarse = what.mapped[:: 2**base, :: 2**base]
    last = len(coarse) // TILE
    corner = codes_of(exploration.parts[f"tile-map-{base}-{last}-{last}"], (len(coarse) - last * TILE,) * 2)
    assert (corner == coarse[last * TILE :, last * TILE :]).all()


def test_where_the_codes_do_not_fit_the_map_is_coarser_and_says_so(remake_scene):
    what = large_world(remake_scene, 1200, "noise")
    exploration = explore(what, budget=600_000)
    facts = json.loads(exploration.facts)
    base = facts["base"]["codes"]
    assert base >= 1
    assert facts["drills"] == {}
    assert whole_size(exploration) <= 600_000
    assert any("every" in note and "pixel" in note for note in exploration.notes)
    shape = level_shapes((1200, 1200))[base]
    assert (joined(layer_of(exploration, "map"), base, shape, codes_of) == what.mapped[:: 2**base, :: 2**base]).all()


def test_hostile_names_are_only_text(run):
    legend = Legend.from_names(dict(enumerate(HOSTILE, start=1)))
    facts = explore(explored(run, legend=legend)).facts
    assert not set("<>&\u2028\u2029") & set(facts)
    assert tuple(c["name"] for c in json.loads(facts)["classes"]) == HOSTILE


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_embedded_json_says_what_it_was_given(value):
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


@pytest.mark.usefixtures("undrawn")
def test_only_our_own_script_may_run(run, tmp_path):
    write_report(tmp_path / "r.html", run)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"script-src '{script_hash()}'" in page.replace("&#39;", "'")
    assert page.count(f"<script>{script()}</script>") == 1
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "XMLHttp", "import("):
        assert way not in script()


def test_same_run_same_bytes(run, remake):
    one, other = explore(explored(run)), explore(explored(remake()))
    assert dataclasses.asdict(one) == dataclasses.asdict(other)


def test_colours_have_words():
    assert color_word("#000000") == "black"
    assert color_word("#ffffff") == "white"
    words = {
        color_word(f"#{r:02x}{g:02x}{b:02x}") for r in range(0, 256, 15) for g in (0, 120, 255) for b in (0, 99, 255)
    }
    assert all(word.replace(" ", "").replace("-", "").isalpha() for word in words)
