"""The graph of a network for TensorBoard: each layer and operation in the block it belongs to, named as in the paper.

PyTorch's tracer names nothing as the papers do, warns, and shows every reshape. Here the network runs once on two rows
of zeros, while a note is taken of each layer that is entered and of each function that is called in between.
"""

import copy
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import torch
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from citygrain.models.block_names import module_names
from citygrain.models.networks.dropout import SeededDropout

__all__ = ["graph_of"]

_NETWORKS = "citygrain.models.networks."
_METHODS = ("forward", "embed")
_UNSEEN = {
    "__get__", "__getitem__", "as_tensor", "bfloat16", "chunk", "clone", "contiguous", "detach", "empty_like", "expand",
    "expand_as", "flatten", "float", "full_like", "ones_like", "permute", "requires_grad_", "reshape", "split",
    "squeeze", "to", "transpose", "type", "unsqueeze", "view", "zeros_like",
}  # fmt: skip
"""Functions that only look at a tensor in another way: what goes in comes out."""
_PLAIN = {"__add__": "add", "__radd__": "add", "__mul__": "multiply", "__rmul__": "multiply", "mul": "multiply",
          "__sub__": "subtract", "__rsub__": "subtract", "sub": "subtract", "__truediv__": "divide", "div": "divide",
          "cat": "concatenate", "add_": "add"}  # fmt: skip


def graph_of(network: nn.Module, input_shape: tuple[int, ...], *, name: str) -> Any:
    """Return the graph of a network as TensorBoard reads it (``GraphDef``); the network itself is left as it is.

    Parameters
    ----------
    network : Module
        Takes (n, *input_shape).
    input_shape : tuple of int
        (c,) or (c, h, w).
    name : str
        Name of the architecture, one of `citygrain.models.architectures.NETWORKS`, by which blocks are named.

    Examples
    --------
    >>> from citygrain.models.architectures import build_network
    >>> graph = graph_of(build_network("course-cnn", ("B02",) * 3, (3, 25, 25), 4), (3, 25, 25), name="course-cnn")
    >>> [node.name for node in graph.node][:3]
    ['patches', 'convolution 1/conv', 'convolution 1/pool']
    """
    twin = copy.deepcopy(network).eval()
    notes = _Notes({module: path for path, module in twin.named_modules()}, module_names(name, twin))
    x = torch.zeros(2, *input_shape)
    notes.give(x, "patches" if len(input_shape) == 3 else "rows", "Input", [], {})
    hooks = [module.register_forward_pre_hook(notes.enter) for module in twin.modules()]
    hooks += [module.register_forward_hook(notes.leave) for module in twin.modules()]
    try:
        with torch.no_grad(), notes:
            answer = twin(x)
    finally:
        for hook in hooks:
            hook.remove()
    notes.give(answer, "logits", "Output", [notes.origin[id(answer)]], {})
    return GraphDef(node=notes.nodes, versions=VersionDef(producer=22))


class _Notes(TorchFunctionMode):
    """Takes a note of each layer and function while the network runs."""

    def __init__(self, paths: Mapping[nn.Module, str], names: Mapping[str, str]) -> None:
        super().__init__()
        self.paths, self.names = paths, names
        self.nodes: list[Any] = []
        self.origin: dict[int, str] = {}
        self._kept: list[Any] = []  # an id is a tensor's only as long as the tensor lives
        self._inside: list[nn.Module] = []
        self._taken: Counter[str] = Counter()
        self._places: dict[tuple[Any, ...], str] = {}

    def give(self, value: Any, name: str, kind: str, inputs: list[str], about: Mapping[str, str]) -> None:
        """Add a node whose output is `value`."""
        self._taken[name] += 1
        if self._taken[name] > 1:
            name = f"{name} {self._taken[name]}"
        attributes = {key: AttrValue(s=text.encode()) for key, text in about.items()}
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=side) for side in (-1, *value.shape[1:])])
        attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[shape]))
        self.nodes.append(NodeDef(name=name, op=kind, input=inputs, attr=attributes))
        self.origin[id(value)] = name
        self._kept.append(value)

    def enter(self, module: nn.Module, _: Any) -> None:
        """Go into a layer or block."""
        self._inside.append(module)

    def leave(self, module: nn.Module, given: tuple[Any, ...], answer: Tensor) -> None:
        """Come out of a layer or block; a layer is one node, whatever it calls."""
        self._inside.pop()
        if _is_layer(module) and not any(_is_layer(outer) for outer in self._inside):
            self.give(
                answer, self.names[self.paths[module]], type(module).__name__, self._inputs(given), _described(module)
            )

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        if any(_is_layer(module) for module in self._inside):
            return answer
        inputs = self._inputs((args, kwargs))
        called = getattr(func, "__name__", "function")
        if not inputs:
            return answer
        for part in answer if isinstance(answer, tuple | list) else [answer]:
            if not isinstance(part, Tensor):
                continue
            if called in _UNSEEN or not part.ndim:
                self.origin.setdefault(id(part), inputs[0])
                self._kept.append(part)
            else:
                plain = _PLAIN.get(called, called.strip("_"))
                self.give(part, "/".join(part for part in (self._place(), plain) if part), plain, inputs, {})
        return answer

    def _inputs(self, given: Any) -> list[str]:
        """Return the nodes that the tensors in nested arguments come from, each once."""
        if isinstance(given, Tensor):
            return [self.origin[id(given)]] if id(given) in self.origin else []
        parts = given.values() if isinstance(given, dict) else given if isinstance(given, tuple | list) else ()
        return list(dict.fromkeys(name for part in parts for name in self._inputs(part)))

    def _place(self) -> str:
        """Return the block, and the function of the network's file, where a call stands."""
        place = self.names[self.paths[self._inside[-1]]] if self._inside else ""
        frame: FrameType | None = sys._getframe(2)
        calls: list[tuple[Any, int]] = []
        while frame is not None and frame.f_code.co_name not in _METHODS:
            if str(frame.f_globals.get("__name__", "")).startswith(_NETWORKS) and frame.f_code.co_name[0] != "<":
                calls.append((frame.f_code, 0 if frame.f_back is None else frame.f_back.f_lasti))
            frame = frame.f_back
        for depth in range(len(calls), 0, -1):
            key = (place, *calls[depth - 1])
            if key not in self._places:
                function = calls[depth - 1][0].co_name.strip("_")
                named = f"{place}/{function}" if place else function
                self._taken[named] += 1
                self._places[key] = f"{named} {self._taken[named]}" if self._taken[named] > 1 else named
            place = self._places[key]
        return place


def _is_layer(module: nn.Module) -> bool:
    own = type(module).__module__
    if isinstance(module, nn.Sequential | nn.ModuleList) or list(module.children()):
        return False
    return own.startswith("torch.nn.") or isinstance(module, SeededDropout)


def _described(module: nn.Module) -> dict[str, str]:
    """Return what a click on a layer tells of it."""
    count = sum(weight.numel() for weight in module.parameters())
    told = {"layer": repr(module)}
    return told | ({"parameters": f"{count:,}"} if count else {})
