"""Pictures for TensorBoard: of the size they say, in the legend's colours, whatever classes are called."""

import io

import numpy as np
from PIL import Image

from citygrain.legend import LCZ, URBAN, Legend
from citygrain.report.board import BoardPictures, figure_epoch_confusion, paint_codes, paint_tiles

HOSTILE = Legend.from_names(
    {1: "<b>$x^2$</b>", 2: "a very long name of a class that nobody can read"}, scheme="hostile"
)


def opened(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_matrix_tells_counts_and_sides() -> None:
    figure = figure_epoch_confusion(np.array([[7, 1], [0, 12]]), HOSTILE)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Reference", "Map")
    assert {text.get_text() for text in axes.texts} == {"7", "1", "12"}
    assert axes.get_title(loc="left") == "19 of 20 right"
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "<b>$x^2$</b>" and labels[1].endswith("…") and len(labels[1]) == 20


def test_matrices_of_many_and_of_no_rows_are_drawn() -> None:
    for matrix, legend in ((np.eye(17, dtype=np.int64), LCZ), (np.zeros((2, 2), np.int64), HOSTILE)):
        assert opened(BoardPictures().confusion(matrix, legend)).std() > 0


def test_tiles_show_the_patches_and_their_lines() -> None:
    patches = np.zeros((9, 6, 6, 3), np.uint8)
    patches[3] = (250, 10, 10)
    below = [("90 % Urban, is Water", "#123456")] * 9
    shown = opened(BoardPictures().patches(patches, below))
    assert (shown == (250, 10, 10)).all(2).mean() > 0.02  # the red one
    assert (shown == 255).all(2).mean() > 0.3  # rows of eight: most of the second is empty
    assert (shown == (0x12, 0x34, 0x56)).all(2).sum() == 9 * 49  # the marks
    other = paint_tiles(patches, [*below[:8], ("<b>$x^2$</b>, 森", "#123456")])
    height, width = (shown != other).any(2).nonzero()
    assert height.min() > 100 and width.max() < shown.shape[1] / 8  # only what stands below the ninth


def test_patches_are_stretched_together() -> None:
    values = np.stack([np.zeros((3, 4, 4)), np.ones((3, 4, 4)), np.full((3, 4, 4), np.nan)]).astype(np.float32)
    pictures = BoardPictures().colours(values)
    assert pictures.shape == (3, 4, 4, 3)
    assert pictures[0].max() == 0 and pictures[1].min() == 255 and pictures[2].min() == 255


def test_a_crop_is_painted_in_the_legends_colours() -> None:
    picture = opened(paint_codes(np.array([[1, 0]], np.uint8), URBAN, least=10))
    assert picture.shape == (5, 10, 3)
    assert tuple(picture[0, 0]) == URBAN.colormap()[1][:3] and tuple(picture[0, 9]) == (255, 255, 255)
