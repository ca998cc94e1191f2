"""Connections that cannot outlast the deadline of a fetch, whatever the other side sends or does not send."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from mlstrat.errors import MissingExtraError
from mlstrat.sentiment.sources.pace import Clock

_PACKAGES = {"hishel.httpx2": "hishel", "httpcore2": "httpx2"}
# Sockets take 0 for "do not wait at all" and None for "for ever".
_SHORTEST = 1e-3
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def library(name: str) -> Any:
    """Import a library of the extra `sentiment`.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError("sentiment", _PACKAGES.get(name, name), "Fetching news and posts") from error


class Deadline:
    """When the fetch that uses a connection ends.

    Parameters
    ----------
    clock : Clock
        The time. `ends_at` is a time of `clock.now`; `asked` whether anything was sent since it was reset.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ends_at, self.asked = clock.now(), False

    def left(self) -> float:
        """Return the seconds until then; 0 or less = it is over."""
        return self.ends_at - self._clock.now()

    def within(self, timeout: float | None) -> float:
        """Return the shorter of a timeout and what is left."""
        left = max(self.left(), _SHORTEST)
        return left if timeout is None else min(timeout, left)


class _Stream:
    """A network stream of httpcore2, each of whose waits ends with the fetch."""

    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return bytes(self._stream.read(max_bytes, self._deadline.within(timeout)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> Any:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.within(timeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend:
    """A network backend of httpcore2 that makes such streams."""

    def __init__(self, backend: Any, deadline: Deadline) -> None:
        self._backend, self._deadline = backend, deadline

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        stream = self._backend.connect_tcp(host, port, timeout=self._deadline.within(timeout), **options)
        return _Stream(stream, self._deadline)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(self._deadline.within(seconds))


def pool(hosts: tuple[str, ...], deadline: Deadline) -> Any:
    """Return a pool of connections to hosts, through the proxy that the environment names, if any.

    A proxy for one of the hosts is used for all; this machine is asked without one.
    """
    core = library("httpcore2")
    backend = _Backend(core.SyncBackend(), deadline)
    options = {"ssl_context": _certificates(), "max_connections": 2, "network_backend": backend}
    proxy = next(filter(None, map(_proxy_of, hosts)), "")
    if not proxy:
        return core.ConnectionPool(**options)
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    port = f":{parts.port}" if parts.port else ""
    address = f"{parts.scheme}://{parts.hostname}{port}"
    return core.HTTPProxy(proxy_url=address, proxy_auth=auth, **options)


@functools.cache
def _certificates() -> Any:
    """Return what connections are checked against, read once."""
    return library("httpx2").create_ssl_context()


def _proxy_of(host: str) -> str:
    parts = urlsplit(host)
    if parts.hostname in LOOPBACK or proxy_bypass(parts.netloc):
        return ""
    return getproxies().get(parts.scheme, "")
