"""Fetching from a made world."""

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.commands import Command, Said
from helpers.fetched import SUMMER, Fetched, fetch_middle, read_fetched
from helpers.stac_server import Site
from helpers.stac_world import World


@pytest.fixture
def fetch(
    citygrain: Command, served: Callable[..., tuple[World, Site]], tmp_path: Path
) -> Callable[..., tuple[Said, Fetched]]:
    """Fetch the middle of a world's ground, which must succeed: `said, got = fetch("small", "--method", "medoid")`."""

    def run(name: str, *words: object, dates: tuple[str, str] = SUMMER, **changes: object) -> tuple[Said, Fetched]:
        world, site = served(name, **changes)
        out = tmp_path / f"{name}{len(list(tmp_path.iterdir()))}"
        said = fetch_middle(citygrain, world, site, out, *words, dates=dates)
        assert said.returncode == 0, said.stderr
        return said, read_fetched(out, world)

    return run
