"""TensorBoard in a real browser: each page shows what a run has logged, and the projector runs with sprites.

The runs are short ones of a real scene (of toys, where there are no real data); ``CITYGRAIN_DOCS=full`` makes them as
long as `examples/aberystwyth.toml` says. Their pictures land in ``runs/docs``, from where those of the page
`docs/board.md` are renewed: ``CITYGRAIN_DOCS=full make docs && cp -r runs/docs/* docs/images``.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from citygrain.legend import Legend
from helpers.browser import Browser, Page, need_browser
from helpers.worlds import BANDS, LEGEND, toy_patches

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/aberystwyth.toml"
PROGRAM = "import sys; from citygrain.cli import main; sys.argv[0] = 'citygrain'; main()"
FULL = os.environ.get("CITYGRAIN_DOCS") == "full"
SHORT = (("9000", "3000"), ("per_class = 1000", "per_class = 150"), ("epochs = 10", "epochs = 4"))
WAIT = 180
SCORES = (
    "final/valid accuracy",
    "final/macro F1 of validation",
    "test/overall accuracy",
    "test/kappa",
    "test/macro F1",
)

DEEP = """
window.deep = (selector, root = document) => {
  const found = [...root.querySelectorAll(selector)];
  for (const element of root.querySelectorAll('*')) {
    if (element.shadowRoot) found.push(...deep(selector, element.shadowRoot));
    if (element.tagName === 'IFRAME' && element.contentDocument) found.push(...deep(selector, element.contentDocument));
  }
  return found;
};
window.within = (outer, inner) => deep(outer).flatMap(element => deep(inner, element.shadowRoot || element));
window.drawn = outer => within(outer, 'path').filter(path => path.getBoundingClientRect().width > 100).length;
window.projector = () => deep('vz-projector')[0];
window.spread = name => {
  const places = projector().dataSet.points.map(point => point.projections[name + '-0']);
  return places.every(place => Number.isFinite(place)) && Math.max(...places) > Math.min(...places);
};
1"""
"""TensorBoard's parts lie in shadow roots and frames: `deep` looks into all of them."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Logged:
    """Runs that were logged, `cnn` and another, and what is known of them."""

    folder: Path
    other: str
    legend: Legend
    real: bool


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Two runs of a real scene where there is one, else two trainings on toys."""
    need_browser()
    data = Path(os.environ.get("CITYGRAIN_DATA", ROOT / "../shared/data")).resolve()
    folder = tmp_path_factory.mktemp("work") / "runs"
    if (data / "scenes/aberystwyth").is_dir():
        return real_runs(folder, data)
    return toy_runs(folder)


def real_runs(folder: Path, data: Path) -> Logged:
    from citygrain.workflows.city.city_map import run_city_map
    from citygrain.workflows.config_file import read_config

    text = EXAMPLE.read_text(encoding="utf-8")
    for long, short in () if FULL else SHORT:
        assert long in text
        text = text.replace(long, short)
    for name in ("cnn", "mlp"):
        if name == "mlp":
            shutil.copytree(folder / "cnn", folder / "mlp")  # the same superpixels
        path = folder.parent / f"{name}.toml"
        path.write_text(text.replace('"cnn"', f'"{name}"') + f"[projector]\npoints = {1000 if FULL else 300}\n")
        run_city_map(read_config(path, {"CITYGRAIN_DATA": str(data)}), folder / name, until="assess")
    from citygrain.models.card import read_card

    return Logged(folder, "mlp", read_card(folder / "cnn/model").legend, real=True)


def toy_runs(folder: Path) -> Logged:
    from citygrain.models.catalogue import make_model
    from citygrain.models.hooks import Hooks
    from citygrain.models.neural import NeuralClassifier
    from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, log_test_scores, make_board

    train, valid = toy_patches(120), toy_patches(60, seed=5)
    for name in ("cnn", "patchnet"):
        choice = BoardChoice(bands=BANDS[::-1], points=150, texts={"configuration": "[model]"})
        board = make_board(folder / name / FOLDER, name, train, choice)
        assert board is not None
        model = make_model(name, epochs=3, seed=3, hooks=Hooks(callbacks=[board]))
        assert isinstance(model, NeuralClassifier)
        model.recipe = replace(model.recipe, least_rows=200)
        finish_board(board, model.fit(train, valid), train, valid)
        log_test_scores(folder / name / FOLDER, choice, {"overall_accuracy": 0.9, "kappa": 0.8, "macro_f1": 0.7})
    return Logged(folder, "patchnet", LEGEND, real=False)


@pytest.fixture(scope="module")
def address(logged: Logged) -> Iterator[str]:
    with served(logged.folder, "4 logs") as address:
        yield address


@contextmanager
def served(folder: Path, told: str) -> Iterator[str]:
    """A running ``citygrain board``; at the end it gets a Ctrl-C, and must leave without a word."""
    command = [sys.executable, "-u", "-c", PROGRAM, "board", folder.name, "--port", "0"]
    server = subprocess.Popen(
        command, cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
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


def environment() -> dict[str, str]:
    """The environment with paths of modules that hold in any folder."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in paths if path)}


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


Opener = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opener]:
    """Opens a tab of TensorBoard; in the end no page may have had an error."""
    pages: list[Page] = []

    def opener(tab: str, *, query: str = "", width: int = 1400, height: int = 900) -> Page:
        pages.append(browser.open(f"{address}?{query}#{tab}", width=width, height=height, wait=WAIT))
        pages[-1].evaluate(DEEP)
        return pages[-1]

    yield opener
    for page in pages:
        assert page.errors == []
        page.ask("Page.close")


@pytest.fixture
def keep(logged: Logged, tmp_path: Path) -> Callable[[Page, str], Path]:
    """Writes what a page shows for the docs, in 1,100 pixels and 128 colours; toys make no picture."""

    def keeper(page: Page, name: str) -> Path:
        path = (ROOT / "runs/docs" if logged.real else tmp_path) / f"board-{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path)
        with Image.open(path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((1100, 1100), Image.Resampling.LANCZOS)
        small.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
        return path

    return keeper


Keeper = Callable[[Page, str], Path]


def pixels(page: Page, path: Path, selector: str) -> npt.NDArray[np.int16]:
    """What the page shows where the element is: what WebGL draws can only be looked at."""
    page.screenshot(path)
    box = page.evaluate(f"(b => [b.x, b.y, b.right, b.bottom])(deep('{selector}')[0].getBoundingClientRect())")
    with Image.open(path) as shown:
        return np.asarray(shown.convert("RGB").crop(box), np.int16)


def test_curves_are_drawn_side_by_side(opened: Opener, keep: Keeper, logged: Logged, tmp_path: Path) -> None:
    page = opened("scalars&tagFilter=F1")
    page.wait_for("deep('.render-area path').some(path => path.getBoundingClientRect().width > 100)", wait=WAIT)
    tags = page.evaluate("deep('tf-scalar-card').map(card => card.tag)")
    assert {"F1 of validation/Forest", "F1 of validation/Water"} <= set(tags), tags
    page = opened("timeseries", query="smoothing=0&tagFilter=" + quote("^(accuracy|loss)"), width=1100)
    page.wait_for("document.querySelectorAll('scalar-card line-chart').length > 2", wait=WAIT)
    text = page.evaluate("document.body.innerText.replace(/\\s/g, '')")
    for name in ("cnn/tensorboard", f"{logged.other}/tensorboard/steps", "accuracy/valid", "loss/train"):
        assert name in text, text
    page.evaluate("document.querySelector('.settings-button').click()")
    end = time.monotonic() + WAIT
    while (np.ptp(pixels(page, tmp_path / "a.png", "scalar-card line-chart"), axis=2) > 80).sum() < 50:
        assert time.monotonic() < end, "no curve is drawn"
    keep(page, "curves")


def test_the_graph_is_drawn_by_block(opened: Opener, keep: Keeper) -> None:
    page = opened("graphs&run=cnn%2Ftensorboard")
    page.wait_for("deep('g.node text').length > 5", wait=WAIT)
    shown = page.evaluate("deep('g.node > g > text, g.node text').map(e => e.textContent)")
    for block in ("pixel stem", "head", "logits"):
        assert any(block in text for text in shown), shown
    time.sleep(1)  # it moves into its place
    keep(page, "graph")


@pytest.mark.parametrize(
    ("tab", "chart"), [("histograms", "vz-histogram-timeseries"), ("distributions", "vz-distribution-chart")]
)
def test_the_weights_of_each_layer_are_drawn(tab: str, chart: str, opened: Opener, keep: Keeper) -> None:
    page = opened(f"{tab}&tagFilter=head|stem", width=1100, height=760)
    page.wait_for(f"drawn('{chart}') > 8", wait=WAIT)
    assert "head/dense/weight" in page.evaluate("deep('tf-card-heading').map(heading => heading.tag)")
    time.sleep(1)
    keep(page, tab)


def test_pictures_are_shown(opened: Opener, keep: Keeper, logged: Logged) -> None:
    page = opened("images", width=1100, height=1000)
    shown = "within('tf-image-loader', 'img').filter(image => image.complete && image.naturalWidth > 0).length"
    page.wait_for(f"{shown} > 1", wait=WAIT)
    loaders = page.evaluate("deep('tf-image-loader').map(loader => [loader.tag, loader.run])")
    assert ["confusion of validation", "cnn/tensorboard"] in loaders
    assert ["map" if logged.real else "confusion of validation", f"{logged.other}/tensorboard"] in loaders
    time.sleep(1)
    keep(page, "images")


def test_precision_and_recall_of_each_class(opened: Opener, keep: Keeper, logged: Logged) -> None:
    page = opened("pr_curves", width=1100, height=760)
    page.wait_for("drawn('tf-pr-curve-card') >= 6", wait=WAIT)
    cards = page.evaluate("deep('tf-pr-curve-card').map(card => [card.tag, card.runs.length])")
    assert ["precision and recall/Water", 2] in cards
    time.sleep(1)
    keep(page, "pr")


def test_texts_stand_as_they_are(opened: Opener, keep: Keeper) -> None:
    page = opened("text", width=1100, height=760)
    page.wait_for("within('tf-text-loader', 'pre').length >= 4", wait=WAIT)
    texts = page.evaluate("within('tf-text-loader', 'pre').map(text => text.textContent)")
    assert any('"citygrain_model"' in text for text in texts)
    page.evaluate("deep('tf-text-loader').find(one => one.tag.startsWith('model card')).scrollIntoView()")
    time.sleep(1)
    keep(page, "text")


def test_settings_stand_beside_scores(opened: Opener, keep: Keeper) -> None:
    page = opened("hparams", width=1500, height=500)
    cells = "deep('vaadin-grid-cell-content').map(cell => cell.innerText.trim()).filter(text => text)"
    page.wait_for(f"{cells}.length > 20", wait=WAIT)
    shown = page.evaluate(cells)
    columns = shown[: shown.index("cnn/tensorboard")]
    assert columns[2:7] == ["epochs", "learning rate", "network", "rows", "seed"]
    assert columns[7:] == list(SCORES)
    assert "segment-net" in shown
    for name in ("seed", "rows", "learning rate", "epochs"):
        page.evaluate(f"within('tf-hparams-query-pane', 'paper-checkbox').find(e => e.innerText == '{name}').click()")
    page.wait_for("!deep('vaadin-grid-cell-content').some(cell => cell.innerText == 'seed' && cell.clientWidth)")
    time.sleep(1)
    keep(page, "hparams")


def test_the_projector_runs_with_sprites_and_classes(
    opened: Opener, keep: Keeper, logged: Logged, tmp_path: Path
) -> None:
    page = opened("projector")
    page.wait_for("projector() && projector().dataSet && spread('pca')", wait=WAIT)
    page.evaluate("deep('vz-projector-data-panel')[0].selectedRun = 'cnn/tensorboard'")  # rows have no sprites
    assert page.wait_for("projector().dataSet?.spriteAndMetadataInfo?.spriteImage?.width", wait=WAIT) >= 8
    page.wait_for("spread('pca')", wait=WAIT)
    options = "projector().dataSet.spriteAndMetadataInfo.stats.map(column => column.name)"
    assert {"class", "predicted class", "right or wrong", "split"} <= set(page.wait_for(options))
    tables = page.evaluate("deep('vz-projector-data-panel')[0].tensorNames.map(t => t.name)")
    assert "features of the trained network" in tables and "features, epoch 001" in tables
    time.sleep(1)
    keep(page, "pca")
    page.evaluate("deep('#tsne-tab')[0].click()")
    page.wait_for(f"projector().dataSet.tSNEIteration > {500 if FULL else 100} && spread('tsne')", wait=2 * WAIT)
    keep(page, "projector")
    dots = pixels(page, tmp_path / "a.png", "#scatter canvas")
    for name in ("Forest", "Urban", "Water"):  # the frames of the sprites
        color = np.array(next(c.rgb for c in logged.legend if c.name == name))
        assert (np.abs(dots - color).max(axis=2) < 24).sum() > 50, name
    panel = "deep('vz-projector-data-panel')[0]"
    page.evaluate(f"{panel}.selectedColorOptionName = 'class'")
    colored = page.wait_for(f"{panel}.colorLegendRenderInfo?.items.map(item => item.label)")
    assert {"Forest", "Urban", "Water"} <= set(colored)
    page.evaluate(f"{panel}.selectedColorOptionName = 'No color map'")  # which leaves the sprites as they are
    page.evaluate("deep('#umap-tab')[0].click(); deep('#run-umap')[0].click()")
    page.wait_for("projector().dataSet.hasUmapRun && spread('umap')", wait=WAIT)
    page.evaluate("deep('#reset-zoom')[0].click()")
    time.sleep(1)
    keep(page, "umap")
