"""Our networks in int8, as `torch.ao.quantization` makes them, while there is one: it is announced for removal."""

import copy
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from citygrain.models.networks.resnet50 import ResNet50

__all__ = ["int8_convolution", "int8_network"]

ENGINE = "onednn"


def int8_convolution(x: Tensor, layer: nn.Conv2d) -> Callable[[], Tensor] | None:
    """Return a function that applies a convolution to the input in int8; None where it cannot be had."""
    small = int8_network(nn.Sequential(layer), x)
    if small is None:
        return None
    inner = small.get_submodule("0")
    quantised = torch.quantize_per_tensor(x, 1 / 255, 0, torch.quint8)
    return lambda: torch.as_tensor(inner(quantised))


def int8_network(network: nn.Module, rows: Tensor) -> nn.Module | None:
    """Return a network in int8: scales of the activations from `rows`, of the weights by channel; or None."""
    if ENGINE not in torch.backends.quantized.supported_engines:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from torch.ao.quantization import get_default_qconfig_mapping
            from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
        except ImportError:
            return None
        torch.backends.quantized.engine = ENGINE
        source = copy.deepcopy(network).eval()
        if isinstance(source, ResNet50):
            source.skip_unread()
        with patch.object(torch, "as_tensor", lambda x: x):  # which cannot be traced
            observed: Any = prepare_fx(source, get_default_qconfig_mapping(ENGINE), (rows[:2],))
        with torch.inference_mode():
            for some in rows.split(64):
                observed(some)
        made: nn.Module = convert_fx(observed)
    for name, layer in source.named_modules():
        for hook in layer._forward_pre_hooks.values():  # which the conversion drops
            made.get_submodule(name).register_forward_pre_hook(hook)
    return made
