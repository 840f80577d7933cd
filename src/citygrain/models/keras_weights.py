"""Weights that Keras saved, layer by layer into our networks.

Layers are matched by name, never by order or shape. The file is a stranger's: only the data sets that the network's own
shapes ask for are read, and nothing of them is run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from citygrain.errors import InputError
from citygrain.legend import LCZ, Legend
from citygrain.models.architectures import build_network
from citygrain.models.card import ModelCard
from citygrain.models.download import digest
from citygrain.models.keras_names import KERAS_LAYERS
from citygrain.models.neural import NeuralClassifier
from citygrain.models.normalisation import Normalisation
from citygrain.models.recipe import COURSE
from citygrain.sensors import SO2SAT_SENTINEL2

__all__ = ["import_keras", "read_keras_weights"]

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]
Weights = dict[str, dict[str, npt.NDArray[np.float32]]]

_NAMES_BYTES = 65_536  # a list of names is far shorter
_TENSORS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
            "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip


def import_keras(
    path: Path,
    network: str,
    *,
    features: Sequence[str] = SO2SAT_SENTINEL2,
    size: int = 32,
    legend: Legend = LCZ,
    counts: Mapping[str, int] | None = None,
    units: str = "reflectance",
    licence: str = "unspecified",
    preparation: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
    half: bool = False,
    threads: int | None = None,
) -> NeuralClassifier:
    """Make a classifier of weights that Keras saved.

    Parameters
    ----------
    path : Path
        File written by ``save_weights`` or ``save`` of Keras 2 (HDF5).
    network : {"sen2lcz", "resnet20"}
        The network that they belong to.
    features : sequence of str
        Names of the input's channels, in the order that the network was trained with.
    size : int
        Rows (= columns) of a patch, in pixels.
    legend : Legend
        The classes, in the order of the softmax.
    counts : mapping of str to int, optional
        Training rows by class name; where they are not known, 1 says that a class was learned.
    units : str
        Units of the features.
    licence : str
        Licence of the weights.
    preparation, origin : mapping, optional
        How rows are made, and where the weights come from; they travel in the card.
    half : bool
        Compute in bfloat16 where the processor has the instructions: about twice as quick, and no longer Keras's own
        probabilities. On real patches of Berlin they differ by up to 0.02 for Sen2LCZ-Net-MF (99 % of the labels are
        the same) and by up to 0.17 for the ResNet-20 (96 %).
    threads : int, optional
        Threads of a prediction.

    Returns
    -------
    NeuralClassifier
        Its softmax is that of Keras, up to rounding in float32.

    Raises
    ------
    InputError
        If the file is damaged, or holds the weights of another network.
    """
    if network not in KERAS_LAYERS:
        raise InputError(f"network {network!r} for weights of Keras", wanted=f"one of {', '.join(KERAS_LAYERS)}")
    with torch.device("meta"):  # shapes alone: what a network starts with is not needed
        module = build_network(network, tuple(features), (len(features), size, size), len(legend))
    weights = read_keras_weights(path, _shapes(module, network))
    module.load_state_dict(dict(_tensors(module, network, weights)), assign=True)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    recipe = replace(COURSE, name="imported", half=half)  # what it says of training does not hold: see `origin`
    card = ModelCard(
        kind=network,
        network=network,
        recipe=recipe.to_dict(),
        parameters=sum(weight.numel() for weight in module.parameters()),
        features=tuple(features),
        input_shape=(len(features), size, size),
        units=units,
        normalisation=Normalisation.none(len(features)).to_dict(),
        legend=legend,
        counts=dict(counts or dict.fromkeys(legend.names, 1)),
        seed=0,
        half=half,
        licence=licence,
        preparation=dict(preparation or {}),
        origin={"file": path.name, "sha256": digest(path), **(origin or {})},
    )
    return NeuralClassifier(
        network,
        network,
        recipe,
        threads=threads,
        units=units,
        preparation=card.preparation,
        licence=licence,
        _card=card,
        _module=module.eval(),
    )


def read_keras_weights(path: Path, shapes: Shapes) -> Weights:
    """Read the weights of the layers named, and nothing else.

    Parameters
    ----------
    path : Path
        File written by ``save_weights`` or ``save`` of Keras 2 (HDF5).
    shapes : mapping of str to mapping of str to tuple of int
        For each layer its weights (``kernel``, ``bias``, ``gamma`` ...) and their shapes, in Keras's order of axes.

    Returns
    -------
    dict of str to dict of str to ndarray of float32
        As `shapes`. No more memory is taken than these shapes say, whatever the file claims.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or its layers, shapes or numbers are others.
    """
    wanted = "weights saved by Keras 2 (.h5 or .hdf5)"
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if _is_own(file, "model_weights") else file
            there = _names(root, "layer_names")
            missing = [layer for layer in shapes if layer not in there]
            if missing:
                raise InputError(f"{path} without layer {', '.join(missing):.80}", wanted=_some(shapes))
            return {layer: _read_layer(path, root, layer, parts) for layer, parts in shapes.items()}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", wanted=wanted) from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()).strip("'\"")
        raise InputError(f"{path} is no such file, or damaged: {reason:.120}", wanted=wanted) from None


def _read_layer(path: Path, root: Any, layer: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    group = _own(root, layer)
    places = {name.rpartition("/")[2].partition(":")[0]: name for name in _names(group, "weight_names")}
    if set(places) != set(shapes):
        came = ", ".join(sorted(places)) or "no weights"
        raise InputError(f"layer {layer} of {path} with {came:.80}", wanted=", ".join(sorted(shapes)))
    arrays = {
        part: _read_array(f"{layer}/{part} of {path}", _own(group, places[part]), shapes[part]) for part in shapes
    }
    if (arrays.get("moving_variance", np.zeros(1)) < 0).any():
        raise InputError(f"{layer}/moving_variance of {path} is negative", wanted="a variance", mend="fetch it again")
    return arrays


def _read_array(what: str, data: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f":
        raise InputError(f"{what} is no array of numbers", wanted=f"{_times(shape)} floating numbers")
    if data.shape != shape:
        raise InputError(
            f"{what} has shape {_times(data.shape):.80}", wanted=_times(shape), mend="name its network and its bands"
        )
    chunks = data.chunks or shape
    if data.is_virtual or data.external or any(chunk > side for chunk, side in zip(chunks, shape, strict=True)):
        raise InputError(f"{what} is stored outside the file, or in pieces larger than itself", wanted="a plain array")
    values = np.asarray(data[()], np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{what} holds values that are not finite", mend="fetch the file again")
    return values


def _names(group: Any, attribute: str) -> list[str]:
    if group.attrs.get_id(attribute).get_storage_size() > _NAMES_BYTES:
        raise ValueError(f"{attribute} is too long a list")
    return [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[attribute]]


def _own(group: Any, name: str) -> Any:
    """Return what stands at `name` in this very file: a link may point to any file of the reader's."""
    for part in name.split("/"):
        if not _is_own(group, part):
            raise ValueError(f"there is no {part:.60}")
        group = group[part]
    return group


def _is_own(group: Any, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _shapes(module: nn.Module, network: str) -> dict[str, dict[str, tuple[int, ...]]]:
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for layer, place in KERAS_LAYERS[network].items():
        part = module.get_submodule(place)
        if isinstance(part, nn.BatchNorm2d):
            shapes[layer] = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (part.num_features,))
        else:
            weight = part.get_parameter("weight")
            kernel = tuple(weight.shape[axis] for axis in _kernel_axes(weight.ndim))
            shapes[layer] = {"kernel": kernel, "bias": (weight.shape[0],)}
    return shapes


def _tensors(module: nn.Module, network: str, weights: Weights) -> Iterator[tuple[str, Tensor]]:
    for layer, place in KERAS_LAYERS[network].items():
        for part, values in weights[layer].items():
            axes = np.argsort(_kernel_axes(values.ndim)) if part == "kernel" else range(values.ndim)
            tensor = torch.from_numpy(np.ascontiguousarray(values.transpose(*axes)))
            yield f"{place}.{_TENSORS[part]}", tensor
        if "moving_mean" in weights[layer]:
            yield f"{place}.num_batches_tracked", torch.zeros((), dtype=torch.int64)


def _kernel_axes(ndim: int) -> tuple[int, ...]:
    """Axes of our kernel in Keras's order: (h, w, in, out) of (out, in, h, w), or (in, out) of (out, in)."""
    return (2, 3, 1, 0) if ndim == 4 else (1, 0)


def _some(shapes: Shapes) -> str:
    names = list(shapes)
    return f"{names[0]}, {names[1]} ... {names[-1]}, as the network's author named them"


def _times(shape: Sequence[int] | None) -> str:
    return " x ".join(str(side) for side in shape or ()) or "nothing"
