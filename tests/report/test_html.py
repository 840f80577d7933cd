"""The report: one file, complete, escaped, the same bytes for the same run, and the figures of the assessment."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from PIL import Image

from citygrain.errors import InputError, OutputError
from citygrain.report import pages
from citygrain.report.html import LARGEST, write_report
from citygrain.tessellation import raster_like

HOSTILE = ("<script>alert(1)</script>", '" onload="x', "</style><b>Crop</b>", "$\\frac{1}{$ & {{ 7 * 7 }} _x")


class Page(HTMLParser):
    """Collects tags, their attributes, texts, and the cells of tables by id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.values, self.tables = [], [], [], {}
        self.text, self._table, self._open = "", None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs.items()]
        self._open.append(tag)
        if tag == "data":
            self.values.append(float(attrs["value"]))
        if tag == "table":
            self._table = self.tables.setdefault(attrs.get("id", f"table {len(self.tables)}"), [])
        if tag == "tr":
            self._table.append([])
        if tag in ("td", "th"):
            self._table[-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if {"style", "script"} & set(self._open):
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self._table[-1][-1] += data


def page_of(run, folder):
    write_report(folder / "report.html", run)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def undrawn(monkeypatch):
    """One small picture in place of all, for tests that read the text."""
    target = io.BytesIO()
    Image.new("RGB", (2, 2)).save(target, "png")
    monkeypatch.setattr(pages, "encode_figure", lambda *_, **__: target.getvalue())


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return page_of(run, tmp_path_factory.mktemp("report"))


def test_the_headline_is_the_held_out_accuracy(page, run):
    held_out = run.assessment["superpixel"]
    assert page.values[:3] == [held_out["overall_accuracy"], held_out["kappa"], held_out["macro_f1"]]
    tested = sum(map(sum, held_out["confusion"]["matrix"]))
    assert f"{tested} superpixels in blocks of ground that were never used for training" in page.text
    assert f"{100 * held_out['overall_accuracy']:.1f}\u202f%" in page.text


def test_every_figure_is_the_assessments(page, run):
    every = [run.assessment[side] for side in ("superpixel", "pixel")]
    every += [run.assessment["resubstitution"][side] for side in ("superpixel", "pixel")]
    names = ("overall_accuracy", "kappa", "macro_f1", "weighted_f1")
    assert page.values[3:] == [figures[name] for figures in every for name in names]


@pytest.mark.parametrize("side", ["superpixel", "pixel"])
def test_the_matrix_names_both_sides_and_is_not_transposed(page, run, side):
    table = page.tables[f"confusion-{side}"]
    confusion = run.assessment[side]["confusion"]
    assert "Reference" in table[0]
    assert table[1][0] == "Map"
    assert table[1][1:5] == confusion["classes"]
    for row, (name, counts) in zip(
        table[2:6], zip(confusion["classes"], confusion["matrix"], strict=True), strict=True
    ):
        assert row[0] == name
        assert [int(cell) for cell in row[1:5]] == counts
        assert int(row[5]) == sum(counts)
        users = run.assessment[side]["per_class"][name]["users_accuracy"]
        assert row[6] == f"{100 * users:.1f}\u202f%"
    assert [int(cell) for cell in table[6][1:5]] == np.sum(confusion["matrix"], 0).tolist()
    for cell, name in zip(table[7][1:5], confusion["classes"], strict=True):
        assert cell == f"{100 * run.assessment[side]['per_class'][name]['producers_accuracy']:.1f}\u202f%"


def test_optimistic_figures_are_marked(page):
    rows = [row for row in page.tables["figures"] if row[0].startswith("All")]
    assert len(rows) == 2
    assert all("optimistic" in row[0] for row in rows)


def test_areas_are_those_of_the_map(page, run):
    table = next(rows for key, rows in page.tables.items() if key.startswith("table") and "Hectares" in rows[0])
    for row, c in zip(table[1:], run.legend, strict=True):
        pixels = int((run.map_codes == c.code).sum())
        assert row[0] == c.name
        assert float(row[2].replace("\u202f", "")) == pytest.approx(pixels * 0.01)  # 10 m pixels
        assert int(row[3].replace("\u202f", "")) == pixels


@pytest.mark.usefixtures("undrawn")
def test_it_asks_for_nothing_from_outside(page, run, tmp_path):
    assert {"link", "iframe", "object", "embed", "base"}.isdisjoint(page.tags)
    for tag, key, value in page.attributes:
        if key in ("src", "href", "srcset", "action", "data", "poster"):
            assert value.startswith(("data:image/", "#")), (tag, key, value[:60])
    assert not [key for tag, key, _ in page.attributes if tag == "script" and key not in ("type", "id")]
    policy = next(value for _, key, value in page.attributes if key == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; img-src data:;")
    write_report(tmp_path / "r.html", run)
    assert not re.search(r"url\(|@import|https?://", (tmp_path / "r.html").read_text(encoding="utf-8"))


def test_every_picture_opens_and_says_what_it_shows(page):
    sources = [value for tag, key, value in page.attributes if (tag, key) == ("img", "src")]
    assert len(sources) == 12
    for source in sources:
        head, content = source.split(",", 1)
        picture = Image.open(io.BytesIO(base64.b64decode(content)))
        assert picture.format.lower() in head
        assert min(picture.size) > 150
        assert np.asarray(picture.convert("RGB")).std() > 5
    described = [value for tag, key, value in page.attributes if (tag, key) == ("img", "alt")]
    assert len(described) == len(sources)
    assert all(described)


@pytest.mark.usefixtures("undrawn")
def test_hostile_names_stay_text(remake, tmp_path):
    run = remake(
        names=HOSTILE,
        title="<img src=x onerror=alert(1)>",
        caveats=["<script>alert(2)</script>"],
        config={"scene": {"path": "<script>alert(3)</script>.tif"}},
        steps=[{"name": "</td><script>alert(4)</script>", "seconds": 1.0, "peak_mb": 1.0, "reused": False}],
    )
    page = page_of(run, tmp_path)
    assert page.tags.count("script") == page_of(remake(), tmp_path).tags.count("script")
    assert not [key for _, key, _ in page.attributes if key.startswith("on")]
    assert all(value.startswith("data:image/") for tag, key, value in page.attributes if (tag, key) == ("img", "src"))
    for text in (*HOSTILE, run.title, *run.caveats, "alert(3)", "alert(4)"):
        assert text in page.text
    assert page.tables["confusion-superpixel"][1][1:5] == list(HOSTILE)


@pytest.mark.slow
def test_same_run_same_bytes(run, remake, tmp_path):
    write_report(tmp_path / "a.html", run)
    write_report(tmp_path / "b.html", remake())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    write_report(tmp_path / "c.html", dataclasses.replace(run, title="Other town"))
    assert (tmp_path / "a.html").read_bytes() != (tmp_path / "c.html").read_bytes()


@pytest.mark.slow
def test_what_is_missing_is_left_out_or_said(run, remake, tmp_path):
    held_out = dict(run.assessment["superpixel"], kappa=None)
    held_out["per_class"] = {
        name: dict(figures, users_accuracy=None) for name, figures in held_out["per_class"].items()
    }
    bare = remake(
        assessment={"split": "spatial", "superpixel": held_out, "pixel": run.assessment["pixel"]},
        history=[],
        patches=None,
        steps=[],
        caveats=[],
        confidence=np.full(run.map_codes.shape, np.nan, np.float32),
        map_codes=np.zeros_like(run.map_codes),
    )
    write_report(tmp_path / "r.html", bare)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "undefined" in text
    assert "optimistic" not in text.lower()
    assert "that does not mean there are none" in text
    assert text.count("<img") == 9


@pytest.mark.usefixtures("undrawn")
def test_the_truth_is_shown_where_it_is_known(run, tmp_path):
    known = dict(run.assessment, truth={"map": run.assessment["pixel"], "reference": run.assessment["superpixel"]})
    page = page_of(dataclasses.replace(run, assessment=known), tmp_path)
    assert [row[0] for row in page.tables["truth"][1:]] == [
        "The map against the truth",
        "The reference against the truth",
    ]


@pytest.mark.usefixtures("undrawn")
def test_a_report_that_cannot_be_written_leaves_nothing(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        write_report(tmp_path / "file" / "report.html", run)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_rasters_of_another_shape_are_refused(run):
    with pytest.raises(InputError, match="confidence of shape"):
        dataclasses.replace(run, confidence=np.zeros((3, 3), np.float32))


@pytest.mark.slow
def test_a_large_map_stays_within_thirty_megabytes(remake, tmp_path):
    side, cell = 3536, 10  # 12.5 Mpixel of noise, which no real scene is: nothing packs worse
    rng = np.random.default_rng(4)
    grid = GeoBox.from_bbox((0, 0, 10 * side, 10 * side), "EPSG:32633", shape=(side, side))
    bands = ["B02", "B03", "B04"]
    scene = xr.concat([raster_like(rng.random((side, side), np.float32), grid) for _ in bands], "band")
    scene = scene.assign_coords(band=bands)
    scene.attrs.update(units="reflectance", sensor="sentinel-2")
    across = -(-side // cell)
    unit = np.arange(side) // cell
    number = (unit[:, None] * across + unit).astype(np.int32)
    codes, role = rng.integers(1, 5, across**2).astype(np.uint8), rng.integers(0, 3, across**2).astype(np.uint8)
    rasters = {
        "segments": number + 1,
        "reference_pixel": rng.integers(1, 5, (side, side)).astype(np.uint8),
        "reference_unit": codes[number],
        "map_codes": rng.permutation(codes)[number],
        "confidence": rng.random(across**2, np.float32)[number],
        "split": role[number],
    }
    path = tmp_path / "report.html"
    write_report(path, remake(scene=scene, **rasters))
    assert 10_000_000 < path.stat().st_size <= LARGEST


def sampled(run, tmp_path):
    """Return the run with labelled points in its assessment: a probability sample, and one that is none."""
    from citygrain.workflows.points.map_classes import map_classes
    from citygrain.workflows.points.point_assessment import assess_points
    from citygrain.workflows.points.sample_design import SampleWish, design_sample
    from helpers.validation import label_by_truth, patchy_world, write_map_file

    mapped, truth = patchy_world()
    source = map_classes(write_map_file(tmp_path / "map.tif", mapped))
    design_sample(source, SampleWish(total=300), tmp_path / "points.gpkg")
    label_by_truth(tmp_path / "points.gpkg", tmp_path / "labelled.gpkg", truth, leave=5)
    drawn = assess_points(source, tmp_path / "labelled.gpkg")
    (tmp_path / "points.design.json").unlink()
    counted = assess_points(source, tmp_path / "labelled.gpkg")
    both = [run.assessment | {"validation_sample": sample} for sample in (drawn, counted)]
    return [dataclasses.replace(run, assessment=assessment) for assessment in both]


@pytest.mark.usefixtures("undrawn")
def test_area_adjusted_figures_stand_first(run, tmp_path):
    drawn, counted = sampled(run, tmp_path)
    page = page_of(drawn, tmp_path)
    figures = drawn.assessment["validation_sample"]["area_adjusted"]
    assert page.values[0] == figures["overall_accuracy"]["value"]
    assert page.text.index("Accuracy of the whole map") < page.text.index("Accuracy on unseen blocks")
    assert "5 of 300 drawn points are not labelled" in page.text
    for row, (name, part) in zip(page.tables["validation-classes"][1:], figures["per_class"].items(), strict=True):
        low, high = part["users_accuracy"]["interval_95"]
        users = f"{100 * part['users_accuracy']['value']:.1f}\u202f% ({100 * low:.0f} to {100 * high:.0f})"
        assert (row[0], row[1].strip()) == (name, users)
    areas = next(rows for rows in page.tables.values() if "Hectares" in rows[0] and "Pixels" in rows[0])
    assert areas[0][-1].startswith("Error-adjusted area, ha")
    for row, part in zip(areas[1:], figures["per_class"].values(), strict=True):
        assert row[-1].startswith(f"{part['area_hectares']['value']:,.0f} (".replace(",", "\u202f"))
    plain = page_of(counted, tmp_path)
    assert plain.values[0] == counted.assessment["superpixel"]["overall_accuracy"]
    assert "No probability sample." in plain.text and "validation-classes" not in plain.tables
    assert not any("Error-adjusted" in cell for rows in plain.tables.values() for row in rows for cell in row)


@pytest.mark.usefixtures("undrawn")
def test_intervals_stand_beside_their_figures(run, tmp_path):
    held_out = dict(run.assessment["superpixel"])
    held_out["interval_95"] = {"overall_accuracy": [0.71, 0.89], "kappa": [0.6, 0.8]}
    first, *_ = held_out["per_class"]
    part = held_out["per_class"][first] | {"interval_95": {"users_accuracy": [0.5, 0.75], "f1": [0.4, 0.6]}}
    held_out["per_class"] = held_out["per_class"] | {first: part}
    page = page_of(dataclasses.replace(run, assessment=run.assessment | {"superpixel": held_out}), tmp_path)
    row = page.tables["figures"][1]
    assert row[2].strip().endswith("(71 to 89)") and row[3].strip().endswith("(0.60 to 0.80)")
    row = page.tables["classes"][1]
    assert row[1].strip().endswith("(50 to 75)") and row[3].strip().endswith("(0.40 to 0.60)")
