"""The guide's `SentimentAnalysis`: fetch, remember, score, combine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from mlstrat.config_sentiment import SentimentConfig
from mlstrat.errors import ConfigError, DataError
from mlstrat.sentiment.analysis.combined import CombinedSentiment, combined, recommended, word_of
from mlstrat.sentiment.analysis.feeds import Feeds
from mlstrat.sentiment.analysis.moods import Scored, by_age, together
from mlstrat.sentiment.analysis.topics import key_topics
from mlstrat.sentiment.analysis.trend import TREND_HOURS
from mlstrat.sentiment.choice import ScorerChoice
from mlstrat.sentiment.choice import scorer as made
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.items import Source
from mlstrat.sentiment.sources.pace import utc_now

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mlstrat.sentiment.store import SentimentStore

# The Fear & Greed index is in neither: half of it is made of prices, and of bitcoin's whatever the symbol is.
NEWS = ("newsapi", "cryptopanic", "rss", "file")
X, REDDIT = ("x",), ("reddit",)
_ASKED = ("newsapi", "cryptopanic", "rss", *X, *REDDIT)
# How far back a first fetch reaches, and with what topics are compared.
BACKGROUND = timedelta(days=30)


class SentimentAnalysis:
    """The mood of news and posts about a symbol.

    Parameters
    ----------
    store : SentimentStore, str or Path, optional
        Where texts are kept, or the path or address of such a store. Default: a temporary one that goes with
        this object.
    scorer : str or ScorerChoice
        Who reads the texts: vader, learned or finbert, or a choice with a model or of several.
    clock : callable
        The present, with a time zone.
    settings : SentimentConfig, optional
        How texts age and what they weigh: `half_life_hours`, `window_hours`, `source_weights`, `reach`,
        `novelty`; its other keys do not count. Default: those of a run.
    sources : sequence of Source, optional
        Asked instead of NewsAPI, CryptoPanic, RSS feeds, X and Reddit. A source counts as news or as posts
        by its name: newsapi, cryptopanic, rss and file, or x and reddit; others are kept and do not count.

    Raises
    ------
    ConfigError, DataError, MissingExtraError
        There is no such scorer, an argument is of another type, the store cannot be used, or a package is
        missing.
    """

    def __init__(
        self,
        store: SentimentStore | str | Path | None = None,
        scorer: str | ScorerChoice = "learned",
        clock: Callable[[], datetime] = utc_now,
        *,
        settings: SentimentConfig | None = None,
        sources: Sequence[Source] | None = None,
    ) -> None:
        from mlstrat.sentiment.store import SentimentStore

        _check("store", store, (SentimentStore, str, Path, type(None)), "an SQLite file, or a SentimentStore")
        _check("scorer", scorer, (str, ScorerChoice), "vader, learned or finbert, or a ScorerChoice")
        _check("settings", settings, (SentimentConfig, type(None)), "a SentimentConfig")
        _check("sources", sources, (Sequence, type(None)), "a list of sources")
        self._scorer, self._named = made(scorer), scorer
        self._clock, self._settings = clock, settings or SentimentConfig()
        self._feeds = Feeds(_ASKED, clock, sources)
        self._folder, self._opened = None, not isinstance(store, SentimentStore)
        if store is None:
            self._folder = TemporaryDirectory(prefix="mlstrat-sentiment-", ignore_cleanup_errors=True)
            store = Path(self._folder.name) / "sentiment.db"
        self._store = SentimentStore(str(store)) if isinstance(store, str | Path) else store
        self._warnings: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store, and remove a temporary one; a store that was given open stays so."""
        if self._opened:
            self._store.close()
        if self._folder is not None:
            self._folder.cleanup()

    def __repr__(self) -> str:
        keys = ", ".join(self._feeds.configured) or "none"
        return f"SentimentAnalysis(store={str(self._store)!r}, scorer={self._named!r}, keys given: {keys})"

    def configure_apis(
        self,
        news_api_key: str | SecretStr | None = None,
        twitter_api_key: str | SecretStr | None = None,
        cryptopanic_key: str | SecretStr | None = None,
        reddit_client_id: str | SecretStr | None = None,
        reddit_client_secret: str | SecretStr | None = None,
        reddit_user_agent: str | None = None,
    ) -> None:
        """Set keys of sources; None leaves one as it was, at first as the environment or the key file has it.

        Parameters
        ----------
        news_api_key, cryptopanic_key : str or SecretStr, optional
            Of newsapi.org and of cryptopanic.com.
        twitter_api_key : str or SecretStr, optional
            The bearer token of an app on X.
        reddit_client_id, reddit_client_secret : str or SecretStr, optional
            Of a script app on Reddit.
        reddit_user_agent : str, optional
            How Reddit is to call this program.

        Raises
        ------
        ConfigError
            A key cannot be one, or one of Reddit's two is missing; the message does not repeat it.
        """
        self._feeds.configure(
            {
                "news_api_key": news_api_key,
                "twitter_api_key": twitter_api_key,
                "cryptopanic_key": cryptopanic_key,
                "reddit_client_id": reddit_client_id,
                "reddit_client_secret": reddit_client_secret,
                "reddit_user_agent": reddit_user_agent,
            }
        )

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for each source that the last answer had to do without."""
        return self._warnings

    def get_combined_sentiment(
        self, symbol: str, as_of: datetime | np.datetime64 | None = None
    ) -> CombinedSentiment:
        """Return the mood about a symbol, of the news and of posts, and what it speaks for.

        Each mood is the mean of the scores of its texts by age, confidence and weight, as
        `mlstrat.sentiment.align.to_bars` defines it for a bar that closes at the moment asked about, without
        latency. How the two become one, and what it weighs, is told by `combined` and `weight_of`.

        Parameters
        ----------
        symbol : str
            Such as BTCUSDT, BTC or bitcoin.
        as_of : datetime or datetime64, optional
            A moment that is not after now: only what the store had seen by then counts, in the words seen by
            then, and nothing is fetched. Default: now, after fetching what is new. A source that fails is
            left out and told by `warnings`.

        Returns
        -------
        dict
            combined_sentiment : float
                In [-1, 1]; 0 where nothing is known.
            sentiment_classification : {"positive", "neutral", "negative"}
                Positive from 0.05, negative to -0.05; neutral where nothing is known.
            confidence : float
                In [0, 1]; 0 where nothing is known.
            news_component : dict
                overall_sentiment, sentiment_score (the word for it), news_count and key_topics (at most five,
                see `mlstrat.sentiment.analysis.topics.key_topics`).
            social_component : dict
                twitter_sentiment, reddit_sentiment, overall_social_sentiment, mention_count (posts of the
                window) and sentiment_trend (improving, stable or declining over 72 h, see
                `mlstrat.sentiment.analysis.trend.trend`).
            recommendation : dict
                action (positive_bias, neutral or negative_bias), reason, and weight in [0, 0.5]. A mood of
                which nothing is known has weight 0.

        Raises
        ------
        DataError
            A moment without a time zone or in the future, or the store refuses.
        ConfigError, MissingExtraError
            The symbol is no text, a key or a file of keys cannot be used, or a package of a source is
            missing.
        """
        _check("symbol", symbol, (str,), "a text such as BTCUSDT")
        past = None if as_of is None else self._past(as_of)
        self._warnings = () if past is not None else self._fetch(symbol)
        moment = _moment(self._clock()) if past is None else past
        news, x, reddit = (self._scored(symbol, moment, names) for names in (NEWS, X, REDDIT))
        posts = together(x, reddit)
        about, social, heading = news.voice(moment), posts.voice(moment), posts.trend(moment)
        both = combined(about, social)
        return {
            "combined_sentiment": both.score,
            "sentiment_classification": word_of(both),
            "confidence": both.confidence,
            "news_component": {
                "overall_sentiment": about.score,
                "sentiment_score": word_of(about),
                "news_count": about.count,
                "key_topics": self._topics(symbol, moment),
            },
            "social_component": {
                "twitter_sentiment": x.voice(moment).score,
                "reddit_sentiment": reddit.voice(moment).score,
                "overall_social_sentiment": social.score,
                "mention_count": social.count,
                "sentiment_trend": heading,
            },
            "recommendation": recommended(symbol, about, social, heading),
        }

    def _past(self, as_of: datetime | np.datetime64) -> np.datetime64:
        """Return a moment whose answer stays as it is."""
        _check("as_of", as_of, (datetime, np.datetime64), "a datetime with a time zone")
        moment = _moment(as_of)
        if moment > _moment(self._clock()):
            raise DataError(f"as_of is {as_of}, which is yet to come: give a moment that is not after now.")
        return moment

    def _fetch(self, symbol: str) -> tuple[str, ...]:
        return self._feeds.fetch(self._store, symbol, self._clock() - BACKGROUND)

    def _scored(self, symbol: str, moment: np.datetime64, sources: Sequence[str]) -> Scored:
        """Score what can count, and what is needed to tell whether that is new."""
        window = self._settings.window_hours
        # A text of which only the day is known counts up to a day after its stamp.
        hours = max(window, TREND_HOURS) + window + 24
        headlines = self._headlines(symbol, moment, timedelta(hours=hours), sources)
        return Scored(headlines, *self._scorer.score(headlines.texts), self._settings)

    def _topics(self, symbol: str, moment: np.datetime64) -> list[str]:
        headlines = self._headlines(symbol, moment, BACKGROUND, NEWS)
        recent, earlier = by_age(headlines, moment, self._settings.window_hours)
        return key_topics(recent, earlier, symbol)

    def _headlines(
        self, symbol: str, moment: np.datetime64, back: timedelta, sources: Sequence[str]
    ) -> Headlines:
        since = moment - np.timedelta64(back)
        return self._store.headlines(symbol, since=since, as_of=moment, sources=sources)


def _check(name: str, value: object, kinds: tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kinds):
        raise ConfigError(f"{name} is a {type(value).__name__}: give {wanted}.")


def _moment(when: datetime | np.datetime64) -> np.datetime64:
    from mlstrat.sentiment.store.moments import nanoseconds

    return np.datetime64(nanoseconds(when), "ns")
