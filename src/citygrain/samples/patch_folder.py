"""Any folder or zip of patches with one subfolder per class, as samples: EuroSAT, or a user's own chips.

Nothing is guessed from the numbers: an 8-bit image stays 0 to 255 unless a scale is given, and a GeoTIFF whose bands
have no names keeps numbers for names until the user says what they are.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.samples.patch_files import KINDS, FileRows, Patch, read_patch
from citygrain.samples.patch_store import PatchStore, open_store
from citygrain.samples.samples import Samples
from citygrain.tiles import Progress, processors

__all__ = ["open_patch_folder", "patch_splits", "split_names"]

_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""Names of split files, without ``.csv``."""

_FILE_COLUMNS = ("filename", "file", "path", "image")
_LARGEST_TABLE = 64 * 2**20


@dataclass(frozen=True)
class _Files:
    """The patches of a folder: their names, sorted, and the class folder of each."""

    store: PatchStore
    names: list[str]
    classes: list[str]


def open_patch_folder(
    path: Path | str,
    *,
    split: str | None = None,
    bands: Sequence[str] | None = None,
    scale: float = 1.0,
    legend: Legend | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Open a folder or zip of patches with one subfolder per class.

    Parameters
    ----------
    path : Path or str
        The folder or zip. The class folders may lie at any level, but all at the same one, as in
        ``EuroSAT_RGB/Forest/Forest_1.jpg``. Files: JPEG, PNG, GeoTIFF, or NumPy (height, width, channels), one kind.
        Hidden files and files of other kinds are passed over.
    split : str, optional
        Only these patches: ``"train"``, ``"validation"`` or ``"test"`` of the split CSVs (`patch_splits`).
    bands : sequence of str, optional
        Names of the channels, in file order. By default red, green, blue or grey for images, the band descriptions of
        GeoTIFF where there are, and else ``band1``, ``band2``, ...
    scale : float
        Values are divided by it: 10,000 makes reflectance of Sentinel-2 digital numbers. By default they stay.
    legend : Legend, optional
        Classes of which the folder names are names. By default codes 1, 2, ... in alphabetical order of the folders.
    progress : callable, optional
        Called with (done, total) while the georeference of GeoTIFF patches is read.

    Returns
    -------
    Samples
        ``x`` float32 (n, c, h, w), decoded when rows are asked for; up to 1 GiB of decoded patches is kept in memory.
        Rows are in the order of the file names; `extent` is known for GeoTIFF with coordinates.

    Raises
    ------
    InputError
        If there are no patches, no class folders, or class folders at several levels; if a file is broken, too large,
        or of another size than the first (told when it is read); if a split or a class is unknown.

    Examples
    --------
    >>> open_patch_folder("nowhere.zip")
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere.zip does not exist; wanted: a folder or zip with one subfolder per class
    """
    path = Path(path)
    if not scale > 0:
        raise InputError(f"scale = {scale}", wanted="a number above 0")
    files = _find(path)
    first = read_patch(files.store, files.names[0])
    features = _features(first, bands, files.names[0])
    legend = legend or Legend.from_names(dict(enumerate(sorted(set(files.classes)), start=1)), scheme=path.stem)
    codes = {name: legend.code_of(name) for name in sorted(set(files.classes))}
    x = FileRows.of(files.store, files.names, first.values, scale)
    extent = _extents(files, first, progress)
    samples = Samples.of(x, [codes[name] for name in files.classes], features=features, legend=legend, extent=extent)
    return samples if split is None else samples[_chosen(path, files, split)]


def patch_splits(path: Path | str) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each split that CSV files give; empty where there are none.

    ``train.csv``, ``validation.csv`` and ``test.csv`` (or ``training``, ``valid``, ``val``, ``testing``) are looked for
    in the folder or zip and, if not there, beside it. Their column ``Filename`` names the patches as
    ``Class/file.jpg``.

    Raises
    ------
    InputError
        If a CSV names a patch that is not there, or one patch is in two splits.
    """
    return _splits(Path(path), _find(Path(path)))


def split_names(path: Path | str) -> tuple[str, ...]:
    """Return the names of the splits of a folder or zip of patches."""
    return tuple(patch_splits(path))


def _find(path: Path) -> _Files:
    store = open_store(path)
    kept = [name for name in store.names() if _suffix(name) in KINDS and not _hidden(name)]
    if not kept:
        raise InputError(f"{path} has no patches", wanted=f"files {', '.join(sorted(KINDS))} in one folder per class")
    above = {name.rpartition("/")[0].rpartition("/")[0] for name in kept}
    depths = {name.count("/") for name in kept}
    if len(above) > 1 or len(depths) > 1 or depths == {0}:
        by_depth = sorted(kept, key=lambda name: (name.count("/"), name))
        told = sorted({by_depth[0], by_depth[-1]})
        raise InputError(
            f"{path} has patches at {' and at '.join(told)}",
            wanted="one subfolder per class, all in the same folder",
        )
    kinds = {KINDS[_suffix(name)] for name in kept}
    if len(kinds) > 1:
        raise InputError(f"{path} mixes {' and '.join(sorted(kinds))} files", wanted="patches of one kind")
    return _Files(store, kept, [name.split("/")[-2] for name in kept])


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _features(first: Patch, bands: Sequence[str] | None, name: str) -> tuple[str, ...]:
    channels = first.values.shape[2]
    if bands is None:
        return first.bands or tuple(f"band{number}" for number in range(1, channels + 1))
    if len(bands) != channels or len(set(bands)) != channels:
        raise InputError(f"bands {', '.join(bands)} for {name}", wanted=f"{channels} different names")
    return tuple(bands)


def _extents(files: _Files, first: Patch, progress: Progress | None) -> npt.NDArray[np.float64]:
    extent = np.full((len(files.names), 4), np.nan)
    if first.extent is None:  # a set with coordinates has them in its first file too
        return extent
    with ThreadPoolExecutor(processors()) as pool:
        for row, patch in enumerate(pool.map(lambda name: read_patch(files.store, name), files.names)):
            if patch.extent is not None:
                extent[row] = patch.extent
            if progress:
                progress(row + 1, len(files.names))
    return extent


def _chosen(path: Path, files: _Files, split: str) -> npt.NDArray[np.int64]:
    splits = _splits(path, files)
    if split not in splits:
        raise InputError(f"split {split!r} of {path}", wanted=f"one of {', '.join(splits)}" if splits else "no split")
    return splits[split]


def _splits(path: Path, files: _Files) -> dict[str, npt.NDArray[np.int64]]:
    row_of = {"/".join(name.split("/")[-2:]): row for row, name in enumerate(files.names)}
    splits: dict[str, npt.NDArray[np.int64]] = {}
    for inside in (True, False):
        for split, stems in _SPLITS.items():
            for name, text in _tables(path, files, stems, inside=inside):
                listed = list(_listed(text, name))
                known = [row_of[item] for item in listed if item in row_of]
                if not inside and not known:
                    continue  # a neighbour's table
                if len(known) < len(listed):
                    strange = next(item for item in listed if item not in row_of)
                    raise InputError(f"{name} names {strange}, which is not in {path}", wanted="patches that are there")
                splits[split] = np.unique(np.array(known, np.int64))
        if splits:
            break
    _refuse_shared(splits, files)
    return splits


def _tables(path: Path, files: _Files, stems: tuple[str, ...], *, inside: bool) -> Iterator[tuple[str, str]]:
    """Yield name and text of the split's CSV, at the top or where the class folders are; or beside the whole."""
    if inside:
        top = files.names[0].rpartition("/")[0].rpartition("/")[0]
        wanted = {f"{stem}.csv" for stem in stems} | {f"{top}/{stem}.csv" for stem in stems}
        for name in files.store.names():
            if name in wanted:
                yield name, _text(files.store.read(name), name)
        return
    for stem in stems:
        table = path.resolve().parent / f"{stem}.csv"
        if table.is_file() and table.stat().st_size < _LARGEST_TABLE:
            yield table.name, _text(table.read_bytes(), table.name)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no text: {error}", wanted="a CSV in UTF-8") from error


def _listed(text: str, name: str) -> Iterator[str]:
    rows = csv.reader(io.StringIO(text))
    try:
        header = [title.strip().lower() for title in next(rows, [])]
        column = next((header.index(title) for title in _FILE_COLUMNS if title in header), None)
        if column is None:
            raise InputError(f"{name} has columns {header[:8]}", wanted="a column Filename")
        for row in rows:
            if len(row) > column and row[column].strip():
                yield "/".join(row[column].strip().split("/")[-2:])
    except csv.Error as error:
        raise InputError(f"{name} is no CSV: {error}", wanted="a column Filename") from error


def _refuse_shared(splits: dict[str, npt.NDArray[np.int64]], files: _Files) -> None:
    owner: dict[int, str] = defaultdict(str)
    for split, rows in splits.items():
        for row in rows.tolist():
            if owner[row]:
                raise InputError(
                    f"{files.names[row]} is in {owner[row]} and in {split}", wanted="each patch in one split at most"
                )
            owner[row] = split
