"""A secret goes where it is meant to go, while it holds, and is written nowhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from citygrain.errors import InputError
from citygrain.imagery.catalogues import Catalogue, Signing, catalogue_named
from citygrain.imagery.signing import HeaderSigner, Plain, SasSigner, signer_for, unsigned
from citygrain.imagery.transport import Transport

FILE = "https://account.blob.core.windows.net/box/a.tif"


class Office:
    """Gives tokens that hold so long."""

    def __init__(self, minutes: float = 60) -> None:
        self.asked, self.minutes = 0, minutes

    def get_json(self, _: str) -> dict[str, Any]:
        self.asked += 1
        end = datetime.now(UTC) + timedelta(minutes=self.minutes)
        return {"token": f"sv=1&sig=secret{self.asked}", "msft:expiry": end.strftime("%Y-%m-%dT%H:%M:%SZ")}


def sas(office: Office) -> SasSigner:
    return SasSigner("https://example.org/token/x", (".blob.core.windows.net",), office)  # type: ignore[arg-type]


def test_a_token_is_asked_for_once_while_it_holds() -> None:
    office = Office()
    signer = sas(office)
    assert signer.sign(FILE) == signer.sign(FILE) == f"{FILE}?sv=1&sig=secret1"
    assert signer.sign(f"{FILE}?part=2") == f"{FILE}?part=2&sv=1&sig=secret1"
    assert office.asked == 1
    signer.renew()
    assert signer.sign(FILE).endswith("secret2")


def test_a_token_is_renewed_before_it_ends() -> None:
    office = Office(minutes=4)
    signer = sas(office)
    assert [signer.sign(FILE)[-1] for _ in range(3)] == ["1", "2", "3"]


def test_others_get_no_token() -> None:
    office = Office()
    for href in ("https://example.org/a.tif", "https://blob.core.windows.net.example.org/a.tif"):
        assert sas(office).sign(href) == href
    assert office.asked == 0
    signer = HeaderSigner("Authorization", "Bearer x", ("a.org",))
    assert signer.headers("https://b.org/a.tif") == {} != signer.headers("https://a.org/a.tif")


def test_an_office_that_gives_nothing_is_refused() -> None:
    office = Office()
    office.get_json = lambda _: {"detail": "no"}  # type: ignore[method-assign]
    with pytest.raises(InputError, match="answered no token"):
        sas(office).sign(FILE)


def test_each_catalogue_gets_its_signer() -> None:
    transport = Transport()
    assert isinstance(signer_for(catalogue_named("earth-search"), "s2", transport), Plain)
    assert isinstance(signer_for(catalogue_named("planetary-computer"), "s2", transport), SasSigner)
    with pytest.raises(InputError, match="wanted: the environment variable CDSE_TOKEN"):
        signer_for(catalogue_named("cdse"), "s2", transport)
    with pytest.raises(InputError, match="plain letters") as error:
        signer_for(catalogue_named("cdse"), "s2", transport, {"CDSE_TOKEN": "abc\r\nX: y"})
    assert "abc" not in str(error.value)


def test_addresses_are_kept_without_secrets() -> None:
    office = Office()
    assert unsigned(sas(office).sign(FILE)) == FILE
    assert unsigned(f"{FILE}?X-Amz-Signature=a&X-Amz-Date=b&part=2") == f"{FILE}?part=2"
    assert unsigned("a/b.tif") == "a/b.tif"


def test_tokens_of_the_server_open_its_files(served):
    from helpers import faults

    world, site = served("plain")
    site.faults(faults.expired(uses=2))
    transport = Transport(retries=0)
    address = f"{site.url}/static/{next(world.folder.glob('*/*/*.tif')).relative_to(world.folder).as_posix()}"
    with pytest.raises(InputError, match=r"answered 403 .*; the catalogue wants a token"):
        transport.head(address)
    how = Signing("sas", f"{site.tokens}/token", ("127.0.0.1",))
    signer = signer_for(replace(Catalogue("w", "w", site.api), signing=how), "x", transport)
    assert int(transport.head(signer.sign(address))["Content-Length"]) > 100
    transport.head(signer.sign(address))
    with pytest.raises(InputError, match="403") as error:
        transport.head(signer.sign(address))
    assert "sig=" not in str(error.value)
    signer.renew()
    transport.head(signer.sign(address))
