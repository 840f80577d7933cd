"""What Keras called the layers of the published networks, and which module of ours each one is.

Names are the only safe guide: published files list a shortcut before the convolution it goes around, two heads have
equal shapes, and a swap raises no error but paints a city as low plants.
"""

from collections.abc import Iterator

__all__ = ["KERAS_LAYERS"]

_RESNET20_BLOCKS = (
    ((2, 3, 4), 5, (None, 2, 3)),
    ((6, 7, 8), None, (4, 5, 6)),
    ((9, 10, 11), 12, (7, 8, 9)),
    ((13, 14, 15), None, (10, 11, 12)),
    ((16, 17, 18), 19, (13, 14, 15)),
    ((20, 21, 22), None, (16, 17, 18)),
)
"""Numbers of each block's convolutions down, across, up; of the one around it; of the normalisations before them."""


def _sen2lcz() -> Iterator[tuple[str, str]]:
    for number in range(16):
        stage, place = divmod(number, 4)
        yield f"conv2d_{number + 1}", f"stages.{stage}.{3 * place}"
        yield f"batch_normalization_{number + 1}", f"stages.{stage}.{3 * place + 1}"
    # The third stage's head was made last, after the fourth's, and dense_3 never came to be.
    yield from {"dense_1": "heads.0", "dense_2": "heads.1", "dense_5": "heads.2", "dense_4": "heads.3"}.items()


def _resnet20() -> Iterator[tuple[str, str]]:
    yield from {"conv2d_1": "stem.0", "batch_normalization_1": "stem.1"}.items()
    for block, (convolutions, around, norms) in enumerate(_RESNET20_BLOCKS):
        at = f"blocks.{block}"
        for number, place in zip(convolutions, ("body.0", "body.3", "body.6"), strict=True):
            yield f"conv2d_{number}", f"{at}.{place}"
        if around is not None:
            yield f"conv2d_{around}", f"{at}.shortcut"
        for norm, place in zip(norms, ("before.0", "body.1", "body.4"), strict=True):
            if norm is not None:
                yield f"batch_normalization_{norm}", f"{at}.{place}"
    yield from {"batch_normalization_19": "last.0", "dense_1": "dense"}.items()


KERAS_LAYERS: dict[str, dict[str, str]] = {"sen2lcz": dict(_sen2lcz()), "resnet20": dict(_resnet20())}
"""For each network whose published weights can be read: its module of each Keras layer."""
