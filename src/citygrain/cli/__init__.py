"""The command line: each command parses, calls one function, and says what came of it."""

import gc
import logging
import os
import sys
import threading
from typing import Annotated

import typer
from rich.logging import RichHandler

from citygrain.cli import (
    assessing,
    board,
    fetching,
    finished,
    jobs,
    labels,
    lcz,
    learning,
    legends,
    looking,
    mapping,
    patches,
    products,
    shelf,
    validating,
)
from citygrain.cli.console import aside, say_error
from citygrain.cli.sections import SectionedCommand
from citygrain.errors import CitygrainError

__all__ = ["app", "main"]

_INTERRUPTED = 130
_GARBAGE = 50_000
"""New objects after which garbage is looked for. Libraries bring a million that stay: with Python's 700, looking
through them took a fifth of the time that importing them takes."""

app = typer.Typer(
    help="Urban land-cover and Local Climate Zone maps from Sentinel imagery, with an honest account of trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    gc.set_threshold(_GARBAGE)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU gives the same bits each time
    try:
        app()
    except CitygrainError as error:
        sys.exit(say_error(str(error)))
    except KeyboardInterrupt:
        _leave()
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # so typer says it
            _leave()
        raise
    except OSError as error:  # a full disk or a lost drive, where no room could name the file
        sys.exit(say_error(f"{error.filename or 'a file'}: {error.strerror or error}"))


def _leave() -> None:
    """End after Ctrl-C, though a thread may still wait for a silent server: what it makes is whole or not there."""
    say_error("interrupted; the same command goes on from the last finished step")
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        os._exit(_INTERRUPTED)
    sys.exit(_INTERRUPTED)


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every choice that is made.")] = False,
) -> None:
    """Set up logging: warnings always, choices on a terminal or with --verbose."""
    handler = RichHandler(console=aside, show_path=False, show_time=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    if not verbose:
        logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what GDAL says of a broken file, our line says, too
    logging.getLogger("citygrain").setLevel(logging.INFO if verbose or sys.stderr.isatty() else logging.WARNING)


app.command("look", epilog="Example: citygrain look s2.tif --rgb B08,B04,B03 --out look.png")(looking.look)
app.command("scene", epilog="Example: citygrain scene S2A_MSIL2A_....SAFE --resolution 10 --out scene.tif")(
    products.scene
)
app.command(
    "fetch",
    epilog="Example: citygrain fetch --bbox 13.2,52.4,13.6,52.6 --from 2025-05-01 --to 2025-08-31 --out data/berlin",
)(fetching.fetch)
app.command(
    "features", epilog='Example: citygrain features s2.tif --indices "NDVI,(nir-red)/(nir+red)" --out features.tif'
)(looking.features)
app.command("segment", epilog="Example: citygrain segment s2.tif --n-segments 9000 --sweep --out sweep.png")(
    looking.segment
)
app.command("sample", epilog="Example: citygrain sample examples/aberystwyth.toml --out samples.mat")(learning.sample)
app.command("train", epilog="Example: citygrain train runs/a/samples.h5 --model forest --out models/mine")(
    learning.train
)
app.command("map", epilog="Example: citygrain map other.tif --model runs/a/model --out runs/other")(mapping.map_command)
app.command(
    "assess",
    cls=SectionedCommand,
    epilog='Example: citygrain assess map.tif --reference truth.tif --classes "1=Urban,4=Water" --json',
)(assessing.assess)
app.command("design", epilog="Example: citygrain design map.tif --half-width 0.03 --out points.gpkg")(validating.design)
app.command("run", epilog="Example: citygrain run examples/aberystwyth.toml --out runs/aberystwyth")(jobs.run)
app.command("demo", epilog="Example: citygrain demo --out runs/demo")(jobs.demo)
app.command("models", epilog="Example: citygrain models runs/aberystwyth/model --json")(shelf.models)
app.command("import-keras", epilog="Example: citygrain import-keras weights.h5 --network sen2lcz --out models/sen2lcz")(
    shelf.import_keras_command
)
app.command(
    "benchmark", epilog="Example: citygrain benchmark subset_lcz42.h5 --models forest,mlp:course,sen2lcz --split course"
)(patches.benchmark)
app.command("areas", epilog="Example: citygrain areas training.kmz --scene s2.tif --out areas.png")(lcz.areas)
app.command("recode", epilog="Example: citygrain recode lcz.tif --to wrf51 --out lcz_wrf.tif")(lcz.recode)
app.command("legends", epilog="Example: citygrain legends worldcover --merge-table > my.csv")(legends.legends)
app.command("board", epilog="Example: citygrain board runs/")(board.board)
app.command("report", epilog="Example: citygrain report runs/aberystwyth")(jobs.report)
app.command("figures", epilog="Example: citygrain figures runs/aberystwyth --format svg --out figures")(
    finished.figures
)
app.command("compare", epilog="Example: citygrain compare runs/forest runs/cnn --out runs/compare")(finished.compare)
app.command("review", epilog="Example: citygrain review runs/aberystwyth")(labels.review)
app.command("suggest", epilog="Example: citygrain suggest runs/aberystwyth -n 100 --out next.gpkg")(labels.suggest)
