"""Fetching from a made world."""

from collections.abc import Callable

import pytest

from helpers.commands import Command, Said
from helpers.fetched import SUMMER, Fetched, fetch_middle, read_fetched
from helpers.stac_server import Site
from helpers.stac_world import World


@pytest.fixture(scope="session")
def fetches() -> dict[object, tuple[Said, Fetched]]:
    """What was fetched so far, by what was asked for."""
    return {}


@pytest.fixture
def fetch(
    citygrain: Command,
    served: Callable[..., tuple[World, Site]],
    tmp_path_factory: pytest.TempPathFactory,
    fetches: dict[object, tuple[Said, Fetched]],
) -> Callable[..., tuple[Said, Fetched]]:
    """Fetch the middle of a world's ground, which must succeed: `said, got = fetch("small", "--method", "medoid")`.

    The same is fetched once in a session: look at it, and leave it as it is.
    """

    def run(name: str, *words: object, dates: tuple[str, str] = SUMMER, **changes: object) -> tuple[Said, Fetched]:
        asked = (name, words, dates, *sorted(changes.items()))
        if asked not in fetches:
            world, site = served(name, **changes)
            out = tmp_path_factory.mktemp("fetched") / name
            said = fetch_middle(citygrain, world, site, out, *words, dates=dates)
            assert said.returncode == 0, said.stderr
            fetches[asked] = said, read_fetched(out, world)
        return fetches[asked]

    return run
