"""The three networks in Keras, exactly as taught or published; imported only in the peers' environment.

Each builder returns the model and its layers with weights in the order in which ours has them, so that our weights can
be put in and both be seen to answer the same.
"""

from typing import Any

import keras
from keras import layers

__all__ = ["NETWORKS"]

Built = tuple[keras.Model, list[keras.Layer]]


class _Layers:
    """Makes layers and remembers those with weights."""

    def __init__(self) -> None:
        self.made: list[keras.Layer] = []

    def conv(
        self, x: Any, width: int, size: int, *, stride: int = 1, padding: str = "valid", act: str | None = None
    ) -> Any:
        layer = layers.Conv2D(width, size, strides=stride, padding=padding, activation=act)
        self.made.append(layer)
        return layer(x)

    def norm(self, x: Any) -> Any:
        layer = layers.BatchNormalization()
        self.made.append(layer)
        return layer(x)

    def dense(self, x: Any, width: int, act: str) -> Any:
        layer = layers.Dense(width, activation=act)
        self.made.append(layer)
        return layer(x)


def course_cnn(shape: tuple[int, int, int], classes: int) -> Built:
    """Convolutions 64 4x4, 128 3x3, 64 3x3, two poolings, Dense 256: 217,604 parameters for 25 x 25 x 3, 4 classes."""
    make, x = _Layers(), (first := keras.Input(shape))
    x = layers.MaxPooling2D(2)(make.conv(x, 64, 4, act="relu"))
    x = layers.MaxPooling2D(2)(make.conv(x, 128, 3, act="relu"))
    x = layers.Flatten()(make.conv(x, 64, 3, act="relu"))
    x = make.dense(make.dense(x, 256, "relu"), classes, "softmax")
    return keras.Model(first, x), make.made


_STAGES = ((32, 64, 3, 1), (128, 128, 4, 1), (256, 256, 6, 2), (512, 512, 3, 2))
"""Inner width of the first and of the other blocks, blocks, stride."""


def resnet50(shape: tuple[int, int, int], classes: int) -> Built:
    """As the course on So2Sat builds it: 23,606,289 parameters for 32 x 32 x 10, running statistics included."""
    make, x = _Layers(), (first := keras.Input(shape))
    x = make.norm(make.conv(layers.ZeroPadding2D(3)(x), 64, 7, stride=2))
    x = layers.MaxPooling2D(3, 2)(layers.ReLU()(x))
    for entry, inner, blocks, stride in _STAGES:
        for block in range(blocks):
            x = _bottleneck(make, x, (entry if block == 0 else inner, 4 * inner), stride if block == 0 else 0)
    x = layers.Flatten()(layers.AveragePooling2D(2)(x))
    return keras.Model(first, make.dense(x, classes, "softmax")), make.made


def _bottleneck(make: _Layers, x: Any, widths: tuple[int, int], stride: int) -> Any:
    """Apply a block of 1x1, 3x3, 1x1; with a stride, the input is projected."""
    inner, after = widths
    y = layers.ReLU()(make.norm(make.conv(x, inner, 1, stride=stride or 1)))
    y = layers.ReLU()(make.norm(make.conv(y, inner, 3, padding="same")))
    y = make.norm(make.conv(y, after, 1))
    short = make.norm(make.conv(x, after, 1, stride=stride)) if stride else x
    return layers.ReLU()(layers.Add()([y, short]))


def sen2lcz(shape: tuple[int, int, int], classes: int) -> Built:
    """Sen2LCZ-Net-MF of Qiu et al. 2020: four stages of four convolutions, the mean of four heads' softmaxes."""
    make, x = _Layers(), (first := keras.Input(shape))
    ends = []
    for stage, width in enumerate((16, 32, 64, 128)):
        for _ in range(4):
            x = layers.ReLU()(make.norm(make.conv(x, width, 3, padding="same")))
        if stage < 3:
            x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
            x = layers.Dropout(0.2)(x) if stage else x
        ends.append(layers.GlobalAveragePooling2D()(x))
    return keras.Model(first, layers.Average()([make.dense(end, classes, "softmax") for end in ends])), make.made


NETWORKS = {"course-cnn": course_cnn, "resnet50": resnet50, "sen2lcz": sen2lcz}


def put_weights(built: Built, weights: list[Any]) -> None:
    """Put weights into the layers, in order."""
    left = iter(weights)
    for layer in built[1]:
        layer.set_weights([next(left) for _ in layer.weights])
