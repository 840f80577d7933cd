"""Devices are checked before any work begins, and each mistake is one line."""

from pathlib import Path

import pytest
import torch

from citygrain.errors import InputError
from citygrain.models.catalogue import make_model
from citygrain.models.devices import ONE, Devices, available_devices
from citygrain.models.precision import device
from helpers.commands import Command
from helpers.patch_worlds import write_patches


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"count": 0}, "0 devices"),
        ({"nodes": 0}, "0 nodes"),
        ({"strategy": "fsdp"}, "one of auto, ddp"),
        ({"nodes": 2}, "MASTER_ADDR"),
        ({"nodes": 2, "address": "host"}, "host and port"),
        ({"nodes": 2, "address": "host:0"}, "host and port"),
        ({"nodes": 2, "node": 2, "address": "host:1"}, "from 0 to 1"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Devices(**values)  # type: ignore[arg-type]


def test_more_devices_than_there_are_are_refused_and_a_forest_takes_one() -> None:
    there, kind = available_devices()
    with pytest.raises(InputError, match=f"at most {there}, the {kind}"):
        make_model("mlp", devices=Devices(there + 1))
    with pytest.raises(InputError, match="a forest on 2 devices"):
        make_model("forest", devices=Devices(2))
    Devices(there).check("mlp")
    ONE.check("forest")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert device().type == "cuda"
    assert available_devices() == (3, "GPUs")
    with pytest.raises(InputError, match="at most 3, the GPUs"):
        Devices(4).check("cnn")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--devices", 0), "0 devices; wanted: 1 or more"),
        (("--devices", 4096), "4096 devices; wanted: at most"),
        (("--strategy", "dp"), "strategy 'dp'; wanted: one of auto, ddp"),
        (("--nodes", 2), "2 nodes and no address"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(
    options: tuple[object, ...], told: str, citygrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    write_patches(tmp_path / "a.h5")
    config = tmp_path / "a.toml"
    config.write_text('[scene]\npath = "s.tif"\n[reference]\npath = "r.tif"\nlegend = "urban"\n')
    for command in (
        ("train", tmp_path / "a.h5", "--out", tmp_path / "m"),
        ("benchmark", tmp_path / "a.h5", "--models", "mlp", "--out", tmp_path / "b"),
        ("run", config, "--out", tmp_path / "r"),
    ):
        said = citygrain(*command, *options)
        assert said.returncode == 2
        assert told in " ".join(said.stderr.split())
    assert not (tmp_path / "m").exists() and not (tmp_path / "r").exists()


def test_the_environment_tells_which_machine_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from citygrain.cli.options import devices_of

    for name in ("NODE_RANK", "GROUP_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "4000")
    monkeypatch.setenv("SLURM_NODEID", "2")
    assert devices_of(None, None, None, given=(1, 3, "ddp")) == Devices(1, 3, "ddp", 2, "10.0.0.1:4000")
    monkeypatch.setenv("NODE_RANK", "1")
    assert devices_of(1, 3, None).node == 1
    assert devices_of(1, 1, None) == ONE
