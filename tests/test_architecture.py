"""The floors of the house: imports run one way, and each library is known in its rooms alone."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "citygrain"

FLOORS = (
    "errors", "files", "tempering", "legend", "lcz", "sensors", "cluster", "tiles", "engines", "lazy", "excerpt",
    "grids", "_rows", "rows", "_zones", "zones", "scene", "imagery", "features", "segments", "segment_rows",
    "tessellation", "grid_patches", "pixel_context", "samples", "models", "maps", "accuracy", "report", "workflows",
    "cli",
)  # fmt: skip
"""From the ground up: a room knows only rooms before it."""

JOBS = {
    "city": ("points",), "judging": ("city", "patches"), "labels": ("city",),
    "fetching": (), "mapping": (), "patches": (), "points": (),
}  # fmt: skip
"""Rooms within workflows, and which others each may know; what they share lies beside them and knows none."""

NEVER = (("accuracy", "models"), ("accuracy", "maps"), ("models", "tessellation"), ("segments", "samples"))

KNOWN_IN = {
    "rasterio": ("scene/", "imagery/", "maps/", "samples/"),
    "pystac": ("imagery/",),
    "pystac_client": ("imagery/",),
    "requests": ("imagery/",),
    "h5py": ("samples/", "models/keras_weights.py"),
    "PIL": ("samples/patch_files.py", "report/pyramid.py", "report/board.py"),
    "geopandas": ("samples/",),
    "pyogrio": ("samples/", "imagery/area.py"),
    "numba": ("segments/_", "imagery/_", "features/_", "_rows.py", "_zones.py"),
    "spyndex": ("features/", "scene/bands.py"),  # the second asks whether a name is an index
    "torch": ("models/",),
    "lightning": ("models/",),
    "tensorboard": ("models/",),
    "pooch": ("models/download.py",),
    "safetensors": ("models/",),
    "sklearn": ("models/forest.py", "maps/applicability.py"),
    "skops": ("models/forest.py",),
    "matplotlib": ("report/",),
    "jinja2": ("report/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "pydantic": ("workflows/",),
    # The others only name the type of an engine.
    "distributed": ("cluster.py", "engines.py", "tiles.py", "segments/slic.py", "segments/_far.py"),
}
WITHOUT_TORCH = (
    "models/forest.py",
    "models/card.py",
    "models/classifier.py",
    "models/catalogue.py",
    "models/recipe.py",
    "models/shelf.py",
    "models/download.py",
)


@dataclass(frozen=True)
class Source:
    """A file of the package, parsed once for all laws."""

    place: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def room(self) -> str:
        return self.place.removesuffix(".py").split("/")[0]


def read(place: str, text: str) -> Source:
    tree = ast.parse(text)
    return Source(place, text, tree, tuple(ast.walk(tree)))


@functools.cache
def sources() -> tuple[Source, ...]:
    files = sorted(SOURCE.rglob("*.py"))
    return tuple(read(path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")) for path in files)


def imports(source: Source) -> list[str]:
    """Names of the modules that a file imports."""
    found = []
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += ["." * node.level + (node.module or "")]
    return found


def faults_of(law: Callable[[Source], Iterator[str]]) -> list[str]:
    """What a law finds in all files: a list of faults tells more than the first, and costs less than 300 tests."""
    return [f"{source.place}: {fault}" for source in sources() for fault in law(source)]


def runs_up(source: Source) -> Iterator[str]:
    if source.room in ("__init__", "__main__"):
        return
    for name in imports(source):
        if name.startswith("."):
            yield "rooms are named in full"
        elif name.startswith("citygrain."):
            other = name.split(".")[1]
            if other not in FLOORS[: FLOORS.index(source.room) + 1] or (source.room, other) in NEVER:
                yield f"must not know {other}"


def jobs_know_each_other(source: Source) -> Iterator[str]:
    if source.room != "workflows":
        return
    own = source.place.split("/")[1]
    for name in imports(source):
        job = name.removeprefix("citygrain.workflows.").split(".")[0]
        if job in JOBS and job != own and job not in JOBS.get(own, ()):
            yield f"must not know {job}"


def strangers(source: Source) -> Iterator[str]:
    for name in imports(source):
        library = name.split(".")[0]
        stac = name.startswith(("odc.stac", "odc.loader")) and not source.place.startswith("imagery/")
        away = library in KNOWN_IN and not source.place.startswith(KNOWN_IN[library])
        torch = source.place in WITHOUT_TORCH and library in ("torch", "lightning")
        if stac or away or torch:
            yield f"must not know {name}"
        if library in ("dill", "joblib", "cloudpickle"):
            yield f"no pickle, so no {library}"
    if set(re.findall(r"\bpickle\.(\w+)", source.text)) - {"UnpicklingError"}:
        yield "no pickle"


def prints_or_reads_the_environment(source: Source) -> Iterator[str]:
    if source.room == "cli":
        return
    yield from re.findall(r"os\.environ|os\.getenv|sys\.argv", source.text)
    for node in source.nodes:
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name in ("print", "eval", "exec", "input"):
            yield f"{name} in line {node.lineno}"  # type: ignore[attr-defined]


def too_large(source: Source) -> Iterator[str]:
    if len(source.text.splitlines()) > 400:
        yield "more than 400 lines"
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: the package answers users, it does not assert"
        if not isinstance(node, ast.FunctionDef):
            continue
        body = {line for statement in node.body for line in range(statement.lineno, (statement.end_lineno or 0) + 1)}
        docstring = ast.get_docstring(node)
        length = len(body) - (len(docstring.splitlines()) if docstring else 0)
        if length > 60:
            yield f"{node.name} has {length} lines"
        if len([a for a in node.args.args if a.arg not in ("self", "cls")]) > (12 if source.room == "cli" else 8):
            yield f"{node.name} has too many parameters"


def says_nothing(source: Source) -> Iterator[str]:
    if not ast.get_docstring(source.tree):
        yield "no docstring"


@pytest.mark.parametrize(
    "law",
    [runs_up, jobs_know_each_other, strangers, prints_or_reads_the_environment, too_large, says_nothing],
    ids=lambda law: law.__name__,
)
def test_no_file_breaks_a_law(law: Callable[[Source], Iterator[str]]) -> None:
    assert len(sources()) > 300
    assert faults_of(law) == []


FAULTS = (
    (runs_up, "tiles.py", "from citygrain.cli.options import app"),
    (runs_up, "tiles.py", "from . import rows"),
    (runs_up, "accuracy/new.py", "from citygrain.models.card import read_card"),
    (jobs_know_each_other, "workflows/units.py", "from citygrain.workflows.city.verdict import verdict"),
    (jobs_know_each_other, "workflows/points/new.py", "from citygrain.workflows.city.verdict import verdict"),
    (strangers, "tiles.py", "import torch.nn"),
    (strangers, "models/forest.py", "import torch"),
    (strangers, "maps/new.py", "import odc.stac"),
    (strangers, "samples/new.py", "import joblib"),
    (strangers, "samples/new.py", "pickle.loads(b'')"),
    (prints_or_reads_the_environment, "tiles.py", "os.getenv('HOME')"),
    (prints_or_reads_the_environment, "tiles.py", "print(1)"),
    (too_large, "tiles.py", "assert 1"),
    (too_large, "tiles.py", "1\n" * 401),
    (too_large, "tiles.py", "def long():\n" + "    1\n" * 61),
    (too_large, "tiles.py", "def wide(a, b, c, d, e, f, g, h, i): ..."),
    (says_nothing, "tiles.py", "import numpy"),
)


@pytest.mark.parametrize(("law", "place", "text"), FAULTS, ids=[text.split(chr(10))[0] for *_, text in FAULTS])
def test_each_fault_is_found(law: Callable[[Source], Iterator[str]], place: str, text: str) -> None:
    assert len(list(law(read(place, text)))) == 1


def test_the_public_face_is_lazy() -> None:
    code = (
        "import sys, citygrain\n"
        "heavy = {'torch', 'matplotlib', 'numba', 'sklearn', 'rasterio', 'xarray', 'numpy', 'pystac', 'requests'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert citygrain.URBAN.names and len(dir(citygrain)) > 35\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_run_loads_what_is_heavy_only_when_it_is_needed() -> None:
    code = (
        "import sys, citygrain.workflows.city.city_map\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'lightning', 'tensorboard'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stub_and_table_of_public_names_agree() -> None:
    import citygrain

    stub = (SOURCE / "__init__.pyi").read_text(encoding="utf-8")
    pairs = {(home, name) for home, name in re.findall(r"^from (\S+) import (\w+) as \w+$", stub, re.MULTILINE)}
    assert pairs == {(home, name) for name, home in citygrain._HOME_OF.items()}
    for name in citygrain.__all__:
        assert getattr(citygrain, name) is not None
