"""The graph of every network on the shelf: whole, without warnings, its blocks named as in the papers."""

import pytest
import torch

from citygrain.models.architectures import NETWORKS, build_network
from citygrain.models.block_names import parameter_names
from citygrain.models.board_graph import graph_of

PATCH = (10, 32, 32)
FEATURES = {
    "fusion": ("VV", "VH", *(f"B{n:02d}" for n in range(8))),
    "segment-net": (*(f"B{n:02d}" for n in range(9)), "SEGMENT"),
}
BLOCKS = {
    "course-cnn": {"convolution 1", "convolution 2", "convolution 3", "dense 256", "classes"},
    "course-mlp": {"flatten", "dense 128", "classes"},
    "fusion": {"Sentinel-1 branch", "Sentinel-2 branch", "classes"},
    "patchnet": {"stem", "stage 1", "stage 2", "stage 3", "classes"},
    "resnet20": {"conv1", "conv2_x", "conv3_x", "conv4_x", "post-activation", "fc"},
    "resnet50": {"conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x", "fc"},
    "row-mlp": {"dense", "dense 2", "dense 3"},
    "segment-net": {"pixel stem", "surroundings at half resolution", "surroundings at quarter resolution", "head"},
    "sen2lcz": {"block 1", "block 2", "block 3", "block 4", "multi-level fusion", "double pooling"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_is_whole_and_its_blocks_are_named(name: str) -> None:
    shape = (10,) if name == "row-mlp" else PATCH
    network = build_network(name, FEATURES.get(name, tuple(f"B{n:02d}" for n in range(10))), shape, 17)
    before = {path: value.clone() for path, value in network.state_dict().items()}
    draws = torch.random.get_rng_state()
    nodes = {node.name: node for node in graph_of(network, shape, name=name).node}
    assert torch.equal(torch.random.get_rng_state(), draws) and network.training
    assert all(torch.equal(value, before[path]) for path, value in network.state_dict().items())
    assert BLOCKS[name] <= {path.split("/")[0] for path in nodes}
    layers = [node for node in nodes.values() if "layer" in node.attr]
    counted = sum(
        int(node.attr["parameters"].s.decode().replace(",", "")) for node in layers if "parameters" in node.attr
    )
    assert counted == sum(weight.numel() for weight in network.parameters())
    reached, waiting = set(), ["logits"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += nodes[path].input
    assert "patches" in reached or "rows" in reached
    assert {node.name for node in layers} <= reached  # no layer hangs loose
    shape_out = nodes["logits"].attr["_output_shapes"].list.shape[0].dim
    assert [side.size for side in shape_out] == [-1, 17]


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_have_names_of_their_own(name: str) -> None:
    shape = (10,) if name == "row-mlp" else PATCH
    network = build_network(name, FEATURES.get(name, tuple(f"B{n:02d}" for n in range(10))), shape, 17)
    names = parameter_names(name, network)
    assert len(set(names.values())) == len(names) == len(list(network.parameters()))


def test_a_residual_unit_joins_both_ways() -> None:
    network = build_network("resnet50", tuple("abc"), (3, 32, 32), 4)
    nodes = {node.name: node for node in graph_of(network, (3, 32, 32), name="resnet50").node}
    joined = set(nodes["conv2_x/block 1/add"].input)
    assert joined == {"conv2_x/block 1/residual function/norm 3", "conv2_x/block 1/projection shortcut/norm"}
    assert "conv2_x/block 1/relu" in nodes["conv2_x/block 2/add"].input  # the input as it is
