"""Networks made ready to predict: each batch normalisation folded into the convolution before it, no pixel in vain.

In prediction a batch normalisation is a multiplication and an addition with fixed numbers for each channel, which the
convolution before it can do at no cost. A pixel that later layers stride over bears on nothing. The result is the same
up to rounding in float32.
"""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from citygrain.models.networks.resnet50 import ResNet50

__all__ = ["prepared_for_prediction"]


def prepared_for_prediction(network: nn.Module, *, half: bool = False) -> nn.Module:
    """Return a copy of a network that predicts the same, up to rounding, in less time.

    A batch normalisation that a module holds right after a convolution is taken to be applied to its output, as in all
    networks of this room; any other stays.

    Parameters
    ----------
    network : Module
        Any network, trained.
    half : bool
        Keep the weights of convolutions and linear layers in bfloat16, so that `citygrain.models.precision.autocast`
        need not round them at every call; the result is the same, bit for bit.

    Returns
    -------
    Module
        In evaluation mode, channels last; it cannot be trained on.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> prepared_for_prediction(network)
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
      (2): ReLU()
    )
    """
    ready = copy.deepcopy(network).eval().requires_grad_(False)
    for module in ready.modules():
        children = list(module.named_children())
        for (before, convolution), (name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(convolution, norm))
                setattr(module, name, nn.Identity())
    if isinstance(ready, ResNet50):
        ready.skip_unread()
    ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    for module in ready.modules():
        if half and isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)
    return ready
