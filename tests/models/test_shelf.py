"""Published models are fetched once, checked, and never half there; without a network one line says what to do."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from citygrain.errors import InputError, OutputError
from citygrain.legend import LCZ
from citygrain.models import shelf
from citygrain.models.shelf import PublishedModel, find_model, published_file, published_models, recognise

CONTENT = np.random.default_rng(0).bytes(300_000)


@dataclass
class Server:
    """A web server on this machine; `cut` drops the next answer after so many bytes."""

    url: str = ""
    content: bytes = CONTENT
    knows_ranges: bool = True
    cut: int | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "") if told.knows_ranges else ""
            told.asked.append(wanted)
            if self.path != "/weights.h5":
                self.send_error(404)
                return
            rest = told.content[int(wanted.removeprefix("bytes=").rstrip("-") or 0) :]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest if told.cut is None else rest[: told.cut])
            told.cut = None

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr("time.sleep", lambda _: None)  # pooch waits before it tries again
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as service:
        told.url = f"http://127.0.0.1:{service.server_port}/weights.h5"
        thread = threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield told
        service.shutdown()
        thread.join()


def there(server: Server, content: bytes = CONTENT) -> PublishedModel:
    """Return a model of the shelf as if it were published on the server."""
    digest = hashlib.sha256(content).hexdigest()
    return replace(published_models()["sen2lcz-mf"], url=server.url, size=len(content), sha256=digest)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    model = there(server)
    path = published_file(model, cache=tmp_path / "new/cache", progress=lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT and files(path.parent) == [model.file]
    assert seen == sorted(seen) and seen[-1] == (300_000, 300_000) and len(seen) > 3
    assert published_file(model, cache=tmp_path / "new/cache") == path
    assert len(server.asked) == 1


def test_a_file_put_there_by_hand_is_taken(server: Server, tmp_path: Path) -> None:
    model = there(server)
    (tmp_path / model.file).write_bytes(CONTENT)
    assert published_file(model, cache=tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_download_that_was_cut_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    assert published_file(there(server), cache=tmp_path).read_bytes() == CONTENT
    first, second = server.asked
    assert first == "" and 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 100_000
    assert files(tmp_path) == [there(server).file]


def test_a_part_left_by_a_killed_run_goes_on(server: Server, tmp_path: Path) -> None:
    model = there(server)
    (tmp_path / f".{model.file}.part").write_bytes(CONTENT[:123_456])
    assert published_file(model, cache=tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=123456-"]


@pytest.mark.parametrize("left", [CONTENT[:1000][::-1], CONTENT + b"more", CONTENT[::-1]])
def test_a_part_of_something_else_is_thrown_away(server: Server, tmp_path: Path, left: bytes) -> None:
    model = there(server)
    (tmp_path / f".{model.file}.part").write_bytes(left)
    assert published_file(model, cache=tmp_path).read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.knows_ranges = False
    model = there(server)
    (tmp_path / f".{model.file}.part").write_bytes(CONTENT[:1000])
    assert published_file(model, cache=tmp_path).read_bytes() == CONTENT


WRONG = {
    "another file": (CONTENT[::-1], "another checksum"),
    "endless": (CONTENT * 3, "another checksum"),
    "too short": (CONTENT[:-1], "the connection ended after 299,999 of 300,000 bytes"),
    "empty": (b"", "the connection ended after 0 of 300,000 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_the_published_file_is_not_kept(server: Server, tmp_path: Path, case: str) -> None:
    server.content, message = WRONG[case]
    with pytest.raises(InputError, match=message) as caught:
        published_file(there(server), cache=tmp_path)
    assert "\n" not in str(caught.value) and server.url in str(caught.value)
    assert there(server).file not in files(tmp_path)
    assert all(path.stat().st_size <= 300_000 for path in tmp_path.iterdir())


def test_without_a_connection_one_line_says_which_file_to_put_where(tmp_path: Path, server: Server) -> None:
    model = replace(there(server), url="http://127.0.0.1:9/weights.h5")  # nobody answers on the discard port
    with pytest.raises(InputError, match=r"no connection to the server; fetch that file .* put it at") as caught:
        published_file(model, cache=tmp_path)
    assert model.url in str(caught.value) and str(tmp_path / model.file) in str(caught.value)
    assert files(tmp_path) == []
    (tmp_path / model.file).write_bytes(b"wrong by hand")
    with pytest.raises(InputError, match="no connection"):
        published_file(model, cache=tmp_path)
    assert (tmp_path / model.file).read_bytes() == b"wrong by hand"  # not ours to throw away


def test_a_file_that_is_gone_is_named(tmp_path: Path, server: Server) -> None:
    with pytest.raises(InputError, match="the server answers 404"):
        published_file(replace(there(server), url=server.url + "x"), cache=tmp_path)


def test_a_cache_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written"):
        published_file(there(server), cache=tmp_path / "file")


@pytest.mark.parametrize("name", published_models())
def test_the_shelf_holds_what_it_says(
    data: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Size, checksum, network and bands are those of the real file, and its card tells what a user must know."""
    entry = published_models()[name]
    server.content = (data / "so2sat/weights" / entry.file).read_bytes()
    assert len(server.content) == entry.size
    monkeypatch.setattr(shelf, "published_models", lambda: {name: replace(entry, url=server.url)})
    model = find_model(name, cache=tmp_path, threads=1)
    card = model.card
    assert recognise(tmp_path / entry.file) == replace(entry, url=server.url)
    assert (card.features, card.units, card.licence, card.legend) == (entry.features, entry.units, "MIT", LCZ)
    assert card.preparation["window"] == 32 and card.preparation["level"] == card.origin["level"] == entry.level
    assert card.origin["not_for"] == entry.not_for and card.origin["sha256"] == entry.sha256
    assert card.present == tuple(range(17))
    model.save(tmp_path / "model")
    again = find_model(tmp_path / "model")
    assert json.loads(again.card.to_json())["origin"] == json.loads(card.to_json())["origin"]


def test_published_scores_are_those_of_the_published_confusion_matrix() -> None:
    entry = published_models()["sen2lcz-mf"]
    assert sum(entry.counts) == 352_366 and len(entry.counts) == len(LCZ)
    assert entry.scores["overall_accuracy"] == 0.6937 and entry.level == "top-of-atmosphere"


def test_a_folder_comes_before_a_name_and_neither_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        find_model(tmp_path)
    with pytest.raises(InputError, match="model 'resnet'; wanted: a model's folder, or one of sen2lcz-mf"):
        find_model("resnet")
    assert recognise(tmp_path) is None and recognise(tmp_path / "none") is None
    (tmp_path / "other.h5").write_bytes(b"other")
    assert recognise(tmp_path / "other.h5") is None
