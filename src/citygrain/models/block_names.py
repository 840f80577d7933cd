"""What the blocks of each network are called in its paper, for graphs and distributions.

A module's path (``stages.1.0.body.3``) says where it is in our code; a reader of He et al. looks for ``conv3_x``.
"""

import re
from collections import Counter

from torch import nn

__all__ = ["module_names", "parameter_names"]

_KINDS = {
    "BatchNorm2d": "norm",
    "Conv2d": "conv",
    "Dropout": "dropout",
    "Flatten": "flatten",
    "LayerNorm": "norm",
    "Linear": "dense",
    "MaxPool2d": "pool",
    "ReLU": "relu",
    "SeededDropout": "dropout",
    "SiLU": "silu",
    "_Bottleneck": "block",
    "_Residual": "residual",
}

_COURSE_CNN = {
    "0": "convolution 1/conv",
    "1": "convolution 1/pool",
    "2": "convolution 1/relu",
    "3": "convolution 2/conv",
    "4": "convolution 2/pool",
    "5": "convolution 2/relu",
    "6": "convolution 3/conv",
    "7": "convolution 3/relu",
    "8": "flatten",
    "9": "dense 256/dense",
    "10": "dense 256/relu",
    "11": "classes/dense",
}

_PAPERS: dict[str, tuple[tuple[str, str], ...]] = {
    "course-cnn": tuple((path, name) for path, name in _COURSE_CNN.items()),
    "course-mlp": ((r"0", "flatten"), (r"1", "dense 128/dense"), (r"2", "dense 128/relu"), (r"3", "dense 128/dropout"),
                   (r"4", "classes/dense")),
    # He et al. 2016, table 1
    "resnet50": (
        (r"stem", "conv1"), (r"stages", ""), *((rf"stages\.{stage}", f"conv{stage + 2}_x") for stage in range(4)),
        (r".*\.body", "residual function"), (r".*\.shortcut", "projection shortcut"), (r"dense", "fc"),
    ),
    # He et al. 2016 (identity mappings in deep residual networks): pre-activation units
    "resnet20": (
        (r"stem", "conv1"), (r"blocks", ""),
        *((rf"blocks\.{unit}", f"conv{unit // 2 + 2}_x/unit {unit % 2 + 1}") for unit in range(6)),
        (r".*\.before", "pre-activation"), (r".*\.body", "residual function"),
        (r".*\.shortcut", "projection shortcut"), (r"last", "post-activation"), (r"dense", "fc"),
    ),
    # Qiu et al. 2020, figure 3: four blocks, double pooling between them, multi-level fusion
    "sen2lcz": (
        (r"stages", ""), *((rf"stages\.{stage}", f"block {stage + 1}") for stage in range(4)),
        (r"heads", "multi-level fusion"), *((rf"heads\.{stage}", f"dense {stage + 1}") for stage in range(4)),
        (r"dropouts", "double pooling"), *((rf"dropouts\.{stage}", f"dropout {stage + 1}") for stage in range(3)),
    ),
    "fusion": (
        (r"branches", ""), (r"branches\.0", "Sentinel-1 branch"), (r"branches\.1", "Sentinel-2 branch"),
        (r"head", "classes"),
    ),
    "segment-net": (
        (r"pixels", "pixel stem"), (r"middle", "surroundings at half resolution"),
        (r"late", "surroundings at quarter resolution"),
    ),
    "patchnet": (
        (r"stages", ""), *((rf"stages\.{stage}", f"stage {stage + 1}") for stage in range(3)),
        (r"stages\.\d\.0", "down"), (r"head", "classes"),
    ),
}  # fmt: skip
"""For each architecture: what a path is called below its parent; an empty word leaves a level out."""


def module_names(network: str, module: nn.Module) -> dict[str, str]:
    """Return the name of each module of a network by its path, with slashes between blocks.

    Parameters
    ----------
    network : str
        Name of the architecture; one that is not known keeps the names of the code.
    module : Module
        The network.

    Examples
    --------
    >>> from citygrain.models.architectures import build_network
    >>> names = module_names("resnet50", build_network("resnet50", ("B02",) * 10, (10, 32, 32), 17))
    >>> names["stem.0"], names["stages.1.0.body.3"], names["dense"]
    ('conv1/conv', 'conv3_x/block 1/residual function/conv 2', 'fc')
    """
    names = {"": ""}
    kinds: Counter[tuple[str, str]] = Counter()
    for path, child in module.named_modules():
        if path:
            above, _, last = path.rpartition(".")
            kind = _KINDS.get(type(child).__name__, type(child).__name__)
            kinds[above, kind] += 1
            default = _numbered(kind, kinds[above, kind]) if last.isdigit() else last
            names[path] = "/".join(part for part in (names[above], _called(network, path, default)) if part)
    return names


def parameter_names(network: str, module: nn.Module) -> dict[str, str]:
    """Return the name of each weight by its path: that of its layer, and what it is.

    Examples
    --------
    >>> parameter_names("any", nn.Sequential(nn.Linear(2, 2)))
    {'0.weight': 'dense/weight', '0.bias': 'dense/bias'}
    """
    names = module_names(network, module)
    told = {}
    for path, _ in module.named_parameters():
        layer, _, weight = path.rpartition(".")
        told[path] = f"{names[layer]}/{weight}" if names[layer] else weight
    return told


def _called(network: str, path: str, default: str) -> str:
    for pattern, words in _PAPERS.get(network, ()):
        if re.fullmatch(pattern, path):
            return words
    return default


def _numbered(kind: str, ordinal: int) -> str:
    """Return ``conv``, ``conv 2``, ``conv 3``; blocks are numbered from the first."""
    return f"{kind} {ordinal}" if ordinal > 1 or kind == "block" else kind
