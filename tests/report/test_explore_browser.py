"""The report explored in a real browser: what is shown, told and marked is what the rasters hold."""

import dataclasses

import numpy as np
import pytest

from citygrain.report.assessed import pixel_matrix
from citygrain.report.html import write_report
from helpers.browser import Browser

HOSTILE = (
    '<img src=x onerror="window.hurt = 1">',
    "</script><script>window.hurt = 1</script>",
    "\u2028 & {{ 7 * 7 }}",
    "__proto__",
)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with Browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def counted(remake):
    """A run whose pixel matrix is that of its test ground, with names that would like to be more than names."""
    run = remake(names=HOSTILE, title=HOSTILE[0])
    matrix = pixel_matrix(run.map_codes, run.reference_pixel, run.split, run.legend)
    pixel = dict(run.assessment["pixel"], confusion={"classes": list(HOSTILE), "matrix": matrix.tolist()})
    return dataclasses.replace(run, assessment=dict(run.assessment, pixel=pixel))


@pytest.fixture(scope="module")
def address(counted, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, counted)
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    """A fresh page, and afterwards: no errors, nothing asked for, no hostile name come alive."""
    page = browser.open(address, width=1200, height=900)
    page.wait_for("document.querySelector('#explore-map').dataset.scale")
    page.evaluate("document.querySelector('#explore').scrollIntoView()")
    yield page
    assert page.errors == []
    assert (
        page.evaluate("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    )
    assert page.evaluate("window.hurt") is None
    page.ask("Page.close")


def frame(page):
    return page.evaluate(
        "(() => { const r = document.getElementById('explore-map').getBoundingClientRect();"
        " return [r.x, r.y, r.width, r.height] })()"
    )


def text(page, name):
    return page.evaluate(f"document.getElementById('explore-{name}').textContent")


def scale(page):
    return float(page.evaluate("document.getElementById('explore-map').dataset.scale"))


def place(page, row, column, shape):
    """The dot of the window over the middle of a pixel, while the whole map is shown."""
    x, y, width, height = frame(page)
    return x + width / 2 + (column + 0.5 - shape[1] / 2) * scale(page), y + height / 2 + (
        row + 0.5 - shape[0] / 2
    ) * scale(page)


def choose(page, side, layer):
    page.evaluate(
        f"(() => {{ const s = document.getElementById('explore-{side}');"
        f" s.value = '{layer}'; s.dispatchEvent(new Event('change')) }})()"
    )


def color(x, y):
    """JavaScript for the colour of a dot of the map, at a share of its width and height."""
    return (
        "(() => { const c = document.querySelector('#explore-map canvas'); const t = c.getContext('2d');"
        f" return String([...t.getImageData(c.width * {x}, c.height * {y}, 1, 1).data].slice(0, 3)) }})()"
    )


def test_hovering_tells_what_the_rasters_hold(page, counted):
    shape = counted.map_codes.shape
    names = {c.code: c.name for c in counted.legend}
    for row, column in ((3, 4), (45, 97), (88, 118), (61, 20)):
        page.move(*place(page, row, column, shape))
        number = str(counted.segments[row, column])
        page.wait_for(f"document.getElementById('explore-unit').textContent === '{number}'")
        assert text(page, "class") == names[counted.map_codes[row, column]]
        assert text(page, "reference") == names[counted.reference_pixel[row, column]]
        assert text(page, "confidence") == f"{round(100 * float(counted.confidence[row, column]))} %"
        assert text(page, "ground") == ("not used", "training", "test")[counted.split[row, column]]
        x, y = counted.scene.odc.geobox.affine * (column + 0.5, row + 0.5)
        assert text(page, "place").replace("\u202f", "") == f"E {x:.0f}, N {y:.0f}"
    page.move(2, 2)
    page.wait_for("document.getElementById('explore-class').textContent === '\u2013'")


def test_the_map_has_the_legends_colours(page, counted):
    choose(page, "left", "map")
    x, y, width, height = frame(page)
    for row, column in ((5, 5), (55, 75), (85, 115)):
        px, py = place(page, row, column, counted.map_codes.shape)
        red, green, blue = next(c.rgb for c in counted.legend if c.code == counted.map_codes[row, column])
        page.wait_for(f"{color((px - x) / width, (py - y) / height)} === '{red},{green},{blue}'")


def test_agreement_is_drawn_from_the_codes(page, counted):
    choose(page, "left", "agreement")
    choose(page, "right", "agreement")
    x, y, width, height = frame(page)
    for split, same, wanted in ((1, None, "217,221,226"), (2, True, "169,203,226"), (2, False, "213,94,0")):
        there = (counted.split == split) & (same is None or ((counted.map_codes == counted.reference_pixel) == same))
        row, column = np.argwhere(there)[0]
        px, py = place(page, row, column, counted.map_codes.shape)
        page.wait_for(f"{color((px - x) / width, (py - y) / height)} === '{wanted}'")


def test_the_swipe_moves_with_mouse_and_keys(page):
    x, y, width, height = frame(page)
    page.drag((x + width / 2, y + height / 2), (x + width / 4, y + height / 2))
    page.wait_for("document.getElementById('explore-swipe').getAttribute('aria-valuenow') === '25'")
    page.evaluate("document.getElementById('explore-swipe').focus()")
    page.press("ArrowRight")
    page.wait_for("document.getElementById('explore-swipe').getAttribute('aria-valuenow') === '27'")
    page.press("End")
    page.wait_for("document.getElementById('explore-swipe').getAttribute('aria-valuenow') === '100'")
    assert "Scene 100 per cent" in page.evaluate(
        "document.getElementById('explore-swipe').getAttribute('aria-valuetext')"
    )


def test_the_wheel_zooms_once_the_map_has_been_clicked(page):
    before, (x, y, width, height) = scale(page), frame(page)
    page.wheel(x + width / 4, y + height / 3, -200)
    assert scale(page) == before  # the page may scroll, the map does not
    page.evaluate("document.querySelector('#explore').scrollIntoView()")
    x, y, width, height = frame(page)
    page.click(x + width / 4, y + height / 3)
    page.wheel(x + width / 4, y + height / 3, -200)
    page.wait_for(f"Number(document.getElementById('explore-map').dataset.scale) > {1.3 * before}")
    page.evaluate("document.getElementById('explore-whole').click()")
    page.wait_for(f"Math.abs(Number(document.getElementById('explore-map').dataset.scale) - {before}) < 1e-6")


def test_keys_zoom_move_and_tell(page, counted):
    before = scale(page)
    page.evaluate("document.getElementById('explore-map').focus()")
    page.press("+")
    page.wait_for(f"Number(document.getElementById('explore-map').dataset.scale) > {1.4 * before}")
    middle = tuple(side // 2 for side in counted.map_codes.shape)
    page.wait_for(f"document.getElementById('explore-unit').textContent === '{counted.segments[middle]}'")
    page.wait_for("document.getElementById('explore-said').textContent.startsWith('Class ')")
    there = text(page, "place")
    page.press("ArrowLeft")
    page.wait_for(f"document.getElementById('explore-place').textContent !== {there!r}")
    page.press("0")
    page.wait_for(f"Math.abs(Number(document.getElementById('explore-map').dataset.scale) - {before}) < 1e-6")


def test_two_fingers_zoom(page):
    before, (x, y, width, height) = scale(page), frame(page)
    middle, row = x + width / 4, y + height / 2

    def touch(kind, reach):
        points = [{"x": middle + side * reach, "y": row, "id": i} for i, side in enumerate((-1, 1))] if reach else []
        page.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    touch("touchStart", 30)
    for reach in (40, 55, 70, 90):
        touch("touchMove", reach)
    touch("touchEnd", 0)
    page.wait_for(f"Number(document.getElementById('explore-map').dataset.scale) > {1.8 * before}")


@pytest.mark.parametrize("key", ["superpixel", "pixel"])
def test_a_click_on_the_matrix_marks_as_many_as_it_says(page, counted, key):
    matrix = np.array(counted.assessment[key]["confusion"]["matrix"])
    mapped, reference = np.argwhere((matrix > 1) & ~np.eye(4, dtype=bool))[0]
    count = matrix[mapped, reference]
    row = f"document.querySelectorAll('#confusion-{key} tbody tr')[{mapped}]"
    cell = f"{row}.querySelectorAll('td')[{reference}].querySelector('button')"
    assert page.evaluate(f"{cell}.textContent") == str(count)
    page.evaluate(f"{cell}.click()")
    page.wait_for(f"document.getElementById('explore-drill').dataset.count === '{count}'")
    assert text(page, "drill-title").startswith(f"{count} {key}s of the test")
    assert HOSTILE[mapped] in text(page, "drill-title")
    assert page.evaluate(f"{cell}.getAttribute('aria-pressed')") == "true"
    shown = page.evaluate("document.querySelectorAll('#explore-patches canvas').length")
    assert shown == min(count, 27) if key == "superpixel" else 0 < shown <= 27
    before = scale(page)
    page.evaluate("document.querySelector('.x-patch').click()")
    page.wait_for(f"Number(document.getElementById('explore-map').dataset.scale) > {1.2 * before}")
    page.evaluate("document.getElementById('explore-clear').click()")
    page.wait_for("document.getElementById('explore-drill').hidden")


def test_numbers_of_the_matrix_are_buttons_where_something_is_counted(page, counted):
    for key in ("superpixel", "pixel"):
        matrix = np.array(counted.assessment[key]["confusion"]["matrix"])
        assert page.evaluate(f"document.querySelectorAll('#confusion-{key} button').length") == np.count_nonzero(matrix)


def test_it_fits_a_small_phone(page):
    page.resize(320, 640, scale=2, phone=True)
    page.wait_for("document.getElementById('explore-map').clientWidth < 320")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_print_has_the_still_picture_and_no_controls(page):
    assert page.evaluate("getComputedStyle(document.querySelector('.still')).display") == "none"
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.still')).display") == "block"
    assert page.evaluate("getComputedStyle(document.getElementById('explore')).display") == "none"


def test_without_scripts_the_still_picture_is_there(browser, address):
    page = browser.open("about:blank")
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.goto(address)
    assert page.evaluate("getComputedStyle(document.querySelector('.still')).display") == "block"
    assert page.evaluate("getComputedStyle(document.getElementById('explore')).display") == "none"
    page.ask("Page.close")
