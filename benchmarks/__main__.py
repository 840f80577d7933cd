"""Run the benchmarks, print one table, write ``benchmarks/results.json``, and sound the alarm at a loss.

    python -m benchmarks [--quick] [--update] [NAME ...]

Ends with 1 if a ratio fell more than 25 % below the accepted one, or a benchmark failed. ``--update`` accepts the new
ratios. ``--quick`` runs everything in small, to see that it runs: nothing is written or compared.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from benchmarks.frame import Row
from benchmarks.peers import MissingError
from benchmarks.table import losses, merged, read_results, show, write_results

NAMES = (
    "slic", "slic_opencv", "sampling", "label_map", "training", "prediction", "training_loop",
    "board_cost", "forest", "whole_run", "tile", "scaling", "cluster", "grid_map", "so2sat_reading", "unseen_polygons",
    "label_errors", "active_labels", "fetching", "limits",
)  # fmt: skip
"""The modules, each with a ``main(quick=False)`` that returns rows."""
RESULTS = Path(__file__).with_name("results.json")


def run(names: list[str], *, quick: bool) -> Iterator[list[Row] | None]:
    """Give the rows of each benchmark named; none where peers or data are not there, None where it failed."""
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            yield importlib.import_module(f"benchmarks.{name}").main(quick=quick)
        except MissingError as missing:
            print(f"{name}: left out, {missing}", file=sys.stderr)
            yield []
        except Exception:  # the others' figures must not be lost
            traceback.print_exc()
            yield None


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all of {', '.join(NAMES)} if none is given")
    parser.add_argument("--quick", action="store_true", help="in small: does everything run?")
    parser.add_argument("--update", action="store_true", help="accept the ratios of this run")
    chosen = parser.parse_args(arguments)
    strange = set(chosen.names) - set(NAMES)
    if strange:
        parser.error(f"no benchmark {', '.join(sorted(strange))}; there are {', '.join(NAMES)}")
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): ratios of wall time will be wrong", file=sys.stderr)
    earlier = read_results(RESULTS)
    rows: list[Row] = []
    failed = False
    for found in run(chosen.names or list(NAMES), quick=chosen.quick):
        rows += found or []
        failed = failed or found is None
        if found and not chosen.quick:  # after each, since the whole takes long
            write_results(RESULTS, merged(rows, earlier, update=chosen.update))
    print(show(rows))
    lost = [] if chosen.quick or chosen.update else losses(rows, earlier)
    print(*lost, sep="\n", end="\n" if lost else "")
    return 1 if lost or failed else 0


if __name__ == "__main__":
    sys.exit(main())
