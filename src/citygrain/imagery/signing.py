"""Secrets that some catalogues want before their files may be read.

A secret goes to the machines it is meant for and to no other, is renewed before it expires, and is never written: what
is kept or logged are addresses without it.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from citygrain.errors import InputError
from citygrain.imagery.catalogues import Catalogue
from citygrain.imagery.transport import Transport, refuse_address

__all__ = ["HeaderSigner", "Plain", "SasSigner", "Signer", "signer_for", "unsigned"]

_EARLY = timedelta(minutes=5)
"""A token that ends so soon is renewed before it is used."""
_SECRETS = {
    "sig", "se", "sp", "sv", "sr", "st", "ske", "skoid", "sks", "skt", "sktid", "skv", "spr", "sip", "signature",
    "token", "access_token", "expires", "expiry", "key", "apikey", "api_key", "awsaccesskeyid", "policy", "key-pair-id",
}  # fmt: skip


class Signer(Protocol):
    """Makes addresses that may be read."""

    def sign(self, href: str) -> str:
        """Return the address with what its machine wants."""
        ...

    def headers(self, href: str) -> Mapping[str, str]:
        """Return headers that its machine wants."""
        ...

    def renew(self) -> None:
        """Forget tokens: one was refused."""
        ...


class Plain:
    """Wants nothing.

    Examples
    --------
    >>> Plain().sign("https://example.org/a.tif")
    'https://example.org/a.tif'
    """

    def sign(self, href: str) -> str:
        """Return the address as it is."""
        return href

    def headers(self, href: str) -> Mapping[str, str]:
        """Return none."""
        return {}

    def renew(self) -> None:
        """Nothing is kept."""


class SasSigner:
    """Asks for tokens of the Planetary Computer: one for all files of a collection.

    Parameters
    ----------
    tokens : str
        Where it is asked for: ``.../token/COLLECTION`` answers ``token`` and ``msft:expiry``.
    hosts : tuple of str
        Machines whose files are signed.
    transport : Transport
        Asks.
    """

    def __init__(self, tokens: str, hosts: tuple[str, ...], transport: Transport) -> None:
        refuse_address(tokens)
        self._tokens, self._hosts, self._transport = tokens, hosts, transport
        self._lock = threading.Lock()
        self._token, self._end = "", datetime.min.replace(tzinfo=UTC)

    def sign(self, href: str) -> str:
        """Return the address with a token that has still some minutes to go.

        Raises
        ------
        InputError
            If no token is given.
        """
        parts = urlsplit(href)
        if not _is_of(parts.hostname, self._hosts):
            return href
        query = "&".join(part for part in (parts.query, self._current()) if part)
        return urlunsplit(parts._replace(query=query))

    def headers(self, href: str) -> Mapping[str, str]:
        """Return none: the token stands in the address."""
        return {}

    def renew(self) -> None:
        """Ask for new tokens from now on."""
        with self._lock:
            self._token, self._end = "", datetime.min.replace(tzinfo=UTC)

    def _current(self) -> str:
        with self._lock:  # one request, however many threads want the token
            if not self._token or datetime.now(UTC) + _EARLY >= self._end:
                answer = self._transport.get_json(self._tokens)
                try:
                    token, end = str(answer["token"]), datetime.fromisoformat(str(answer["msft:expiry"]))
                except (KeyError, ValueError):
                    raise InputError(f"{self._tokens} answered no token", wanted="token and msft:expiry") from None
                self._token, self._end = token, end if end.tzinfo else end.replace(tzinfo=UTC)
            return self._token


class HeaderSigner:
    """Sends a secret of the user in a header, to the machines it is meant for.

    Parameters
    ----------
    header, value : str
        ``"Authorization"``, ``"Bearer ..."``.
    hosts : tuple of str
        Machines that get it.

    Examples
    --------
    >>> signer = HeaderSigner("Authorization", "Bearer abc", ("files.example.org",))
    >>> signer.headers("https://files.example.org/a.tif"), signer.headers("https://elsewhere.org/a.tif")
    ({'Authorization': 'Bearer abc'}, {})
    """

    def __init__(self, header: str, value: str, hosts: tuple[str, ...]) -> None:
        if any(ord(letter) < 32 or ord(letter) > 126 for letter in header + value):
            raise InputError(
                f"secret for the header {header} holds other than plain letters", wanted="one line of ASCII"
            )
        self._header, self._value, self._hosts = header, value, hosts

    def sign(self, href: str) -> str:
        """Return the address as it is."""
        return href

    def headers(self, href: str) -> Mapping[str, str]:
        """Return the header, if the address is on a machine that it is meant for."""
        return {self._header: self._value} if _is_of(urlsplit(href).hostname, self._hosts) else {}

    def renew(self) -> None:
        """Nothing can be renewed: the secret is the user's."""


def signer_for(
    catalogue: Catalogue, collection: str, transport: Transport, secrets: Mapping[str, str] | None = None
) -> Signer:
    """Return what signs the addresses of a collection.

    Parameters
    ----------
    catalogue : Catalogue
        Says what it wants.
    collection : str
        Its collection.
    transport : Transport
        Asks for tokens.
    secrets : mapping of str to str, optional
        The user's secrets by the names of the environment variables that hold them.

    Raises
    ------
    InputError
        If the catalogue wants a secret that is not there.
    """
    how = catalogue.signing
    if how.kind == "sas":
        return SasSigner(f"{how.tokens.rstrip('/')}/{collection}", how.hosts, transport)
    if how.kind == "header":
        secret = (secrets or {}).get(how.variable, "")
        if not secret:
            raise InputError(
                f"{catalogue.name} wants a token", wanted=f"the environment variable {how.variable}", mend="set it"
            )
        return HeaderSigner(how.header, how.prefix + secret, how.hosts)
    return Plain()


def unsigned(href: str) -> str:
    """Return an address without what may be secret in it.

    Examples
    --------
    >>> unsigned("https://a.blob.core.windows.net/b/c.tif?sv=2021&sig=abc%3D&part=2")
    'https://a.blob.core.windows.net/b/c.tif?part=2'
    """
    parts = urlsplit(href)
    if not parts.scheme or not parts.query:
        return href
    kept = [
        (key, value)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if key.lower() not in _SECRETS and not key.lower().startswith("x-amz-")
    ]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _is_of(host: str | None, hosts: tuple[str, ...]) -> bool:
    """Tell whether a machine is one of those named."""
    return any(host == name or (name.startswith(".") and (host or "").endswith(name)) for name in hosts)
