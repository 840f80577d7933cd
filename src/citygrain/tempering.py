"""Class probabilities made bolder or more cautious by one number, without a change of the class that leads."""

import numpy as np
import numpy.typing as npt

__all__ = ["temper"]


def temper(probabilities: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    r"""Return probabilities at another temperature T: each to the power of 1 / T, and each row made to sum to 1.

    T above 1 makes a model more cautious, below 1 bolder. For a network it is the same as dividing its logits by T.
    The class that led still leads, also where rounding makes two alike: the map does not change. A probability of 0
    stays 0.

    Parameters
    ----------
    probabilities : ndarray of float32, (n, k)
        Rows that sum to 1.
    temperature : float
        T, above 0; 1 changes nothing, to the bit.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. & Weinberger, K. Q. (2017). On calibration of modern neural networks.
    arXiv:1706.04599

    Examples
    --------
    >>> temper(np.array([[0.8, 0.2]], np.float32), 2).round(3).tolist()
    [[0.6669999957084656, 0.3330000042915344]]
    """
    if temperature == 1 or probabilities.size == 0:
        return probabilities
    with np.errstate(divide="ignore"):  # the logarithm of 0 is the minus infinity that is meant
        logs = np.log(probabilities.astype(np.float64)) / temperature
    powers = np.exp(logs - logs.max(1, keepdims=True))
    tempered = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return _with_leaders(tempered, probabilities.argmax(1))


def _with_leaders(tempered: npt.NDArray[np.float32], leader: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Let the class that led lead by the last bit, where rounding has made another one its equal."""
    lost = np.flatnonzero(tempered.argmax(1) != leader)
    tempered[lost, leader[lost]] = np.nextafter(tempered[lost].max(1), np.float32(2))
    return tempered
