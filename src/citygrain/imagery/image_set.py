"""Where pixels come from: the images of a collection, and how their files are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citygrain.errors import InputError
from citygrain.imagery.catalogues import Catalogue, Collection
from citygrain.imagery.observation import Observation
from citygrain.imagery.signing import Plain, Signer
from citygrain.imagery.static_catalogue import readable

__all__ = ["ImageSet", "bands_at_hand"]


@dataclass(frozen=True)
class ImageSet:
    """The images of a collection that are read together.

    Attributes
    ----------
    product : str
        ``"sentinel-2"``, ...
    catalogue : Catalogue
        Where they are listed.
    collection : Collection
        Which collection.
    observations : tuple of Observation
        By time.
    bands : tuple of str
        Which of their bands, the masks among them.
    signer : Signer
        Makes addresses that may be read.
    """

    product: str
    catalogue: Catalogue
    collection: Collection
    observations: tuple[Observation, ...]
    bands: tuple[str, ...]
    signer: Signer = field(default_factory=Plain)

    def href(self, observation: Observation, band: str) -> str:
        """Return the address of a band's file, not signed.

        Raises
        ------
        InputError
            If it cannot be read over https or from the disk.
        """
        href = readable(observation.item.assets[observation.assets[band]].href, self.catalogue)
        if "://" not in href and not Path(href).is_file():  # nor a pipe, or a name that GDAL would unfold
            raise InputError(f"{band} of {observation.id} is not there: {href}", wanted="a file")
        return href

    def sign(self, href: str) -> str:
        """Return the address that GDAL opens: as the catalogue gave it, made readable and signed."""
        return self.signer.sign(readable(href, self.catalogue))

    def header(self) -> str | None:
        """Return the header line that all files of the set want; None if they want none.

        Raises
        ------
        InputError
            If some are on machines that must not see it.
        """
        lines = {
            "".join(f"{name}: {value}" for name, value in self.signer.headers(self.href(*file)).items())
            for file in self.files()
        }
        if len(lines) > 1:
            raise InputError(f"files of {self.collection.id} lie on several machines", wanted="those the token is for")
        return next(iter(lines), "") or None

    def files(self) -> list[tuple[Observation, str]]:
        """Return each image with each of its bands that is read."""
        return [(o, band) for o in self.observations for band in self.bands if band in o.assets]


def bands_at_hand(observations: Sequence[Observation], wanted: Sequence[str]) -> tuple[list[Observation], list[str]]:
    """Leave out images that lack a band.

    Returns
    -------
    kept : list of Observation
        Those with all bands.
    said : list of str
        A line for each that was left out.
    """
    kept, said = [], []
    for observation in observations:
        missing = [band for band in wanted if band not in observation.assets]
        if missing:
            said.append(f"{observation.id} is left out: it has no {', '.join(missing)}")
        else:
            kept.append(observation)
    return kept, said
