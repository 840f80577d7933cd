"""Two multilayer perceptrons: the course's, on flattened patches, and a normalised one for rows and patches."""

from torch import nn

from citygrain.models.networks.course_cnn import keras_defaults

__all__ = ["course_mlp", "row_mlp"]


def course_mlp(inputs: int, classes: int) -> nn.Sequential:
    """Build Flatten, Dense 128 ReLU, Dropout 0.2, Dense `classes`, as taught.

    Parameters
    ----------
    inputs : int
        Values of a row: channels x rows x columns.
    classes : int
        Number of classes.

    Examples
    --------
    >>> sum(weight.numel() for weight in course_mlp(10 * 32 * 32, 17).parameters())
    1313041
    """
    network = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, classes))
    keras_defaults(network)
    return network


def row_mlp(inputs: int, classes: int, *, width: int = 128) -> nn.Sequential:
    """Build a two-layer perceptron with layer normalisation, which behaves at any batch size.

    Parameters
    ----------
    inputs : int
        Values of a row.
    classes : int
        Number of classes.
    width : int
        Units of each hidden layer.

    Examples
    --------
    >>> import torch
    >>> row_mlp(12, 3)(torch.zeros(5, 12)).shape
    torch.Size([5, 3])
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(inputs, width),
        nn.LayerNorm(width),
        nn.SiLU(),
        nn.Dropout(0.3),
        nn.Linear(width, width),
        nn.LayerNorm(width),
        nn.SiLU(),
        nn.Dropout(0.3),
        nn.Linear(width, classes),
    )
