"""Networks by name: what a model card's ``network`` means, so that a model is rebuilt from its card alone."""

from collections.abc import Callable

import torch
from torch import nn

from citygrain.errors import InputError
from citygrain.models.card import ModelCard
from citygrain.models.networks import resnet50, sen2lcz
from citygrain.models.networks.course_cnn import course_cnn
from citygrain.models.networks.fusion import TwoBranches
from citygrain.models.networks.mlp import course_mlp, row_mlp
from citygrain.models.networks.patchnet import PatchNet
from citygrain.models.networks.resnet20 import ResNet20
from citygrain.models.networks.resnet50 import ResNet50
from citygrain.models.networks.segment_net import SegmentNet
from citygrain.models.networks.sen2lcz import Sen2LCZ
from citygrain.models.normalisation import SEGMENT
from citygrain.sensors import SAR_FEATURES, SENTINEL1, SO2SAT_SENTINEL1

__all__ = ["NETWORKS", "build_network", "network_of"]

Builder = Callable[[tuple[str, ...], tuple[int, ...], int], nn.Module]


def build_network(name: str, features: tuple[str, ...], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build a network for rows of `input_shape`.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    features : tuple of str
        Names of the features or channels; ``SEGMENT`` is the superpixel's mask.
    input_shape : tuple of int
        (c,) or (c, h, w).
    classes : int
        Number of outputs.

    Raises
    ------
    InputError
        If there is no network of that name, or it does not take such rows.

    Examples
    --------
    >>> sum(p.numel() for p in build_network("course-mlp", ("B02",) * 10, (10, 32, 32), 17).parameters())
    1313041
    """
    if name not in NETWORKS:
        raise InputError(f"network {name!r}", wanted=f"one of {', '.join(NETWORKS)}")
    return NETWORKS[name](features, input_shape, classes)


def network_of(card: ModelCard) -> nn.Module:
    """Build the network of a card, with weights drawn from PyTorch's source."""
    network = build_network(card.network, card.features, card.input_shape, len(card.present))
    if len(card.input_shape) == 3:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    return network


def _square(name: str, input_shape: tuple[int, ...], *, smallest: int = 1) -> int:
    if len(input_shape) != 3 or input_shape[1] != input_shape[2]:
        raise InputError(
            f"rows of shape {input_shape} for network {name!r}",
            wanted="square patches (channels, size, size)",
            mend="use the mlp or the forest for rows of statistics",
        )
    if input_shape[1] < smallest:
        raise InputError(f"patches of {input_shape[1]} pixels", wanted=f"at least {smallest} for network {name!r}")
    return input_shape[1]


def _patches(name: str, network: Callable[[int, int], nn.Module], *, smallest: int = 1) -> Builder:
    """Return the builder of a network that takes square patches of any size and any channels."""

    def build(_: tuple[str, ...], shape: tuple[int, ...], classes: int) -> nn.Module:
        _square(name, shape, smallest=smallest)
        return network(shape[0], classes)

    return build


def _values(input_shape: tuple[int, ...]) -> int:
    count = 1
    for side in input_shape:
        count *= side
    return count


def _segment_net(features: tuple[str, ...], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    size = _square("segment-net", input_shape)
    return SegmentNet(len(features), size, classes, segment=features.index(SEGMENT) if SEGMENT in features else None)


def _two_branches(features: tuple[str, ...], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    _square("fusion", input_shape)
    radar = [place for place, name in enumerate(features) if _is_radar(name)]
    optical = [place for place in range(len(features)) if place not in radar]
    if not radar or not optical:
        raise InputError(
            f"features {', '.join(features)} for network 'fusion'",
            wanted="bands of both Sentinel-1 and Sentinel-2",
            mend="give both sensors, or take another network",
        )
    return TwoBranches(radar, optical, classes)


def _is_radar(name: str) -> bool:
    return name in (*SO2SAT_SENTINEL1, *SAR_FEATURES) or SENTINEL1.find(name) is not None


NETWORKS: dict[str, Builder] = {
    "course-cnn": lambda _, shape, classes: course_cnn(shape[0], _square("course-cnn", shape), classes),
    "course-mlp": lambda _, shape, classes: course_mlp(_values(shape), classes),
    "row-mlp": lambda _, shape, classes: row_mlp(_values(shape), classes),
    "segment-net": _segment_net,
    "resnet50": _patches("resnet50", ResNet50, smallest=resnet50.SMALLEST),
    "resnet20": _patches("resnet20", ResNet20),
    "sen2lcz": _patches("sen2lcz", Sen2LCZ, smallest=sen2lcz.SMALLEST),
    "fusion": _two_branches,
    "patchnet": lambda _, shape, classes: PatchNet(shape[0], _square("patchnet", shape), classes),
}
"""Builder of each network: (features, input shape, classes) -> module."""
