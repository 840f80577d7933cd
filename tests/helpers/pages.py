"""The pages of the documentation as programs: blocks that run in a folder like a fresh checkout.

A block is run as it stands, with economies: networks train for one or two epochs, the forests of a page's own
configurations have fewer trees, folds are two, ``make demo`` makes a smaller city with a forest, of a comparison of all
models one is run, and a ResNet-50 beside other models is left out. A run that several pages tell of is made by the
first of them; another that gives the same command finds it finished, as a reader would who goes from page to page.
A command is a process of its own that finds the libraries loaded (`helpers.warm_commands`).
``CITYGRAIN_DOCS=full`` does without all of this. Numbers in printed output are compared as shapes: the last digits
differ between machines. Pictures that the pages draw land in ``runs/docs``;
``CITYGRAIN_DOCS=full make docs && cp -r runs/docs/* docs/images`` renews those of the pages.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = (
    "docs/tutorial.md",
    "README.md",
    "docs/gallery.md",
    "docs/howto.md: Draw a figure of my own",
    "docs/howto.md: Map Local Climate Zones from my own training areas",
    "docs/accuracy.md",
)
"""What looks at the runs of ``examples/``, in this order: who makes one comes first."""
FULL = os.environ.get("CITYGRAIN_DOCS") == "full"
QUICK_DEMO = "" if FULL else " --model forest --size 512"
GALLERY_LARGEST = 150_000  # bytes
REAL, ZONES = "examples/aberystwyth.toml", "examples/hong_kong.toml"
NETWORK = "CITYGRAIN_CACHE=$CITYGRAIN_DATA/so2sat/weights citygrain map --model sen2lcz-mf --level boa"
BERLIN = "$CITYGRAIN_DATA/scenes/berlin/s2_20241024.tif --bands B02,B03,B04,B05,B06,B07,B08,B8A,B11,B12"
NEEDS = {
    "runs/demo": ("make demo", f"citygrain demo{QUICK_DEMO}"),
    "runs/aberystwyth": (f"citygrain run {REAL}", f"citygrain run {REAL}"),
    "runs/hong_kong": (f"citygrain run {ZONES}", f"citygrain run {ZONES}"),
    "runs/city": ("--out runs/city", f"{NETWORK} {BERLIN}"),
}
"""Results that pages speak of: how a page makes one itself, and what is run for a page that does not."""
SET_UP = ("git clone ", "cd citygrain", "make ", "cp runs/docs/")  # lines that are looked at, not run


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Unit:
    """What is run together: a page, or a recipe of the how-to page."""

    name: str
    blocks: tuple[Block, ...]

    @property
    def code(self) -> str:
        return "\n".join(block.text for block in self.blocks if block.language != "text")

    @property
    def real(self) -> bool:
        return any(mark in self.code for mark in ("CITYGRAIN_DATA", "aberystwyth", "hong_kong", "runs/city"))


def blocks_of(text: str, first: int = 1) -> tuple[Block, ...]:
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    return tuple(Block(m[1], m[2], first + text[: m.start()].count("\n")) for m in found)


def units() -> Iterator[Unit]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(ROOT).as_posix()
        if page.name != "howto.md":
            yield Unit(name, blocks_of(text))
            continue
        for start in [m.start() for m in re.finditer(r"^## ", text, re.M)]:
            part = re.split(r"\n(?=## )", text[start:], maxsplit=1)[0]
            title = part.splitlines()[0].removeprefix("## ")
            yield Unit(f"{name}: {title}", blocks_of(part, text[:start].count("\n") + 1))


RUNNING = [unit for unit in units() if any(b.language in ("bash", "python") for b in unit.blocks)]


@dataclass
class Checkout:
    """A folder like a fresh checkout, where the pages' commands run."""

    folder: Path
    environment: dict[str, str]
    names: dict[str, Any] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)

    def play(self, unit: Unit) -> Iterator[tuple[Block, str, bool]]:
        """Run the blocks in order; give each with what it printed, and whether it was refused."""
        self.names, self.exports = {"__name__": "page"}, []
        for need, (maker, _) in NEEDS.items():
            if re.search(rf"{need}\b", unit.code) and maker not in unit.code:
                self.have(need)
        for block in unit.blocks:
            text = block.text if FULL else thrifty(block.text)
            if block.language == "toml" and (name := re.match(r"# (\S+\.toml)\n", text)):
                (self.folder / name[1]).write_text(text if FULL else few_trees(text), encoding="utf-8")
            elif block.language == "bash":
                yield block, *self.shell(text)
            elif block.language == "python":
                yield block, self.python(block, text), False

    def have(self, need: str) -> Path:
        """Return the folder of a result of `NEEDS`, which is made if no page has made it."""
        if not (self.folder / need).exists():
            self.run(f"{NEEDS[need][1]} --out {need}")
        return self.folder / need

    def shell(self, text: str) -> tuple[str, bool]:
        for line in text.splitlines():
            if line.startswith("make "):
                self.target(line.split()[1])
        lines = [line for line in text.splitlines() if not line.startswith(SET_UP)]
        if "make demo" in text:
            lines.append(f"citygrain demo --out runs/demo{QUICK_DEMO}")
        done = self.run("\n".join([*self.exports, *lines]))
        self.exports += [line for line in lines if line.startswith("export ")]
        return done

    def run(self, script: str) -> tuple[str, bool]:
        before, _, last = script.rpartition("\n")
        if last.startswith("citygrain board "):
            said = self.run(before)[0] if before else ""
            return said + self.serve(last), False
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 2 and done.stderr.startswith("citygrain: "):
            return done.stderr, True
        assert done.returncode == 0, f"{script}\n{done.stderr}"
        assert not re.search(r"Warning|Traceback", done.stderr), f"{script}\n{done.stderr}"
        return done.stdout, False

    def serve(self, command: str) -> str:
        """Start what serves until Ctrl-C, on a free port; return its line once it answers, and press Ctrl-C."""
        words = [*shlex.split(command), "--port", "0"]
        with subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=PIPE, stderr=PIPE, text=True
        ) as server:
            line = server.stdout.readline()  # type: ignore[union-attr]
            with urllib.request.urlopen(re.search(r"http://\S+", line)[0]) as answer:  # type: ignore[index]  # noqa: S310
                assert b"TensorBoard" in answer.read()
            server.send_signal(signal.SIGINT)
            assert (server.wait(60), server.stderr.read()) == (0, "")  # type: ignore[union-attr]
        return line

    def python(self, block: Block, text: str) -> str:
        printed = io.StringIO()
        code = compile("\n" * block.line + text, f"block at line {block.line}", "exec")
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(code, self.names)  # noqa: S102 - the page's own program
        return printed.getvalue()

    @staticmethod
    def target(name: str) -> None:
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), f"make {name}"


def checkout(folder: Path, commands: Path | None = None) -> Checkout:
    """Make `folder` like a fresh checkout; `commands` is the folder of the `citygrain` to run, if not the installed."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    for path in (folder / "examples").glob("*.toml"):
        path.write_text(path.read_text(encoding="utf-8") if FULL else thrifty(path.read_text(encoding="utf-8")))
    (folder / "images/gallery").mkdir(parents=True)
    path = os.pathsep.join(map(str, filter(None, (commands, Path(sys.executable).parent, os.environ["PATH"]))))
    return Checkout(folder, {**os.environ, "PATH": path, "COLUMNS": "120"})


def check_page(unit: Unit, checkout: Checkout, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a page; it prints what it says. One of real scenes is skipped where there are none."""
    if unit.real:
        data = str(request.getfixturevalue("data"))  # skips
        checkout.environment["CITYGRAIN_DATA"] = data
        monkeypatch.setenv("CITYGRAIN_DATA", data)
    outputs = {one.line: after for one, after in pairwise(unit.blocks) if after.language == "text"}
    for block, printed, refused in checkout.play(unit):
        said = outputs.get(block.line)
        assert refused == (said is not None and said.text.startswith("citygrain: ")), printed
        if said is not None:
            assert shape(printed) == shape(without_left_out(said.text)), f"{unit.name}, line {said.line}"
    keep_pictures(checkout.folder / "images")


def thrifty(text: str) -> str:
    """Return the block with fewer epochs and folds, a smaller city, and one model instead of a comparison of all."""
    text = text.replace("in forest mlp cnn;", "in mlp;").replace("in default course;", "in course;")
    text = text.replace("city-1024-0", "city-512-0").replace("resnet50:course,", "").replace("--folds 5", "--folds 2")
    text = re.sub(r"(--epochs )(10|5)\b", r"\g<1>1", text)
    return re.sub(r"(epochs ?= ?)10\b", r"\g<1>2", text)


def few_trees(text: str) -> str:
    """Return a configuration with a smaller forest: most of its time goes into saving and loading the trees."""
    return re.sub(r'^(name\s*= "forest")$', r"\1\noptions = { trees = 60 }", text, flags=re.M)


def without_left_out(text: str) -> str:
    """Return what a page prints without the lines of the model that an economy leaves out."""
    return text if FULL else re.sub(r"^ *resnet50:course .*\n", "", text, flags=re.M)


def shape(text: str) -> str:
    """Return the text with each number as #, and blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"-?\d[\d,]*(\.\d+)?(e-?\d+)?", "#", text)).strip()


def keep_pictures(folder: Path) -> None:
    """Keep the pages' pictures in runs/docs, in at most 1,200 pixels and, where a PNG is large, 256 colours."""
    target = ROOT / "runs/docs"
    target.mkdir(parents=True, exist_ok=True)
    for path in [*folder.glob("*.png"), *folder.glob("*.jpg")]:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((1200, 1200), Image.Resampling.LANCZOS)
            small.save(target / path.name, optimize=True, quality=85)
            if path.suffix == ".png" and (target / path.name).stat().st_size > 150_000:
                few = small.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
                few.save(target / path.name, optimize=True)
        path.unlink()
    for path in sorted((folder / "gallery").iterdir()):
        (target / "gallery").mkdir(exist_ok=True)
        shrink(path, target / "gallery" / path.name)
        path.unlink()


def shrink(path: Path, target: Path) -> None:
    """Keep a picture of the gallery in 150 kB: as it is, else with fewer colours, smaller, and more compressed."""
    with Image.open(path) as picture:
        whole = picture.convert("RGB")
    if path.suffix == ".jpg":
        whole.thumbnail((860, 860), Image.Resampling.LANCZOS)
    whole.save(target, optimize=True, quality=85)
    for quality, side in ((75, 1200), (65, 860), (55, 760), (45, 680)):  # thinned maps pack worse than whole ones
        if target.stat().st_size <= GALLERY_LARGEST:
            return
        few = whole.copy()
        few.thumbnail((side, side), Image.Resampling.LANCZOS)
        if path.suffix == ".png":  # an octree keeps the ink of the few letters, which a median cut does not
            few = few.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(target, optimize=True, quality=quality)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
