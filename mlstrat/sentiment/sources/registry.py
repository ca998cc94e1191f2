"""The sources by name, and which of them the keys open."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlstrat.errors import ConfigError
from mlstrat.sentiment.items import Source
from mlstrat.sentiment.sources import cryptopanic, fear_greed, newsapi, reddit, rss, x
from mlstrat.sentiment.sources.files import FileSource
from mlstrat.sentiment.sources.gathering import Guarded
from mlstrat.sentiment.sources.keys import VARIABLES, Keys
from mlstrat.sentiment.sources.pace import Clock, Limits
from mlstrat.sentiment.sources.web import Access


@dataclass(frozen=True)
class Entry:
    """A source that can be asked for.

    Parameters
    ----------
    needs : tuple of str
        Names of the keys without which it cannot be asked.
    build : callable
        Makes it from keys, access, a base address ("" = its own) and the addresses of feeds.
    """

    needs: tuple[str, ...]
    build: Callable[[Keys, Access, str, Sequence[str]], Source]


def _newsapi(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    assert keys.newsapi_key
    return newsapi.NewsApi(keys.newsapi_key, access, url or newsapi.BASE_URL)


def _cryptopanic(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    assert keys.cryptopanic_key
    return cryptopanic.CryptoPanic(keys.cryptopanic_key, access, url or cryptopanic.BASE_URL)


def _rss(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    return rss.Rss(access, feeds)


def _x(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    assert keys.x_bearer
    return x.X(keys.x_bearer, access, url or x.BASE_URL)


def _reddit(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    assert keys.reddit_client_id
    assert keys.reddit_client_secret
    urls = (url or reddit.BASE_URL, url or reddit.OAUTH_URL)
    secrets = (keys.reddit_client_id, keys.reddit_client_secret)
    return reddit.Reddit(*secrets, keys.reddit_user_agent, access, *urls)


def _fear_greed(keys: Keys, access: Access, url: str, feeds: Sequence[str]) -> Source:
    return fear_greed.FearGreed(access, url or fear_greed.BASE_URL)


SOURCES: Mapping[str, Entry] = MappingProxyType(
    {
        "rss": Entry((), _rss),
        "fear_greed": Entry((), _fear_greed),
        "newsapi": Entry(("newsapi_key",), _newsapi),
        "cryptopanic": Entry(("cryptopanic_key",), _cryptopanic),
        "x": Entry(("x_bearer",), _x),
        "reddit": Entry(("reddit_client_id", "reddit_client_secret"), _reddit),
    }
)


def sources_from(
    keys: Keys,
    names: Iterable[str] | None = None,
    *,
    files: Iterable[str | Path] = (),
    feeds: Sequence[str] = rss.FEEDS,
    cache: Path | None = None,
    clock: Clock | None = None,
    limits: Limits | None = None,
    base_urls: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[Source], list[str]]:
    """Return the sources that can be asked.

    Parameters
    ----------
    keys : Keys
        The keys; see `load_keys`.
    names : iterable of str, optional
        Which; default: all of `SOURCES`.
    files : iterable of str or Path
        Files that are sources too, behind the others.
    feeds : sequence of str
        Addresses for rss.
    cache : Path, optional
        Folder for answers; None = none are kept.
    clock, limits
        Time, and what a fetch may cost.
    base_urls : mapping
        Other addresses by source, such as those of a server on this machine.

    Returns
    -------
    sources : list of Source
        In the order of `names`, else of `SOURCES`. Each raises nothing but subclasses of MlstratError.
    left_out : list of str
        A sentence for each source whose key is not set.

    Raises
    ------
    ConfigError
        There is no such source, or an address is not https.
    """
    access = Access(cache, clock or Clock(), limits or Limits())
    sources: list[Source] = []
    left_out = []
    for name in dict.fromkeys(SOURCES if names is None else names):
        entry = _entry(name)
        missing = [key for key in entry.needs if getattr(keys, key) is None]
        if missing:
            left_out.append(_no_key(name, missing))
        else:
            sources.append(Guarded(entry.build(keys, access, base_urls.get(name, ""), feeds)))
    return [*sources, *(Guarded(FileSource(path)) for path in files)], left_out


def _entry(name: str) -> Entry:
    if name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"use some of {', '.join(SOURCES)}."
        raise ConfigError(f"there is no source {name!r}: {hint}")
    return SOURCES[name]


def _no_key(name: str, missing: Sequence[str]) -> str:
    variables = " and ".join(VARIABLES[key] for key in missing)
    return (
        f"{name} is left out, because it has no key: set {variables}, or {' and '.join(missing)} in a file."
    )
