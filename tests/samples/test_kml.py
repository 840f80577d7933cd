"""KML and KMZ from strangers: every shape that is in a file, or one line that says why not."""

import io
import logging
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from citygrain.errors import InputError
from citygrain.samples.kml import Placemark, parse_kml, read_kml

RING = "13,52,0 13.1,52,0 13.1,52.1,0 13,52,0"
HOLE = "13.05,52.01 13.08,52.01 13.08,52.03 13.05,52.01"


def ring(side: str, corners: str) -> str:
    return f"<{side}BoundaryIs><LinearRing><coordinates>\n {corners} </coordinates></LinearRing></{side}BoundaryIs>"


def polygon(*holes: str, outer: str = RING) -> str:
    return f"<Polygon>{ring('outer', outer)}{''.join(ring('inner', hole) for hole in holes)}</Polygon>"


def mark(shape: str, name: str = "5") -> str:
    return f"<Placemark><name>{name}</name>{shape}</Placemark>"


def kml(*marks: str, namespace: str = ' xmlns="http://www.opengis.net/kml/2.2"') -> bytes:
    return f'<?xml version="1.0"?><kml{namespace}><Document>{"".join(marks)}</Document></kml>'.encode()


def kmz(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


# ---- what is read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://earth.google.com/kml/2.0"', ' xmlns="http://www.opengis.net/kml/2.3"']
)
def test_any_version(namespace: str) -> None:
    (found,) = parse_kml(kml(mark(polygon(HOLE)), namespace=namespace))
    assert found.name == "5"
    assert isinstance(found.geometry, Polygon)
    assert not found.geometry.has_z
    assert len(found.geometry.interiors) == 1
    assert found.geometry.area == pytest.approx(0.005 - 0.0003)


def test_a_prefix_and_latin_letters() -> None:
    text = kml(mark(polygon(), "Öde")).decode().replace('<?xml version="1.0"?>', "")
    prefixed = text.replace("<", "<k:").replace("<k:/", "</k:").replace("xmlns=", "xmlns:k=")
    (found,) = parse_kml(b'<?xml version="1.0" encoding="ISO-8859-1"?>' + prefixed.encode("latin-1"))
    assert found.name == "Öde"


def test_folders_fields_and_other_names() -> None:
    style = "<Style id='a'><name>no</name></Style>"
    data = "<ExtendedData><Data name='class'><value> 5 </value></Data><SchemaData><SimpleData name='x'>y</SimpleData>"
    inner = f"<Folder><name>B</name>{mark(polygon() + data + '</SchemaData></ExtendedData>')}</Folder>"
    text = kml(f"<name>city</name>{style}<Folder><name>LCZ\n 5</name>{inner}{mark(polygon(), 'next')}</Folder>")
    first, second = parse_kml(text)
    assert (first.name, first.folders, first.fields) == ("5", ("city", "LCZ 5", "B"), {"class": "5", "x": "y"})
    assert (second.name, second.folders, second.fields) == ("next", ("city", "LCZ 5"), {})


def test_several_shapes_of_one_placemark() -> None:
    many = f"<MultiGeometry>{polygon()}<MultiGeometry>{polygon(HOLE)}</MultiGeometry></MultiGeometry>"
    point, line = (f"<{kind}><coordinates>{RING}</coordinates></{kind}>" for kind in ("Point", "LineString"))
    mixed = f"<MultiGeometry>{polygon()}{point}</MultiGeometry>"
    points = f"<MultiGeometry>{point}{point}</MultiGeometry>"
    kinds = [found.geometry.geom_type for found in parse_kml(kml(*map(mark, (many, point, line, mixed, points))))]
    assert kinds == ["MultiPolygon", "Point", "LineString", "GeometryCollection", "MultiPoint"]


def test_corners_with_stray_spaces_and_open_rings() -> None:
    (found,) = parse_kml(kml(mark(polygon(outer="13, 52 ,0\n\t13.1,52 13.1 ,52.1"))))
    assert found.geometry.area == pytest.approx(0.005)


def test_what_has_no_shape_is_left_out_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    bad = [mark("", "a"), mark(polygon(outer="1,1 2,2"), "b"), mark("<Polygon/>"), mark(polygon(), "c")]
    with caplog.at_level(logging.WARNING, "citygrain"):
        assert [found.name for found in parse_kml(kml(*bad))] == ["c"]
    assert "2 Polygon with too few corners, 3 placemarks without a shape" in caplog.text


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_gives_its_main_file(tmp_path: Path, method: int) -> None:
    text = kml(mark(polygon()))
    other = kml(mark(polygon(), "other"))
    for files in ({"a/b.kml": other, "x.png": b"", "Doc.KML": text}, {"a/b.kml": other, "areas.kml": text}):
        (tmp_path / "a.kmz").write_bytes(kmz(files, method))
        assert [found.name for found in read_kml(tmp_path / "a.kmz")] == ["5"]


def test_melbourne(data: Path) -> None:
    folder = data / "lcz/training_areas_melbourne"
    counts = {}
    for file in sorted(folder.glob("*.km*")):
        found = read_kml(file)
        assert {part.geometry.geom_type for part in found} == {"Polygon"}
        assert all(part.folders[-1] == part.name for part in found[1:])
        counts[file.name[:14]] = len(found)
    assert counts == {"Melbourne_2006": 102, "Melbourne_2016": 102, "Melbourne_2019": 102}


# ---- what is refused -------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE kml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><kml>&b;</kml>'
OUTSIDE = '<!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/passwd">]><kml><Placemark><name>&a;</name></Placemark></kml>'


def _lying(size: int) -> bytes:
    """An archive whose headers say that its 2 MB are fewer."""
    content = kmz({"doc.kml": b"<kml>" + b" " * 2**21})
    return content.replace(struct.pack("<L", 2**21 + 5), struct.pack("<L", size))


BAD = {
    "entities": (LAUGHS.encode(), "document type or entities"),
    "a file from outside": (OUTSIDE.encode(), "document type or entities"),
    "a document type": (b"<!DOCTYPE kml><kml/>", "document type or entities"),
    "text": (b"nothing of the kind", "no KML that can be read"),
    "nothing": (b"", "no KML that can be read"),
    "html": (b"<html></html>", "XML with root 'html'; wanted: KML"),
    "cut": (kml(mark(polygon()))[:120], "no KML that can be read"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><kml/>', "no KML that can be read"),
    "wide encoding": (b'<?xml version="1.0" encoding="utf-7"?><kml/>', "no KML that can be read"),
    "deep": (b"<kml>" + b"<Folder>" * 10_000, "nests more than 64 elements"),
    "metres": (kml(mark(polygon(outer="500000,5800000 1,1 2,2"))), r"corner at 500000, 5.8e\+06; wanted: longitude"),
    "no numbers": (kml(mark(polygon(outer="a,b c,d e,f"))), "has coordinates 'a,b c,d e,f'"),
    "not a number": (kml(mark(polygon(outer="nan,1 2,2 3,3"))), "corner at nan, 1"),
    "a single number": (kml(mark(polygon(outer="1 2 3"))), "wanted: longitude,latitude"),
    "an endless number": (kml(mark(polygon(outer="1" * 400 + ",1 2,2 3,3"))), "has coordinates '1111"),
    "a bomb": (kmz({"doc.kml": b"<kml>" + b" " * 2**25}), "unpacks to more than 33,554,432 bytes"),
    "a small bomb": (kmz({"doc.kml": b"<kml>" + b" " * 2**21}), r"unpacks to \d+ times its size; wanted: at most 200"),
    "a bomb that lies": (_lying(1000), "cannot be unpacked"),
    "many entries": (kmz({f"{i}.kml": b"" for i in range(1001)}), "archive of 1,001 entries"),
    "no kml": (kmz({"readme.txt": b""}), "archive without KML"),
    "bzip2": (kmz({"doc.kml": kml()}, zipfile.ZIP_BZIP2), "packed by method 12"),
    "cut archive": (kmz({"doc.kml": kml()})[:60], "cannot be unpacked"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        parse_kml(content, name="areas.kmz")
    assert "\n" not in str(caught.value)


def test_missing_folders_and_large_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.kml"):
        with pytest.raises(InputError, match="cannot be read"):
            read_kml(path)
    with (tmp_path / "large.kml").open("wb") as target:
        target.truncate(2**25 + 1)
    with pytest.raises(InputError, match=r"large\.kml has 33,554,433 bytes; wanted: at most"):
        read_kml(tmp_path / "large.kml")


# ---- any bytes -------------------------------------------------------------------------------------------------


def _shapes_or_a_line(content: bytes) -> None:
    try:
        found = parse_kml(content)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(part, Placemark) and not part.geometry.is_empty for part in found)


@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"<kml>"):
        _shapes_or_a_line(start + content)


WHOLE = [kml(mark(polygon(HOLE)), mark(f"<MultiGeometry>{polygon()}</MultiGeometry>", "A"))]
WHOLE.append(kmz({"doc.kml": WHOLE[0], "b.txt": b"b"}))


@given(st.sampled_from(WHOLE), st.data())
def test_whole_files_with_damage(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        damaged = damaged or bytearray(b"x")
    _shapes_or_a_line(bytes(damaged))


PIECES = ["<Placemark>", "</Placemark>", "<Folder>", "</Folder>", "<name>5", "</name>", "<Polygon>", "</Polygon>"]
PIECES += ["<outerBoundaryIs>", "</outerBoundaryIs>", "<innerBoundaryIs>", "</innerBoundaryIs>", "<MultiGeometry>"]
PIECES += ["</MultiGeometry>", f"<coordinates>{RING}</coordinates>", "<Point>", "</Point>", "<coordinates/>"]


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_elements_in_any_order(pieces: list[str]) -> None:
    opened: list[str] = []
    closed = []
    for piece in pieces:  # closes only what is open, so that it is XML more often than not
        name = piece.strip("</>").split(">")[0]
        if piece.startswith("</"):
            if opened and opened[-1] == name:
                closed.append(f"</{opened.pop()}>")
            continue
        closed.append(piece)
        if not piece.endswith(("</coordinates>", "/>")):
            opened.append(name)
    closed += [f"</{name}>" for name in reversed(opened)]
    _shapes_or_a_line(f"<kml>{''.join(closed)}</kml>".encode())
