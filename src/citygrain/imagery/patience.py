"""Reading remote files again where that can help."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from rasterio.errors import RasterioError

from citygrain.errors import InputError
from citygrain.imagery.signing import Signer
from citygrain.imagery.transport import forget_all, reading, without_queries

__all__ = ["Unread", "patiently"]

log = logging.getLogger(__name__)

_ATTEMPTS = 4
Result = TypeVar("Result")


class Unread(Exception):  # noqa: N818 - it is caught here and never shown
    """A remote file that could not be read; no OSError, which would mean the file that is written."""


def patiently(
    make: Callable[[], Result], signer: Signer, *, what: str, header: str | None = None, wait: float = 1.0
) -> Result:
    """Make something of a remote file; if it cannot be read, ask for a new token and try again, three times.

    Parameters
    ----------
    make : callable
        Opens and reads it.
    signer : Signer
        Is told to renew its token.
    what : str
        What is read, for messages.
    header : str, optional
        Line that is sent with each request.
    wait : float
        Seconds before the second attempt; twice as long before each next one.

    Raises
    ------
    InputError
        If it cannot be read, or whatever `make` raises.
    """
    attempt = 1
    while True:
        try:
            with reading(header=header):
                return make()
        except (RasterioError, Unread) as error:
            reason = without_queries((str(error).splitlines() or [type(error).__name__])[0])
        forget_all()  # nor is what broke off to be taken for the file by whoever tries later
        if attempt == _ATTEMPTS:
            mend = "the same command goes on later; what was read is kept"
            raise InputError(f"{what} cannot be read ({reason})", wanted="its file, whole", mend=mend)
        log.info("%s cannot be read (%s); once more", what, reason)
        signer.renew()
        time.sleep(wait * 2 ** (attempt - 1))
        attempt += 1
