"""TensorBoard in a real browser: curves are drawn, the graph opens, and the projector runs with sprites and classes.

The pictures land in ``runs/docs``, from where those of the pages are renewed; that of the projector needs
``runs/aberystwyth`` (`citygrain run examples/aberystwyth.toml --out runs/aberystwyth`), since toys make a poor picture.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.browser import Browser, Page, need_browser
from helpers.worlds import BANDS, toy_patches

ROOT = Path(__file__).parents[1]
PROGRAM = "import sys; from citygrain.cli import main; sys.argv[0] = 'citygrain'; main()"
WAIT = 180

DEEP = """
window.deep = (selector, root = document) => {
  const found = [...root.querySelectorAll(selector)];
  for (const element of root.querySelectorAll('*')) {
    if (element.shadowRoot) found.push(...deep(selector, element.shadowRoot));
    if (element.tagName === 'IFRAME' && element.contentDocument) found.push(...deep(selector, element.contentDocument));
  }
  return found;
};
window.projector = () => deep('vz-projector')[0];
window.spread = name => {
  const places = projector().dataSet.points.map(point => point.projections[name + '-0']);
  return places.every(place => Number.isFinite(place)) && Math.max(...places) > Math.min(...places);
};
1"""
"""TensorBoard's parts lie in shadow roots and frames: `deep` looks into all of them."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings that are logged."""
    from citygrain.models.catalogue import make_model
    from citygrain.models.neural import NeuralClassifier
    from citygrain.models.training import Hooks
    from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, make_board

    folder = tmp_path_factory.mktemp("runs")
    train, valid = toy_patches(120), toy_patches(60, seed=5)
    for name in ("cnn", "patchnet"):
        board = make_board(folder / name / FOLDER, name, train, BoardChoice(bands=BANDS[::-1], points=150))
        assert board is not None
        model = make_model(name, epochs=3, seed=3, hooks=Hooks(callbacks=[board]))
        assert isinstance(model, NeuralClassifier)
        model.recipe = replace(model.recipe, least_rows=200)
        finish_board(board, model.fit(train, valid), train, valid)
    return folder


@pytest.fixture(scope="module")
def address(logs: Path) -> Iterator[str]:
    need_browser()
    with served(logs, "4 logs") as address:
        yield address


@contextmanager
def served(folder: Path, told: str) -> Iterator[str]:
    """A running ``citygrain board``; at the end it gets a Ctrl-C, and must leave without a word."""
    command = [sys.executable, "-u", "-c", PROGRAM, "board", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"TensorBoard on {told}: http://127.0.0.1:"), line
        yield line.split()[4]
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
        assert (server.returncode, said) == (0, "")
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def opened(browser: Browser, address: str, tab: str) -> Page:
    page = browser.open(f"{address}#{tab}", width=1400, height=900, wait=WAIT)
    page.evaluate(DEEP)
    return page


def keep(page: Page, name: str) -> Path:
    """Write what the page shows for the docs, in 1,100 pixels and 256 colours."""
    path = ROOT / "runs/docs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path)
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((1100, 1100), Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def coloured(page: Page) -> bool:
    """Keep a picture of the page, and tell whether the first chart (drawn by WebGL) has dots of a run's colour."""
    picture = keep(page, "board-curves.png")
    box = page.evaluate(
        "(b => [b.x, b.y, b.right, b.bottom])(document.querySelector('scalar-card line-chart').getBoundingClientRect())"
    )
    with Image.open(picture) as shown:
        scale = shown.size[0] / 1400
        chart = np.asarray(shown.convert("RGB").crop([scale * side for side in box]), np.int16)
    return int((np.ptp(chart, axis=2) > 80).sum()) > 50


def test_curves_are_drawn(browser: Browser, address: str) -> None:
    page = opened(browser, address, "scalars")
    page.wait_for("deep('.render-area path').some(path => path.getBoundingClientRect().width > 100)", wait=WAIT)
    assert page.errors == []
    page = opened(browser, address, "timeseries")
    page.wait_for("document.querySelectorAll('scalar-card line-chart').length > 2", wait=WAIT)
    text = page.wait_for("document.body.innerText", wait=WAIT)
    for name in ("cnn/tensorboard", "patchnet/tensorboard/steps", "F1 of validation", "Forest"):
        assert name in text, text
    end = time.monotonic() + WAIT
    while not coloured(page):
        assert time.monotonic() < end, "no curve is drawn"
    assert page.errors == []


def test_the_graph_is_drawn_by_block(browser: Browser, address: str) -> None:
    page = opened(browser, address, "graphs&run=cnn%2Ftensorboard")
    page.wait_for("deep('g.node text').length > 5", wait=WAIT)
    shown = page.evaluate("deep('g.node > g > text, g.node text').map(e => e.textContent)")
    for block in ("pixel stem", "head", "logits"):
        assert any(block in text for text in shown), shown
    time.sleep(1)
    keep(page, "board-graph.png")
    assert page.errors == []


def test_the_projector_runs_with_sprites_and_classes(browser: Browser, address: str) -> None:
    page = opened(browser, address, "projector")
    page.wait_for("projector() && projector().dataSet && projector().dataSet.points.length", wait=WAIT)
    page.wait_for("spread('pca')", wait=WAIT)
    assert page.evaluate("projector().dataSet.points.length") == 150
    assert page.wait_for("projector().dataSet.spriteAndMetadataInfo.spriteImage.width", wait=WAIT) >= 8
    options = "projector().dataSet.spriteAndMetadataInfo.stats.map(column => column.name)"
    assert {"class", "predicted class", "right or wrong", "split"} <= set(page.wait_for(options))
    page.evaluate("deep('vz-projector-data-panel')[0].selectedColorOptionName = 'class'")
    page.evaluate("deep('#tsne-tab')[0].click()")
    page.wait_for("projector().dataSet.tSNEIteration > 60 && spread('tsne')", wait=WAIT)
    page.evaluate("deep('#umap-tab')[0].click(); deep('#run-umap')[0].click()")
    page.wait_for("projector().dataSet.hasUmapRun && spread('umap')", wait=WAIT)
    tables = page.evaluate("deep('vz-projector-data-panel')[0].tensorNames.map(t => t.name)")
    assert "features of the trained network" in tables and "features, epoch 001" in tables
    assert page.errors == []


def test_the_projector_of_a_real_run_is_worth_a_picture(browser: Browser) -> None:
    log = ROOT / "runs/aberystwyth/tensorboard"
    if not log.is_dir():
        pytest.skip("no runs/aberystwyth with a log")
    with served(log, "2 logs") as address:
        page = opened(browser, address, "projector")
        page.wait_for("projector() && projector().dataSet && projector().dataSet.points.length", wait=WAIT)
        page.wait_for("spread('pca')", wait=WAIT)
        page.evaluate("deep('vz-projector-data-panel')[0].selectedColorOptionName = 'class'")
        page.evaluate("deep('#tsne-tab')[0].click()")
        page.wait_for("projector().dataSet.tSNEIteration > 200", wait=2 * WAIT)
        keep(page, "board-projector.png")
        page.ask("Page.navigate", url="about:blank")  # it would ask a server that is gone
