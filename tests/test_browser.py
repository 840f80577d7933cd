"""The helper that drives Chromium: what a page says and does arrives in the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from helpers.browser import Browser, BrowserError, Page

PAGE = """<!doctype html><title>Toy</title><body style="margin:0">
<button style="position:absolute;left:10px;top:10px;width:80px;height:30px" onclick="seen.push('click')">a</button>
<canvas></canvas><script>
const seen = [];
addEventListener('keydown', event => seen.push(event.key));
setTimeout(() => { window.late = {n: 7} }, 300);
</script>"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("page") / "toy.html"
    path.write_text(PAGE, encoding="utf-8")
    with Browser() as browser:
        yield browser.open(path.as_uri(), width=400, height=300)


def test_values_come_back_and_late_ones_are_waited_for(page: Page) -> None:
    assert page.evaluate("document.title") == "Toy"
    assert page.evaluate("Promise.resolve([1, 'b', null])") == [1, "b", None]
    assert page.wait_for("window.late") == {"n": 7}
    with pytest.raises(BrowserError, match="still"):
        page.wait_for("window.never", wait=0.3)
    with pytest.raises(BrowserError, match="nothing is not defined"):
        page.evaluate("nothing.at.all")


def test_pointer_and_keys_arrive(page: Page) -> None:
    page.evaluate("seen.length = 0")
    page.click(50, 25)
    page.press("ArrowLeft")
    page.press("x")
    assert page.evaluate("seen") == ["click", "ArrowLeft", "x"]


def test_errors_are_collected(page: Page) -> None:
    assert page.errors == []
    page.evaluate("setTimeout(() => { throw new Error('thrown late') }); console.error('said', 3)")
    page.wait_for("1")
    page.evaluate("new Promise(done => setTimeout(done, 100))")
    assert any("thrown late" in error for error in page.errors) and "said 3" in page.errors


def test_pictures_are_of_the_size_asked_for_and_webgl_is_there(page: Page, tmp_path: Path) -> None:
    page.resize(320, 240)
    page.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (320, 240)
    assert page.evaluate("document.querySelector('canvas').getContext('webgl2') !== null")
