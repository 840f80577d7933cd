"""Options that several commands share, and how they are read."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from citygrain.errors import ConfigError
from citygrain.models.devices import Devices

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from citygrain.workflows.config import RunConfig

__all__ = [
    "INDICES",
    "BandsOption",
    "ClusterOption",
    "DevicesOption",
    "FormatOption",
    "IndicesOption",
    "JsonOption",
    "MemoryOption",
    "ModelOption",
    "NodesOption",
    "OffsetOption",
    "OutOption",
    "ProjectorBandsOption",
    "RawOption",
    "RecipeOption",
    "ScaleOption",
    "SceneArgument",
    "SensorOption",
    "StrategyOption",
    "TensorBoardOption",
    "WorkersOption",
    "configuration",
    "devices_of",
    "finite",
    "grid_of",
    "listed",
    "pairs",
    "read_image",
]


def finite(value: float | None) -> float | None:
    """Refuse ``inf`` and ``nan``, which Python reads as numbers."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no size", param_hint=None)
    return value


SceneArgument = Annotated[
    list[Path], typer.Argument(help="GeoTIFF, COG, JP2, NetCDF, Zarr, several single bands, or a product.")
]
BandsOption = Annotated[
    str | None, typer.Option("--bands", help="Names of the bands, where the file has none: B02,B03")
]
ScaleOption = Annotated[
    float | None, typer.Option("--scale", help="Digital numbers per unit of reflectance.", callback=finite)
]
OffsetOption = Annotated[
    float | None,
    typer.Option("--offset", callback=finite, help="Added after scaling: -0.1 for Sentinel-2 baseline 04.00 and on."),
]
MemoryOption = Annotated[
    str | None, typer.Option("--memory", help="What it may take, such as 4GB; half of the machine's by default.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes of this machine that work on tiles; else its threads.")
]
ClusterOption = Annotated[
    str | None, typer.Option("--cluster", help="Or a dask scheduler whose workers do: tcp://10.0.0.5:8786")
]
SensorOption = Annotated[str, typer.Option("--sensor", help="sentinel-2, landsat-8, landsat-7 or sentinel-1.")]
RawOption = Annotated[bool, typer.Option("--digital-numbers", help="The values are no reflectance; do not check them.")]
OutOption = Annotated[Path, typer.Option("--out", help="Where the result goes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
FormatOption = Annotated[
    Literal["svg", "pdf", "png"], typer.Option("--format", help="Of the figures; svg and pdf are vector files.")
]
IndicesOption = Annotated[str, typer.Option("--indices", help="Indices or band maths, separated by commas.")]
ModelOption = Annotated[Literal["auto", "forest", "mlp", "cnn"], typer.Option("--model", help="The classifier.")]
RecipeOption = Annotated[
    Literal["default", "course"], typer.Option("--recipe", help="course trains exactly as the course does.")
]
TensorBoardOption = Annotated[
    bool, typer.Option("--tensorboard/--no-tensorboard", help="Log a network's training for TensorBoard.")
]
ProjectorBandsOption = Annotated[
    str | None, typer.Option("--projector-bands", help="Three bands of the projector's small pictures: B04,B03,B02")
]
DevicesOption = Annotated[
    int | None,
    typer.Option("--devices", help="GPUs, or processes where there is none, that train a network together; 1."),
]
NodesOption = Annotated[
    int | None,
    typer.Option("--nodes", help="Machines that train together, each given the same command, MASTER_ADDR, NODE_RANK."),
]
StrategyOption = Annotated[
    str | None, typer.Option("--strategy", help="auto or ddp: the whole network on each device, gradients averaged.")
]
INDICES = "NDVI,MNDWI,NDBI"
_PORT = "29500"
_NODE_VARIABLES = ("NODE_RANK", "GROUP_RANK", "SLURM_NODEID")  # by hand, of torchrun, of Slurm


def read_image(
    paths: list[Path],
    bands: str | None,
    scale: float | None,
    sensor: str,
    digital_numbers: bool,
    *,
    offset: float | None = None,
    lazy: "bool | Callable[[tuple[int, ...]], bool]" = False,
) -> "xr.DataArray":
    """Read a scene as the options say; a lazy one is read where it is asked for."""
    from citygrain.scene.read import read_scene

    names = listed(bands) if bands else None
    path = paths if len(paths) > 1 else paths[0]
    optical = not digital_numbers
    return read_scene(path, bands=names, scale=scale, offset=offset, sensor=sensor, reflectance=optical, lazy=lazy)


def configuration(path: Path) -> "RunConfig":
    """Read a configuration; ``${NAME}`` in it is the environment's, CITYGRAIN_DATA by default ../shared/data."""
    from citygrain.workflows.config_file import read_config

    variables = dict(os.environ)
    beside = Path("../shared/data")
    if "CITYGRAIN_DATA" not in variables and beside.is_dir():
        variables["CITYGRAIN_DATA"] = str(beside.resolve())
    return read_config(path, variables)


def devices_of(
    count: int | None, nodes: int | None, strategy: str | None, *, given: tuple[int, int, str] = (1, 1, "auto")
) -> Devices:
    """Return what a network trains on; the environment tells which of several machines this is.

    Parameters
    ----------
    count, nodes, strategy
        The options; None leaves what is `given`.
    given : tuple of int, int, str
        What a configuration says of the same.
    """
    count, nodes = given[0] if count is None else count, given[1] if nodes is None else nodes
    strategy = given[2] if strategy is None else strategy
    if nodes <= 1:
        return Devices(count, nodes, strategy)
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT", _PORT)
    names = (name for name in _NODE_VARIABLES if name in os.environ)
    number = os.environ.get(next(names, ""), "0")
    if not number.isdecimal():
        raise ConfigError(f"this node is {number!r}", wanted="a whole number from 0", mend="set NODE_RANK")
    return Devices(count, nodes, strategy, node=int(number), address=f"{host}:{port}" if host else "")


def grid_of(image: "xr.DataArray") -> dict[str, Any]:
    """Return size, pixel and coordinate system of a raster."""
    geobox = image.odc.geobox
    return {
        "width": image.shape[2],
        "height": image.shape[1],
        "pixel": abs(geobox.resolution.x),
        "crs": f"EPSG:{geobox.crs.epsg}" if geobox.crs.epsg else str(geobox.crs),
    }


def listed(text: str) -> list[str]:
    """Split a list at its commas, but not within parentheses: ``"NDVI,max(red,nir)"`` are two."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def pairs(text: str | None) -> dict[str, str] | None:
    """Split ``code=name`` pairs."""
    if text is None:
        return None
    split = [part.partition("=") for part in listed(text)]
    if any(not code or not name for code, _, name in split):
        raise ConfigError(repr(text), wanted="pairs, such as 1=Forest,2=Grass or mixup=0.2")
    return {code.strip(): name.strip() for code, _, name in split}
