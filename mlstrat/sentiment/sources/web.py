"""Questions to one source over HTTP: cached, paced, tried again, cut off in time, and told in sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.files import make_folder
from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.pace import Breaker, Clock, Limits, TokenBucket
from mlstrat.sentiment.sources.reading import parsed, part, text
from mlstrat.sentiment.sources.redaction import Redactor
from mlstrat.sentiment.sources.socketry import LOOPBACK, library
from mlstrat.sentiment.sources.wire import Auth, Wire

CACHE_FILE = "web.db"
_CACHE_BYTES = 256 * 1024**2
_AGENT = "mlstrat"
_REDIRECTS = 3
_SHOWN = 200
_USUAL_PORTS = {"https": ":443", "http": ":80"}
# Where the APIs here put what went wrong.
_COMPLAINTS = ("message", "detail", "info", "error_description", "title", "error")


class Unfinished(SourceError):
    """A source that failed on the way.

    Parameters
    ----------
    message : str
        The sentence.
    items : tuple of Item
        What came before, oldest first; more may lie between.
    final : bool
        Whether asking again gives no more, because this is all that the source ever gives of the span.
    """

    def __init__(self, message: str, items: tuple[Item, ...] = (), final: bool = False) -> None:
        self.items, self.final = items, final
        super().__init__(message)


class Limited(SourceError):
    """A source that gives no more of a span, however often it is asked."""


class Refusal(SourceError):
    """A source that answers, and says no.

    Parameters
    ----------
    message : str
        The sentence.
    status : int
        Of HTTP.
    code : str
        The source's own name for what is wrong; "" where it gives none.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)


@dataclass(frozen=True)
class Access:
    """How all sources reach the world.

    Parameters
    ----------
    cache : Path, optional
        Folder in which answers are kept, never with a key; None, or one that cannot be written = nowhere.
    clock : Clock
        The time.
    limits : Limits
        What one fetch may cost.
    """

    cache: Path | None = None
    clock: Clock = field(default_factory=Clock)
    limits: Limits = field(default_factory=Limits)


class Web:
    """What is known about one source while the program runs; see `visit`.

    Parameters
    ----------
    name : str
        The source, for sentences.
    hosts : tuple of str
        Addresses whose schemes and hosts may be asked.
    access : Access
        Cache, clock and limits.
    per_second : float
        Requests a second.
    auth : Auth
        The key.
    secrets : tuple of str
        Further keys, which requests carry themselves.
    conditional : bool
        Whether an answer that is kept is asked about again (ETag, Last-Modified), rather than used as it is
        for `Limits.kept` seconds.

    burst : int
        Requests that may follow each other at once.

    Raises
    ------
    ConfigError
        An address is neither https nor on this machine.
    """

    def __init__(
        self,
        name: str,
        hosts: tuple[str, ...],
        access: Access,
        per_second: float,
        auth: Auth | None = None,
        secrets: tuple[str, ...] = (),
        conditional: bool = False,
        burst: int = 1,
    ) -> None:
        self.name, self.access = name, access
        self._auth, self._conditional = auth or Auth(), conditional
        self._hosts = tuple(_host(address) for address in hosts)
        key = self._auth.key.get_secret_value() if self._auth.key else ""
        self.redactor = Redactor((key, *secrets))
        limits, clock = access.limits, access.clock
        self._bucket = TokenBucket(per_second, clock, burst)
        self._breaker = Breaker(limits.failures, limits.pause, clock)

    @contextlib.contextmanager
    def visit(self) -> Iterator[Visit]:
        """Open connections for one fetch, whose deadline runs from here."""
        limits, clock = self.access.limits, self.access.clock
        ends_at = clock.now() + limits.deadline
        wire = Wire(
            self.name,
            self._hosts,
            self._auth,
            self._bucket,
            self._breaker,
            clock,
            limits,
            self.redactor,
        )
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "gzip"}
        with self.redactor.logs():
            client = library("httpx2").Client(transport=self._cached(wire), headers=headers, trust_env=False)
            with client:
                yield Visit(self.name, client, ends_at, self.redactor)

    def _cached(self, wire: Wire) -> Any:
        """Put the cache above the wire, so that it never sees a key."""
        folder = self.access.cache
        if folder is None or not _usable(folder):
            return wire
        hishel = library("hishel")
        storage = hishel.SqliteStorage(
            database_path=folder / CACHE_FILE,
            default_ttl=None if self._conditional else self.access.limits.kept,
            max_size=_CACHE_BYTES,
        )
        rules = hishel.CacheOptions(shared=False) if self._conditional else False
        return library("hishel.httpx2").CacheTransport(wire, storage=storage, rfc=rules)


class Visit:
    """Questions within one fetch; made by `Web.visit`."""

    def __init__(self, name: str, client: Any, ends_at: float, redactor: Redactor) -> None:
        self._name, self._client = name, client
        self._ends_at, self._redactor = ends_at, redactor

    def json(self, url: str, params: Mapping[str, str]) -> Any:
        """Return the content of a JSON answer.

        Raises
        ------
        SourceError
            None can be had.
        """
        return parsed(self._get(url, params, "json"))

    def feed(self, url: str) -> bytes:
        """Return the bytes of an answer of any type.

        Raises
        ------
        SourceError
            None can be had.
        """
        return self._get(url, {}, "bytes")

    def send(
        self, method: str, url: str, headers: Mapping[str, str], auth: tuple[str, str] | None, **options: Any
    ) -> Any:
        """Return an answer of httpx2 to a request that carries its own key, whatever its status says.

        Raises
        ------
        SourceError
            None can be had.
        """
        request = self._client.build_request(
            method, url, headers=dict(headers), extensions=self._extensions("json"), **options
        )
        return self._client.send(request, auth=auth)

    def _extensions(self, wanted: str) -> dict[str, Any]:
        return {"ends_at": self._ends_at, "wanted": wanted}

    def _get(self, url: str, params: Mapping[str, str], wanted: str) -> bytes:
        answer = self._ask(url, params or None, wanted)
        for _ in range(_REDIRECTS):
            if not answer.has_redirect_location:
                break
            answer = self._ask(self._elsewhere(answer), None, wanted)
        if answer.status_code != 200:
            raise self._refusal(answer)
        return bytes(answer.content)

    def _ask(self, url: str, params: Mapping[str, str] | None, wanted: str) -> Any:
        request = self._client.build_request("GET", url, params=params, extensions=self._extensions(wanted))
        return self._client.send(request)

    def _elsewhere(self, answer: Any) -> str:
        """Return where a source sends to."""
        try:
            url = str(urljoin(str(answer.url), answer.headers["location"]))
            library("httpx2").URL(url)
        except (ValueError, library("httpx2").InvalidURL):
            url = ""
        if not url:
            raise SourceError(f"{self._name} sends to an address that is none: ask again later.")
        return url

    def _refusal(self, answer: Any) -> Refusal:
        status = answer.status_code
        told = self._redactor.text(complaint(answer.content)).rstrip(".")
        said = f"HTTP {status}: {told}" if told else f"HTTP {status}"
        remedy = {
            401: "check its key",
            402: "look at what its plan includes",
            403: "check its key and what its plan includes",
            404: "check its address",
            426: "ask for later times, or look at what its plan includes",
        }.get(status, "check the symbol and the times")
        if 300 <= status < 400:
            remedy = "it sends elsewhere too often: check its address"
        return Refusal(f"{self._name} refuses ({said}): {remedy}.", status, _code(answer.content))


def complaint(body: bytes) -> str:
    """Return what a source says went wrong, on one line; "" where it says nothing that can be read."""
    try:
        content = parsed(body)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    errors = content.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    for place in (first, content, part(content, "error")):
        for name in _COMPLAINTS:
            told = text(place.get(name), _SHOWN)
            if told:
                return told
    return ""


def _code(body: bytes) -> str:
    try:
        content = parsed(body)
    except ValueError:
        return ""
    return text(content.get("code"), _SHOWN) if isinstance(content, dict) else ""


def _usable(folder: Path) -> bool:
    try:
        make_folder(folder)
    except RunFolderError:
        return False
    return True


def _host(address: str) -> str:
    parts = urlsplit(address)
    if not parts.hostname or (parts.scheme != "https" and not _on_this_machine(address)):
        raise ConfigError(f"the address {address} is not https: give one that begins with https://.")
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(_USUAL_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}"


def _on_this_machine(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname in LOOPBACK
