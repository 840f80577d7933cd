"""What a user can get wrong, each answered by one line: what came, what was wanted, how to mend it."""


class CitygrainError(Exception):
    """A mistake in the input or its surroundings that the user can mend.

    The command line prints the message alone and exits with code 2; a traceback always means a fault of ours.

    Parameters
    ----------
    came : str
        What was found, in the user's own words (file, band, key, value).
    wanted : str, optional
        What would have been accepted.
    mend : str, optional
        The next step, as an imperative.

    Examples
    --------
    >>> print(InputError("band B13 is not in s2.tif", wanted="one of B02, B03", mend="set [scene] bands"))
    band B13 is not in s2.tif; wanted: one of B02, B03; set [scene] bands
    """

    def __init__(self, came: str, *, wanted: str = "", mend: str = "") -> None:
        self.came, self.wanted, self.mend = came, wanted, mend
        parts = [came, f"wanted: {wanted}" if wanted else "", mend]
        super().__init__(" ".join("; ".join(part for part in parts if part).split()))


class InputError(CitygrainError, ValueError):
    """A file, raster, reference or argument that cannot be used as it is."""


class ConfigError(CitygrainError, ValueError):
    """A configuration with an unknown key or an impossible value."""


class ModelMismatchError(CitygrainError, ValueError):
    """A model met features, units or a legend other than those it was trained on."""


class OutputError(CitygrainError, OSError):
    """A result could not be written; nothing half-written is left behind."""
