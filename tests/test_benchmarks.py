"""The benchmarks run, their table says what was measured, and the alarm sounds at a loss and at nothing else."""

import doctest
import importlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import big_scenes, frame, limits, peers, prediction, scaling, slic, table, whole_run
from benchmarks import multiply_adds as operations
from benchmarks.frame import Row, Run, Turns, beside, turns, within
from benchmarks.int8 import int8_network
from benchmarks.multiply_adds import as_taught, multiply_adds
from citygrain.models.architectures import build_network
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.networks.course_cnn import course_cnn
from helpers.commands import Command

BESIDE_PEERS = ("slic_opencv", "training", "prediction")
ROOT = Path(__file__).parents[1]


FAMILY = """
import subprocess, sys, time
held = b"x" * 60_000_000
if len(sys.argv) == 1:
    subprocess.run([sys.executable, __file__, "child"])
time.sleep(0.6)
"""


def row(ratio: float, what: str = "SLIC", *, compared: float | None = None, wanted: float | None = 12) -> Row:
    return Row(what, 1.0, ratio, "s", "scikit-image", ratio, wanted, compared)


def accepted(**ratios: float) -> table.Results:
    return {"rows": {what: {"accepted": ratio} for what, ratio in ratios.items()}}


@pytest.mark.parametrize(("ratio", "loud"), [(12.0, False), (16.0, False), (9.01, False), (8.99, True), (0.0, True)])
def test_alarm_sounds_at_a_loss_of_more_than_a_quarter(ratio, loud):
    assert bool(table.losses([row(ratio)], accepted(SLIC=12.0))) == loud


def test_alarm_is_silent_without_an_earlier_figure():
    assert table.losses([row(0.1, "new")], accepted(SLIC=12.0)) == []


def test_limit_in_seconds_is_compared_by_the_yardstick():
    """Another machine is slower in both, and no alarm; a slower job on the same machine is one."""
    fast, slow_machine, slow_job = (
        within("job", ours, 30.0, "s", yardstick=yard) for ours, yard in ((20.0, 2.0), (60.0, 6.0), (60.0, 2.0))
    )
    before = table.merged([fast], {"rows": {}}, update=True)
    assert (slow_machine.reached, table.losses([slow_machine], before)) == (False, [])
    assert len(table.losses([slow_job], before)) == 1


def test_small_losses_do_not_add_up_unseen():
    results = table.merged([row(12.0)], {"rows": {}}, update=False)
    for ratio in (11.0, 10.0, 9.5):
        assert table.losses([row(ratio)], results) == []
        results = table.merged([row(ratio)], results, update=False)
    assert results["rows"]["SLIC"]["ratio"] == 9.5
    assert table.losses([row(8.9)], results)
    assert table.merged([row(8.9)], results, update=True)["rows"]["SLIC"]["accepted"] == 8.9


def test_a_part_run_alone_leaves_the_other_figures():
    results = table.merged([row(12.0), row(3.0, "forest")], {"rows": {}}, update=True)
    assert set(table.merged([row(13.0)], results, update=False)["rows"]) == {"SLIC", "forest"}


def test_results_of_another_form_or_none_are_no_results(tmp_path: Path):
    (tmp_path / "old.json").write_text('{"slic": {"large": 1}}', encoding="utf-8")
    assert table.read_results(tmp_path / "old.json") == table.read_results(tmp_path / "none.json") == {"rows": {}}


def test_what_is_written_is_read_back(tmp_path: Path):
    results = table.merged([row(12.0), within("job", 20.0, 30.0, "s")], {"rows": {}}, update=True)
    table.write_results(tmp_path / "results.json", results)
    assert table.read_results(tmp_path / "results.json") == json.loads(json.dumps(results))
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_committed_results_can_be_read_and_hold_no_path():
    path = ROOT / "benchmarks/results.json"
    found = table.read_results(path)["rows"]
    assert all(entry["accepted"] > 0 for entry in found.values())
    assert not path.exists() or "/home/" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("word", "ratio"), [("", 8.0), ("--update", 8.0), ("", 10.0)])
def test_command_ends_with_one_at_a_loss(word, ratio, tmp_path, monkeypatch, capsys):
    code, words = int(ratio < 9 and not word), [word] if word else []
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(bench, "run", lambda names, *, quick: [[row(ratio)]])
    table.write_results(bench.RESULTS, table.merged([row(12.0)], {"rows": {}}, update=True))
    assert bench.main(words) == code
    assert ("a loss of 33 %" in capsys.readouterr().out) == bool(code)
    kept = table.read_results(bench.RESULTS)["rows"]["SLIC"]
    assert (kept["ratio"], kept["accepted"]) == (ratio, ratio if words else 12.0)


def test_quick_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(bench, "run", lambda names, *, quick: [[row(0.1)]])
    assert bench.main(["--quick"]) == 0
    assert not bench.RESULTS.exists()


def test_a_benchmark_that_fails_is_told_and_takes_no_other_with_it(tmp_path, monkeypatch, capsys):
    def broken(*, quick: bool) -> list[Row]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr("benchmarks.tile.main", broken)
    monkeypatch.setattr("benchmarks.forest.main", lambda *, quick: [row(1.0, "forest")])
    assert bench.main(["tile", "forest"]) == 1
    assert "out of memory" in capsys.readouterr().err
    assert list(table.read_results(bench.RESULTS)["rows"]) == ["forest"]


def test_each_benchmark_is_named_and_unknown_ones_are_refused(capsys):
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    assert {name for name, text in files.items() if "command_line(main, __doc__)" in text} == set(bench.NAMES)
    with pytest.raises(SystemExit):
        bench.main(["slick"])
    assert "no benchmark slick" in capsys.readouterr().err


def test_table_says_what_it_is_given():
    assert doctest.testmod(table).failed == doctest.testmod(operations).failed == 0
    lines = table.show([row(11.9), row(12.0), row(1.0, "other", wanted=None)]).splitlines()
    assert [line.split()[-1] for line in lines] == ["reached", "NO", "yes", "1.00"]


def test_pairs_take_turns_and_their_ratios_are_the_figure():
    order = []

    def clock(name: str, seconds: float):
        return lambda: order.append(name) or seconds

    found = turns(clock("a", 2.0), clock("b", 6.0), pairs=3)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"  # the first two warm up
    assert beside("x", "y", found, wanted=3).reached
    assert Turns([1.0, 1.0, 4.0], [2.0, 5.0, 4.0]).ratio == 2.0


@pytest.mark.slow
def test_watched_process_reports_its_family(tmp_path: Path):
    (tmp_path / "family.py").write_text(FAMILY, encoding="utf-8")
    run = frame.watched([tmp_path / "family.py"], cwd=tmp_path)
    assert 0.11 < run.peak_gb < 0.3  # two of 0.06 and what Python takes; the parent itself holds more
    assert run.seconds > 1.1 and 0 < run.processor_seconds < run.seconds
    with pytest.raises(RuntimeError, match="ended with 3"):
        frame.watched(["-c", "raise SystemExit(3)"], cwd=tmp_path)


def test_time_is_compared_beyond_the_start_and_memory_beyond_the_floor():
    floor = Run(5.0, 5.0, 0.4)
    linear = {1_000: [(floor, Run(6.0, 6.0, 0.5))] * 3, 2_000: [(floor, Run(9.0, 9.0, scaling.FLOOR_GB))]}
    steep = {1_000: linear[1_000], 2_000: [(floor, Run(13.0, 9.0, 2 * scaling.FLOOR_GB))]}
    assert scaling.time_row(linear).ratio == pytest.approx(1.0)
    assert scaling.memory_row(linear).ratio == 1.0
    assert scaling.time_row(steep).ratio == pytest.approx(0.5)
    assert scaling.memory_row(steep).ratio == 0.5
    assert not scaling.time_row(steep).reached and not scaling.memory_row(steep).reached


def test_superpixels_are_judged_by_the_figure_in_which_they_are_least_ahead():
    peer = {"n": 100, "boundary_recall": 0.8, "explained_variation": 0.5, "undersegmentation_error": 0.2}
    ours = {"n": 100, "boundary_recall": 0.9, "explained_variation": 0.49, "undersegmentation_error": 0.1}
    found = slic.likeness("x", "peer", ours, peer)
    assert (found.detail["worst"], found.ratio, found.reached) == ("explained_variation", 0.98, False)
    finer = slic.likeness("x", "peer", ours | {"n": 125, "explained_variation": 0.6}, peer)
    assert (finer.detail["worst"], finer.ratio) == ("n", 0.8)


def test_our_weights_are_turned_as_keras_has_them():
    """Keras flattens a patch with the channels last, and multiplies from the other side."""
    network = course_cnn(3, 25, 4)
    weights = prediction.keras_weights(network, (3, 25, 25))
    inner = network[:8](torch.rand(2, 3, 25, 25)).detach()
    flat = inner.permute(0, 2, 3, 1).reshape(2, -1).numpy()
    assert [value.shape for value in weights[:2]] == [(4, 4, 3, 64), (64,)]
    np.testing.assert_allclose(flat @ weights[6] + weights[7], network[8:10](inner).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("network", "shape", "taught", "needed"),
    [("course-cnn", (3, 25, 25), 7_820_288, 6_308_864), ("sen2lcz", (10, 32, 32), 36_869_984, 31_356_384),
     ("resnet50", (10, 32, 32), 249_066_496, 194_719_232)],
)  # fmt: skip
def test_operations_are_counted_as_taught_and_as_needed(network, shape, taught, needed):
    """Needed are no products with the zeros around a layer's input, and no pixels that nothing reads."""
    built = build_network(network, ("B02",) * shape[0], shape, 4 if network == "course-cnn" else 17)
    assert sum(multiply_adds(as_taught(built), shape, padding=True)) == taught
    assert sum(multiply_adds(prepared_for_prediction(built), shape)) == needed


def test_time_is_the_median_of_works_that_take_turns():
    done: list[str] = []
    found = limits.medians({name: partial(done.append, name) for name in ("one", "other")}, 3)
    assert done == ["one", "other"] * 4  # the first turn warms up
    assert found.keys() == {"one", "other"}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_network_in_int8_sees_what_the_network_sees():
    """Warnings of the removal stay inside, and so does what is cut off before the first layer."""
    torch.manual_seed(0)
    network, x = course_cnn(3, 25, 4).eval(), torch.rand(64, 3, 25, 25)
    small = int8_network(network, x)
    if small is None:
        pytest.skip("this PyTorch has no int8 networks")
    with torch.inference_mode():
        torch.testing.assert_close(small(x), network(x), rtol=0.2, atol=0.05)
        assert any(layer._forward_pre_hooks for layer in small.modules())


@pytest.mark.parametrize("name", BESIDE_PEERS)
def test_without_peers_it_says_so(name, monkeypatch, capsys):
    monkeypatch.setattr(peers, "PYTHON", ROOT / "no/such/python")
    monkeypatch.setattr("benchmarks.training.city_patches", lambda *_: pytest.fail("asked for rows in vain"))
    assert list(bench.run([name], quick=True)) == [[]]
    assert "make bench" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def in_process(citygrain: Command, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Run our commands in this process, which has loaded everything, and keep scenes in a folder of the tests."""

    def run(*words: object, cwd: Path, env: object = None) -> Run:
        monkeypatch.chdir(cwd)
        said = citygrain(*words)
        assert said.returncode == 0, said.stderr
        return Run(1.0, 1.0, 1.0)

    for module in (big_scenes, whole_run):
        monkeypatch.setattr(module, "citygrain", run)
    monkeypatch.setattr(big_scenes, "CACHE", cache)
    monkeypatch.setattr("benchmarks.so2sat_reading.CACHE", cache)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(bench.NAMES) - {*BESIDE_PEERS, "board_cost", "grid_map", "cluster"}))
def test_it_runs(name: str, in_process: None) -> None:
    rows = importlib.import_module(f"benchmarks.{name}").main(quick=True)
    assert rows
    for found in rows:
        assert found.ours > 0 and found.theirs > 0 and found.ratio > 0
        assert json.loads(json.dumps(found.to_dict()))["what"] == found.what
    assert len({found.what for found in rows}) == len(rows)
