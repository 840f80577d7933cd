"""The floors of the house: imports run one way, and each library is known in its rooms alone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "citygrain"
FILES = sorted(SOURCE.rglob("*.py"))

FLOORS = (
    "errors", "files", "tempering", "legend", "lcz", "sensors", "lazy", "tiles", "excerpt", "grids", "_rows", "rows",
    "_zones", "zones", "scene", "imagery", "features", "segments", "segment_rows", "tessellation", "grid_patches",
    "pixel_context", "samples", "models", "maps", "accuracy", "report", "workflows", "cli",
)  # fmt: skip
"""From the ground up: a room knows only rooms before it."""

NEVER = (("accuracy", "models"), ("accuracy", "maps"), ("models", "tessellation"), ("segments", "samples"))

KNOWN_IN = {
    "rasterio": ("scene/", "imagery/", "maps/", "samples/"),
    "pystac": ("imagery/",),
    "pystac_client": ("imagery/",),
    "requests": ("imagery/",),
    "h5py": ("samples/", "models/keras_weights.py"),
    "PIL": ("samples/patch_files.py", "report/pyramid.py"),
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
    "distributed": ("tiles.py", "segments/slic.py"),  # the second only names the type of an engine
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


def imports(path: Path) -> list[str]:
    """Names of the modules that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: rooms are named in full"
            found += [node.module or ""]
    return found


def room(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_down(path: Path) -> None:
    if room(path) in ("__init__", "__main__"):
        return
    floor = FLOORS.index(room(path))
    for name in imports(path):
        if name.startswith("citygrain."):
            other = name.split(".")[1]
            assert FLOORS.index(other) <= floor, f"{room(path)} must not know {other}"
            assert (room(path), other) not in NEVER


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_libraries_are_known_in_their_rooms_alone(path: Path) -> None:
    place = path.relative_to(SOURCE).as_posix()
    for name in imports(path):
        library = name.split(".")[0]
        if library in KNOWN_IN:
            assert place.startswith(KNOWN_IN[library]), f"{place} must not know {library}"
        if name.startswith(("odc.stac", "odc.loader")):
            assert place.startswith("imagery/"), f"{place} must not know {name}"
        if place in WITHOUT_TORCH:
            assert library not in ("torch", "lightning")
        assert library not in ("dill", "joblib", "cloudpickle"), f"{place}: no pickle"
    used = set(re.findall(r"\bpickle\.(\w+)", path.read_text(encoding="utf-8")))
    assert used <= {"UnpicklingError"}, f"{place}: no pickle"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_only_the_command_line_prints_or_reads_the_environment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if room(path) != "cli":
        assert not re.search(r"os\.environ|os\.getenv|sys\.argv", text)
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not any(getattr(call.func, "id", "") in ("print", "eval", "exec", "input") for call in calls)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = [
                line for statement in node.body for line in range(statement.lineno, (statement.end_lineno or 0) + 1)
            ]
            docstring = ast.get_docstring(node)
            length = len(set(body)) - (len(docstring.splitlines()) if docstring else 0)
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"
            limit = 12 if room(path) == "cli" else 8
            assert len([a for a in node.args.args if a.arg not in ("self", "cls")]) <= limit
        assert not isinstance(node, ast.Assert), (
            f"{path.name}:{node.lineno}: the package answers users, it does not assert"
        )


def test_each_room_says_what_it_is_for() -> None:
    for path in FILES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


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


def test_a_run_loads_what_is_heavy_only_when_it_is_needed() -> None:
    code = (
        "import sys, citygrain.workflows.city_map\n"
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
