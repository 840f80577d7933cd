"""Every command and program of the guides runs and prints what the page says, and every link leads somewhere.

Those that look at the runs of ``examples/`` are in ``test_tutorials.py``, so that two processes share the pages.
"""

import re
from pathlib import Path

import pytest

from citygrain.models.architectures import build_network
from citygrain.models.catalogue import make_model
from helpers.pages import GALLERY_LARGEST, PAGES, ROOT, RUNNING, TUTORIALS, Checkout, Unit, blocks_of, check_page, slug

UNITS = [unit for unit in RUNNING if unit.name not in TUTORIALS]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_page_runs_and_prints_what_it_says(
    unit: Unit, checkout: Checkout, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_page(unit, checkout, request, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {target}"


def test_pictures_are_used_and_small() -> None:
    folder = ROOT / "docs/images"
    pictures = sorted(path for path in folder.rglob("*") if path.is_file())
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert pictures
    assert [path.name for path in pictures if f"images/{path.relative_to(folder)})" not in text] == []
    gallery = [path.stat().st_size for path in pictures if path.parent.name == "gallery"]
    assert max(gallery) <= GALLERY_LARGEST and sum(gallery) <= 2_500_000
    assert sum(path.stat().st_size for path in pictures) - sum(gallery) < 4_500_000


def test_printed_parameter_counts_are_those_of_the_code() -> None:
    tutorial = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    rgb = ("B04", "B03", "B02")
    count = sum(weight.numel() for weight in build_network("course-cnn", rgb, (3, 25, 25), 4).parameters())
    assert f"{count:,} parameters" in tutorial
    features = (*(f"f{i}" for i in range(13)), "SEGMENT")
    count = sum(weight.numel() for weight in build_network("segment-net", features, (14, 25, 25), 4).parameters())
    assert f"{count:,} parameters" in tutorial


def test_recipes_on_the_page_are_those_of_the_code() -> None:
    tutorial = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    course = make_model("cnn", recipe="course").recipe  # type: ignore[attr-defined]
    assert f"batches of {course.batch}" in tutorial


def test_architecture_names_what_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tree = next(block.text for block in blocks_of(text) if "src/citygrain/" in block.text)
    source = ROOT / "src/citygrain"
    named, room = set(), source
    for line in tree.splitlines()[1:]:
        if match := re.match(r"  (\w+)/\s", line):
            room = floor = source / match[1]
            named.add(room)
        elif match := re.match(r"    (\w+)/\s", line):
            room = floor / match[1]
            named.add(room)
        elif re.match(r"  \w", line):
            room = source
        if line.startswith("  "):
            words = re.sub(r"\([^)]*\)", "", line)
            named |= {room / name for name in re.findall(r"[\w/]+\.(?:py|pyi|json)\b", words)}
    assert [path for path in sorted(named) if not path.exists()] == []
    rooms = {p for p in source.iterdir() if p.is_dir() and p.name != "__pycache__"} | set(source.glob("*.py"))
    rooms |= {p for p in (source / "workflows").rglob("*.py") if p.name != "__init__.py"}
    assert sorted(rooms - named) == []
