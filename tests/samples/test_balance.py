import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from citygrain.errors import InputError
from citygrain.legend import URBAN
from citygrain.samples.balance import balance, class_weights
from citygrain.samples.samples import Samples


def patches(y: list[int]) -> Samples:
    x = np.random.default_rng(0).random((len(y), 2, 5, 5), np.float32)
    return Samples.of(x, y, features=("B04", "B08"), legend=URBAN)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 20), st.booleans())
def test_counts_are_capped_or_filled(y: list[int], per_class: int, oversample: bool) -> None:
    samples = patches(y)
    drawn = balance(samples, per_class=per_class, rng=np.random.default_rng(1), oversample=oversample)
    for name, count in samples.counts().items():
        wanted = per_class if oversample and count else min(count, per_class)
        assert drawn.counts()[name] == wanted
    assert (drawn.y > 0).all()


def test_repeated_patches_are_turned_or_mirrored_originals() -> None:
    samples = patches([1] * 3 + [4] * 30)
    drawn = balance(samples, per_class=30, rng=np.random.default_rng(2), oversample=True)
    turned = 0
    for patch, unit, code in zip(drawn.x, drawn.unit, drawn.y, strict=True):
        original = samples.x[unit]
        symmetries = [np.rot90(m, k, (1, 2)) for m in (original, original[:, :, ::-1]) for k in range(4)]
        assert any(np.array_equal(patch, s) for s in symmetries)
        turned += int(code == 1 and not np.array_equal(patch, original))
    assert turned == 27


def test_without_augmentation_copies_are_plain() -> None:
    samples = patches([1, 4, 4])
    drawn = balance(samples, per_class=4, rng=np.random.default_rng(2), oversample=True, augment=False)
    assert np.array_equal(drawn.x, samples.x[drawn.unit])


def test_weights_are_those_of_scikit_learn() -> None:
    y = np.array([1, 1, 1, 2, 4, 4])
    weights = class_weights(patches(y.tolist()))
    assert np.allclose(weights[[0, 1, 3]], compute_class_weight("balanced", classes=np.array([1, 2, 4]), y=y))
    assert weights[2] == 0


def test_less_than_one_sample_is_refused() -> None:
    with pytest.raises(InputError, match="per_class = 0"):
        balance(patches([1]), per_class=0, rng=np.random.default_rng(0))
