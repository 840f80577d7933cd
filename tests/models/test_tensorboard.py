"""A training that is logged for TensorBoard: what the log holds, what it changes (nothing), what becomes of a kill."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.models.board_views import Crop
from citygrain.models.catalogue import make_model
from citygrain.models.hooks import Hooks
from citygrain.models.neural import NeuralClassifier
from citygrain.report.board import BoardPictures
from citygrain.samples.samples import Samples
from helpers.board_logs import Log, read_log
from helpers.worlds import BANDS, toy_patches, toy_rows

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>/**Bold**\tname"


class KilledError(Exception):
    pass


def hostile(samples: Samples) -> Samples:
    """The samples with a class name that means ill."""
    names = {c.code: HOSTILE if c.name == "Urban" else c.name for c in samples.legend}
    return replace(samples, legend=Legend.from_names(names, scheme="hostile"))


def trained(
    folder: Path | None, *, name: str = "cnn", epochs: int = 3, state: Path | None = None, progress: Any = None,
    data: tuple[Samples, Samples] | None = None, **options: Any,
) -> NeuralClassifier:  # fmt: skip
    from citygrain.models.tensorboard import Board, BoardPlan

    train, valid = data or (toy_patches(90), toy_patches(60, seed=5))
    bands = BANDS if train.x.ndim == 4 else ()
    board = Board(BoardPlan(folder, BoardPictures(), bands, **options)) if folder else None
    hooks = Hooks(progress, state, callbacks=[board] if board else [])
    model = make_model(name, epochs=epochs, seed=3, hooks=hooks)  # type: ignore[arg-type]
    assert isinstance(model, NeuralClassifier)
    model.recipe = replace(model.recipe, least_rows=200)
    model.fit(train, valid)
    if board:
        board.finish(model, train, valid)
    return model


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NeuralClassifier]:
    """The log of a training with everything in it, and the model."""
    folder = tmp_path_factory.mktemp("log")
    valid = hostile(toy_patches(60, seed=5))
    valid.y[:5] = 9  # some can only be wrong
    crop = Crop(valid.x[:12], lambda codes: BoardPictures().png(np.full((4, 4, 3), codes[0], np.uint8)))
    data = (hostile(toy_patches(90)), valid)
    model = trained(folder, data=data, crop=crop, texts={"configuration": "a = '<b>'\n# no heading"}, points=100)
    return folder, model


@pytest.fixture(scope="module")
def log(told: tuple[Path, NeuralClassifier]) -> Log:
    return read_log(told[0])


def test_numbers_are_those_of_the_model_card(told: tuple[Path, NeuralClassifier], log: Log) -> None:
    history = told[1].history_
    for part in ("train", "valid"):
        for name in ("loss", "accuracy"):
            values = log.epochs(f"{name}/{part}")
            assert list(values) == [1, 2, 3]
            np.testing.assert_allclose(list(values.values()), [e[f"{part}_{name}"] for e in history], rtol=1e-5)
    for tag in ("learning rate", "gradient norm", "samples per second", "macro F1 of validation"):
        assert all(value >= 0 for value in log.epochs(tag).values()) and len(log.epochs(tag)) == 3
    per_class = [tag for tag in log.tags("scalars") if tag.startswith("F1 of validation/")]
    assert "F1 of validation/Water" in per_class and len(per_class) == 3  # Crop is nowhere


def test_each_step_has_its_numbers(log: Log) -> None:
    loss = log.steps("step/loss")
    assert list(loss) == list(range(1, len(loss) + 1)) and len(loss) >= 6
    for tag in ("step/accuracy", "step/learning rate", "step/gradient norm", "step/samples per second"):
        assert log.steps(tag).keys() == loss.keys()
    assert max(log.steps("step/accuracy").values()) <= 1


def test_every_layer_has_its_distribution(told: tuple[Path, NeuralClassifier], log: Log) -> None:
    tags = log.tags("histograms")
    assert len(tags) == len(list(told[1].module_.parameters()))
    assert "pixel stem/conv/weight" in tags
    drawn = log.run.Histograms("pixel stem/conv/weight")[-1].histogram_value
    assert drawn.num == told[1].module_.pixels[0].weight.numel() == sum(drawn.bucket)  # type: ignore[union-attr,index]


def test_pictures_are_there_and_open(log: Log) -> None:
    wanted = {"confusion of validation", "map", "patches/as read", "patches/as the network gets them",
              "patches/wrong, surest first"}  # fmt: skip
    assert wanted == set(log.tags("images"))
    for tag in wanted:
        entry = log.run.Images(tag)[-1]
        with Image.open(io.BytesIO(entry.encoded_image_string)) as picture:
            assert picture.size == (entry.width, entry.height)
    assert log.run.Images("patches/as the network gets them")[0].step == 1


def test_curves_texts_and_settings_are_there(log: Log) -> None:
    tensors = log.tags("tensors")
    assert "precision and recall/Water" in tensors
    plugins = log.run.PluginTagToContent("pr_curves")
    assert len(plugins) == 3
    text = log.run.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text == "    a = '<b>'\n    # no heading"  # indented: shown as it is
    card = log.run.Tensors("model card/text_summary")[0].tensor_proto.string_val[0].decode()
    assert json.loads(card)["network"] == "segment-net" and all(line[:4] == "    " for line in card.splitlines())
    assert "_hparams_/session_start_info" in log.run.PluginTagToContent("hparams")
    assert 0 <= log.run.Scalars("final/valid accuracy")[0].value <= 1


def test_points_have_pictures_and_columns(told: tuple[Path, NeuralClassifier]) -> None:
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    config = text_format.Parse((told[0] / "projector_config.pbtxt").read_text(), ProjectorConfig())
    names = [entry.tensor_name for entry in config.embeddings]
    assert names[0] == "features of the trained network" and "features, epoch 001" in names
    assert any(name.startswith("pixels, B02 B03 B04") for name in names)
    for entry in config.embeddings:
        n, d = entry.tensor_shape
        values = np.fromfile(told[0] / entry.tensor_path, np.float32).reshape(n, d)
        assert np.isfinite(values).all() and n <= 100
        with pytest.raises(UnicodeDecodeError):  # by this TensorBoard knows that it is no text
            (told[0] / entry.tensor_path).read_text(encoding="utf-8")
        lines = (told[0] / entry.metadata_path).read_text(encoding="utf-8").splitlines()
        assert len(lines) == n + 1 and {line.count("\t") for line in lines} == {lines[0].count("\t")}
        columns = lines[0].split("\t")
        assert columns[:6] == ["class", "predicted class", "right or wrong", "confidence", "split", "unit"]
        with Image.open(told[0] / entry.sprite.image_path) as sheet:
            side = entry.sprite.single_image_dim[0]
            assert sheet.size[0] == sheet.size[1] == side * int(np.ceil(np.sqrt(n)))


def test_tensorboard_itself_reads_the_points(told: tuple[Path, NeuralClassifier]) -> None:
    from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

    for path in (told[0] / "projector").glob("*.bytes"):
        with pytest.raises(UnicodeDecodeError):
            _read_tensor_tsv_file(str(path))


@pytest.mark.parametrize("name", ["cnn", "mlp", "patchnet"])
def test_a_log_changes_no_byte_of_the_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citygrain.models.networks.patchnet._NARROW_FROM", 0)  # a quarter of the work
    data = (toy_rows(90), toy_rows(60, seed=5)) if name == "mlp" else None
    saved = []
    for folder in (tmp_path / "log", None):
        model = trained(folder, name=name, epochs=2, data=data, points=50)
        model.save(tmp_path / "model")
        saved.append({path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()})
    assert saved[0] == saved[1]
    assert read_log(tmp_path / "log").epochs("loss/train").keys() == {1, 2}


def test_a_killed_training_leaves_a_log_that_reads_and_goes_on(tmp_path: Path) -> None:
    def kill(done: int, _: int) -> None:
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path / "log", state=tmp_path / "state", progress=kill)
    assert list(read_log(tmp_path / "log").epochs("loss/train")) == [1, 2]
    trained(tmp_path / "log", state=tmp_path / "state")
    log = read_log(tmp_path / "log")
    assert list(log.epochs("loss/train")) == [1, 2, 3]
    steps = list(log.steps("step/loss"))
    assert steps == list(range(1, len(steps) + 1))  # none twice, none lost


def test_another_training_in_the_same_folder_begins_a_new_log(tmp_path: Path) -> None:
    trained(tmp_path, epochs=3, points=50)
    (tmp_path / "mine.txt").write_text("kept")
    trained(tmp_path, epochs=1, points=50)
    assert list(read_log(tmp_path).epochs("loss/train")) == [1]
    assert (tmp_path / "mine.txt").exists()


def test_what_is_dear_is_left_out_where_it_costs_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = dict.fromkeys(("steps", "epochs", "views", "points"), 0.0)
    monkeypatch.setattr("citygrain.models.tensorboard._SHARES", shares)
    trained(tmp_path, epochs=3, points=50)
    log = read_log(tmp_path)
    projector = (tmp_path / "projector_config.pbtxt").read_text()
    assert "features, epoch 001" in projector and "epoch 002" not in projector
    assert [entry.step for entry in log.run.Images("confusion of validation")] == [1, 3]
    assert list(log.epochs("macro F1 of validation")) == [1, 2, 3]


def test_bands_that_are_not_there_are_refused() -> None:
    from citygrain.workflows.board import BoardChoice, make_board

    with pytest.raises(InputError, match="wanted: three of B02, B03, B04"):
        make_board(Path("nowhere"), "cnn", toy_patches(9), BoardChoice(bands=("B02", "B03", "B99")))
    assert make_board(Path("nowhere"), "forest", toy_patches(9), BoardChoice()) is None
    assert make_board(Path("nowhere"), "cnn", toy_patches(9), BoardChoice(wanted=False)) is None
