"""What memory a run may take: sizes as people write them, and a refusal before anything is made."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citygrain.errors import ConfigError
from citygrain.workflows.memory import MemoryPlan, memory_bytes, release_memory
from helpers.commands import Command


@given(number=st.integers(1, 999), unit=st.sampled_from([("MB", 10**6), ("gb", 10**9), (" GiB", 2**30), ("", 1)]))
def test_sizes_are_read_as_written(number: int, unit: tuple[str, int]) -> None:
    assert memory_bytes(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize("wish", ["", "nan", "infGB", "-1", "4XB", "1e9", "0", "100MB"])
def test_what_is_no_size_or_too_little(wish: str) -> None:
    with pytest.raises(ConfigError, match="wanted"):
        MemoryPlan.of(wish)


@given(pixels=st.integers(1, 10**9), more=st.integers(0, 10**9))
def test_a_larger_scene_never_fits_where_a_smaller_does_not(pixels: int, more: int) -> None:
    plan = MemoryPlan.of("4GB")
    assert plan.holds(pixels, 10, 13) or not plan.holds(pixels + more, 10, 13)


def test_a_run_is_refused_before_anything_is_made(citygrain: Command, tmp_path: Path) -> None:
    lines = ('[scene]\npath = "a.tif"', '[reference]\npath = "b.tif"\nlegend = "urban"', '[model]\nname = "forest"')
    (tmp_path / "a.toml").write_text("\n".join(lines))
    said = citygrain("run", tmp_path / "a.toml", "--memory", "much", "--out", tmp_path / "out")
    assert said.returncode == 2 and "memory = 'much'" in said.stderr and len(said.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_what_is_no_longer_needed_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    class Holder:
        def __init__(self) -> None:
            self.parts, self.itself = [b"x" * 100_000 for _ in range(1_500)], self

    release_memory(cycles=True)
    before = resident()
    held, last = Holder(), [b"x" * 100_000 for _ in range(20)]
    assert resident() - before > 140e6
    del held
    release_memory(cycles=True)
    assert resident() - before < 40e6 and last
