"""Where the texts of an analysis come from: sources that were given, or those that keys open."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from mlstrat.errors import ConfigError
from mlstrat.sentiment.items import Source

if TYPE_CHECKING:
    from mlstrat.sentiment.sources.keys import Keys
    from mlstrat.sentiment.store import SentimentStore

Clock = Callable[[], datetime]

# Arguments of `SentimentAnalysis.configure_apis` and what the sources call them.
_FIELDS = {
    "news_api_key": "newsapi_key",
    "twitter_api_key": "x_bearer",
    "cryptopanic_key": "cryptopanic_key",
    "reddit_client_id": "reddit_client_id",
    "reddit_client_secret": "reddit_client_secret",
    "reddit_user_agent": "reddit_user_agent",
}


class Feeds:
    """The sources of an analysis.

    Parameters
    ----------
    names : sequence of str
        Which sources of the registry may be asked.
    clock : callable
        Now, in UTC.
    given : sequence of Source, optional
        Asked instead of those of the registry, which then need no key.
    """

    def __init__(self, names: Sequence[str], clock: Clock, given: Sequence[Source] | None = None) -> None:
        self._names, self._clock, self._given = tuple(names), clock, given
        self._keys: dict[str, SecretStr] = {}
        self._made: tuple[Sequence[Source], Sequence[str]] | None = None

    @property
    def configured(self) -> tuple[str, ...]:
        """Names of the keys that were given, without their values."""
        return tuple(self._keys)

    def configure(self, keys: Mapping[str, str | SecretStr | None]) -> None:
        """Keep the keys that are given, by the names of `configure_apis`; None leaves one as it was.

        Raises
        ------
        ConfigError
            A key is no text or cannot be one, or one of Reddit's two is missing; the message does not repeat
            it.
        """
        given = {name: _secret(name, key) for name, key in keys.items() if key is not None}
        kept = {**self._keys, **given}
        if ("reddit_client_id" in kept) != ("reddit_client_secret" in kept):
            raise ConfigError("Reddit needs two keys: give reddit_client_id and reddit_client_secret.")
        _checked(kept, {})
        self._keys, self._made = kept, None

    def fetch(self, store: SentimentStore, symbol: str, since: datetime) -> tuple[str, ...]:
        """Bring into a store what is new about a symbol, and return a sentence for each source that failed
        or was left out.
        """
        from mlstrat.sentiment.fetching import fetch_into

        sources, left_out = self._sources()
        report = fetch_into(store, sources, symbol, since, self._clock)
        return (*left_out, *report.warnings)

    def _sources(self) -> tuple[Sequence[Source], Sequence[str]]:
        """Return the sources, always the same ones, since they keep count of what they may ask and when."""
        from mlstrat.sentiment.sources.gathering import Guarded

        if self._given is not None:
            return [Guarded(source) for source in self._given], ()
        if self._made is None:
            from mlstrat.sentiment.sources.keys import load_keys
            from mlstrat.sentiment.sources.registry import sources_from

            keys = _checked(self._keys, load_keys(os.environ).model_dump())
            self._made = sources_from(keys, self._names)
        return self._made


def _secret(name: str, key: str | SecretStr) -> SecretStr:
    if not isinstance(key, str | SecretStr):
        raise ConfigError(f"{name} is a {type(key).__name__}: give it as a text, in quotes.")
    return key if isinstance(key, SecretStr) else SecretStr(key)


def _checked(given: Mapping[str, SecretStr], beside: Mapping[str, Any]) -> Keys:
    """Return the keys given over those of the environment."""
    from mlstrat.sentiment.sources.keys import Keys

    values: dict[str, Any] = {_FIELDS[name]: key for name, key in given.items()}
    if "reddit_user_agent" in given:
        values["reddit_user_agent"] = given["reddit_user_agent"].get_secret_value()
    try:
        return Keys(**{**beside, **values})
    except ValidationError as error:
        field = str(error.errors(include_input=False, include_url=False)[0]["loc"][0])
    name = next(name for name, one in _FIELDS.items() if one == field)
    raise ConfigError(f"{name} is no key: copy it whole, without quotes and blanks.")
