"""How the files of tests are shared among processes: every other process begins at the end of the list.

What one end needs (Lightning, whole runs) is then loaded and made by one of two processes, and what the other end needs
(the server of catalogues, its worlds) by the other. They meet in the middle, where the files are small.
"""

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

__all__ = ["FromBothEnds", "in_order"]

_BEGINNING = (
    "tests/test_tutorials.py", "tests/workflows/patches/", "tests/models/", "tests/test_cli_mapping.py",
    "tests/test_cli_patches.py", "tests/workflows/city/", "tests/workflows/judging/", "tests/workflows/labels/",
    "tests/test_cli_finished.py", "tests/segments/", "tests/maps/",
)  # fmt: skip
_END = (
    "tests/test_benchmarks.py", "tests/report/", "tests/imagery/", "tests/test_cli_fetching.py",
    "tests/workflows/fetching/", "tests/test_docs.py",
)  # fmt: skip


def in_order(items: list[pytest.Item]) -> None:
    """Sort the tests: at both ends the pages, which take longest, then what shares much; the rest between them."""

    def place(item: pytest.Item) -> int:
        for rank, prefix in enumerate(_BEGINNING, start=-len(_BEGINNING)):
            if item.nodeid.startswith(prefix):
                return rank
        return next((rank for rank, prefix in enumerate(_END, start=1) if item.nodeid.startswith(prefix)), 0)

    items.sort(key=place)


class FromBothEnds(LoadFileScheduling):
    """The tests of a file in one process, as xdist does it, but every other process takes the last file."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)
