"""What lies between the cache and the socket: limits, tries, and the only place where keys are put in."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from mlstrat.data.remote.patience import Hiccup
from mlstrat.sentiment.items import SourceError
from mlstrat.sentiment.sources.pace import Breaker, Clock, Limits, TokenBucket
from mlstrat.sentiment.sources.reading import parsed
from mlstrat.sentiment.sources.redaction import Redactor
from mlstrat.sentiment.sources.socketry import Deadline, library, pool

# The headers of an answer that something above needs; none sets cookies or names an encoding.
_KEPT_HEADERS = (
    *(b"age", b"cache-control", b"content-type", b"date", b"etag", b"expires", b"last-modified"),
    *(b"location", b"vary"),
)
_SHOWN = 160
_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 65_536


@dataclass(frozen=True)
class Auth:
    """How a source wants its key.

    Parameters
    ----------
    key : SecretStr, optional
        The key; None = the source wants none.
    header, prefix : str
        The header that carries it, and what stands before it there.
    query : str
        The parameter that carries it, where a source takes no header.
    """

    key: SecretStr | None = None
    header: str = ""
    prefix: str = ""
    query: str = ""


class Wire:
    """A transport of httpx2 for one source. Its rate limit and breaker outlive it.

    Parameters
    ----------
    name : str
        The source, for sentences.
    hosts : tuple of str
        Scheme and host of the addresses that may be asked.
    auth : Auth
        The key.
    bucket : TokenBucket
        Its rate limit.
    breaker : Breaker
        Whether it is asked at all.
    clock : Clock
        The time.
    limits : Limits
        What a fetch may cost.
    redactor : Redactor
        Takes keys out of answers and sentences.
    """

    def __init__(
        self,
        name: str,
        hosts: tuple[str, ...],
        auth: Auth,
        bucket: TokenBucket,
        breaker: Breaker,
        clock: Clock,
        limits: Limits,
        redactor: Redactor,
    ) -> None:
        self._name, self._hosts, self._auth = name, hosts, auth
        self._bucket, self._breaker, self._clock = bucket, breaker, clock
        self._limits, self._redactor = limits, redactor
        self._deadline = Deadline(clock)
        self._pool = pool(hosts, self._deadline)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exit_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def handle_request(self, request: Any) -> Any:
        """Return the answer, whole, unpacked and without keys.

        Raises
        ------
        SourceError
            The source is left alone, goes on failing, or answers what cannot be read.
        """
        if not str(request.url).startswith(tuple(f"{host}/" for host in self._hosts)):
            raise SourceError(f"{self._name} leads to another host: nothing is sent there.")
        rest = self._breaker.rest()
        if rest:
            raise SourceError(
                f"{self._name} failed {self._breaker.failed_in_a_row} times in a row and is left alone for "
                f"{rest:.0f} s more: ask again then."
            )
        self._deadline.ends_at = request.extensions["ends_at"]
        answer: Any = None
        try:
            answer = self._patiently(request)
        finally:
            if answer is not None or self._deadline.asked:
                self._breaker.record(answer is not None and answer.status_code < 400)
        return answer

    def _patiently(self, request: Any) -> Any:
        stamina = library("stamina")
        pause, self._deadline.asked = 0.0, False

        def passes(error: Exception) -> float | bool:
            nonlocal pause
            if not isinstance(error, Hiccup):
                return False
            self._bucket.hold(error.wait)
            pause = max(min(pause * 2 or self._limits.first_wait, self._limits.longest_wait), error.wait)
            # The wait itself is made on the clock that was given, in `_admitted`.
            return 0.0 if pause < self._deadline.left() else False

        try:
            for attempt in stamina.retry_context(on=passes, attempts=self._limits.attempts, timeout=None):
                with attempt:
                    self._admitted(pause)
                    return self._once(request)
        except Hiccup as hiccup:
            reason = f"{hiccup.reason}; it asks to wait {hiccup.wait:g} s" if hiccup.wait else hiccup.reason
            answered = hiccup.answered
        what = "goes on failing" if answered else "cannot be reached"
        raise SourceError(
            f"{self._name} {what} ({self._redactor.text(reason)}): ask again later, or check the network."
        )

    def _admitted(self, pause: float) -> None:
        """Wait until a request is allowed."""
        wait = max(pause, self._bucket.wait())
        if wait and wait >= self._deadline.left():
            raise SourceError(
                f"{self._name} may not be asked for {wait:.0f} s, by its rate limit, which is longer than "
                "this fetch may go on: fetch a shorter span, or again later."
            )
        while wait:
            self._clock.sleep(wait)
            wait = self._bucket.wait()
        self._bucket.take()

    def _once(self, request: Any) -> Any:
        core = library("httpcore2")
        self._deadline.asked = True
        try:
            with self._pool.stream(
                request.method,
                self._address(request),
                headers=self._headers(request),
                content=request.read() or None,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write"), self._limits.silence)},
            ) as response:
                self._judge(response)
                headers = dict(self._kept(response.headers))
                body = self._redactor.data(self._body(response))
        except core.TimeoutException:
            raise Hiccup("no answer in time", answered=False) from None
        except core.ConnectError as error:
            raise Hiccup(f"no connection: {error}"[:_SHOWN], answered=False) from None
        except core.ProxyError as error:
            raise Hiccup(f"the proxy refuses: {error}"[:_SHOWN], answered=False) from None
        except (core.NetworkError, core.ProtocolError):
            raise Hiccup("the connection broke off") from None
        if request.extensions["wanted"] == "json":
            if response.status == 200:
                self._check_json(headers, body)
        elif b"no-store" not in headers.get(b"cache-control", b""):
            # Kept whether or not the server says for how long, and always asked about again.
            headers[b"cache-control"] = b"private, no-cache"
        return library("httpx2").Response(response.status, headers=list(headers.items()), content=body)

    def _address(self, request: Any) -> Any:
        target = request.url.raw_path
        if self._auth.query and self._auth.key:
            pair = urlencode({self._auth.query: self._auth.key.get_secret_value()}).encode()
            target += (b"&" if b"?" in target else b"?") + pair
        url = request.url
        return library("httpcore2").URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target
        )

    def _headers(self, request: Any) -> list[tuple[bytes, bytes]]:
        headers = list(request.headers.raw)
        if self._auth.header and self._auth.key:
            value = self._auth.prefix + self._auth.key.get_secret_value()
            headers.append((self._auth.header.encode(), value.encode()))
        return headers

    def _judge(self, response: Any) -> None:
        """Refuse failures that may pass, before their body is read."""
        if response.status in (408, 429) or response.status >= 500:
            headers = {name.lower(): value for name, value in response.headers}
            asked = headers.get(b"retry-after", b"")
            raise Hiccup(f"HTTP {response.status}", self._asked_to_wait(asked.decode("ascii", "replace")))

    def _asked_to_wait(self, asked: str) -> float:
        """Return the seconds of a Retry-After header, which may hold a date."""
        if re.fullmatch(r"\s*\d{1,9}\s*", asked):
            return float(asked)
        try:
            moment = parsedate_to_datetime(asked)
            return max((moment - self._clock.utc()).total_seconds(), 0.0)
        except (TypeError, ValueError, OverflowError):
            return 0.0

    def _kept(self, headers: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for name, value in headers:
            if name.lower() in _KEPT_HEADERS:
                yield name.lower(), self._redactor.data(value)

    def _body(self, response: Any) -> bytes:
        """Return the body, unpacked; one that is too long is not read to its end."""
        coding = b"".join(value for name, value in response.headers if name.lower() == b"content-encoding")
        packed = coding.strip().lower() == b"gzip"
        if coding and not packed and coding.strip().lower() != b"identity":
            raise SourceError(f"{self._name} answers in an encoding that was not asked for: ask again later.")
        unpacker, body = (zlib.decompressobj(_GZIP) if packed else None), bytearray()
        try:
            for piece in response.iter_stream():
                for part in _unpacked(unpacker, piece):
                    body += part
                    self._check_length(body)
        except zlib.error:
            raise Hiccup("a gzip answer that is damaged") from None
        if unpacker is not None and not unpacker.eof:
            raise Hiccup("a gzip answer that breaks off")
        return bytes(body)

    def _check_length(self, body: bytearray) -> None:
        if len(body) > self._limits.body:
            raise SourceError(
                f"{self._name} answers with more than {self._limits.body:,} bytes, which was cut off: look "
                "at the address in a browser."
            )

    def _check_json(self, headers: dict[bytes, bytes], body: bytes) -> None:
        if b"html" in headers.get(b"content-type", b"").lower() or body.lstrip()[:1] == b"<":
            raise SourceError(
                f"{self._name} answers with a web page (HTML) where JSON is due: it may be down or want a "
                "browser; ask again later."
            )
        try:
            parsed(body)
        except ValueError:
            raise Hiccup("an answer that is not whole JSON") from None


def _unpacked(unpacker: Any, piece: bytes) -> Iterator[bytes]:
    """Yield a piece of an answer in small parts, so that little that is packed never becomes much at once."""
    if unpacker is None:
        yield piece
        return
    while piece and not unpacker.eof:
        yield unpacker.decompress(piece, _PIECE)
        piece = unpacker.unconsumed_tail
