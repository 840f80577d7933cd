"""Event files: whole when read while they are written, and read in the order in which they were begun."""

from pathlib import Path

import pytest

from citygrain.models.board_events import EventLog


@pytest.mark.slow
def test_a_log_that_goes_on_at_once_is_read_after_the_first(tmp_path: Path) -> None:
    """Names hold a second and a counter; within a second, file 10 would be read before file 9."""
    begun = []
    for step in (None, 2, 3):
        log = EventLog(tmp_path, goes_on_from=step)
        log.scalars({"loss": 1.0}, step=step or 1)
        log.close()
        begun.append(({path.name for path in tmp_path.iterdir()} - set(begun)).pop())
    seconds = [int(name.split(".")[3]) for name in begun]
    assert seconds == sorted(set(seconds)) and begun == sorted(begun)
