"""The examples of the modules that import Lightning, which pytest is told not to import when it looks for tests."""

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"][
    "addopts"
]
LEFT_OUT = [option.removeprefix("--ignore=") for option in OPTIONS if option.startswith("--ignore=")]


@pytest.mark.parametrize("path", LEFT_OUT)
def test_examples_are_true(path: str) -> None:
    module = importlib.import_module(path.removeprefix("src/").removesuffix(".py").replace("/", "."))
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, ">>>" in (ROOT / path).read_text(encoding="utf-8"))
