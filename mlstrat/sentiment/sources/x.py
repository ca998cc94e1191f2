"""Posts from X, recent search v2, https://docs.x.com/x-api/posts/search/introduction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.pace import STEP, stepped
from mlstrat.sentiment.sources.paging import all_pages, only_newest
from mlstrat.sentiment.sources.queries import Subject, subject_of
from mlstrat.sentiment.sources.reading import Pile, count, moment, name, part, rows, text
from mlstrat.sentiment.sources.web import Access, Limited, Visit, Web
from mlstrat.sentiment.sources.wire import Auth

BASE_URL = "https://api.x.com"
_PAGE = 100
# Recent search refuses times further back, and ends less than ten seconds ago.
_MEMORY, _MARGIN = timedelta(days=7), STEP + timedelta(minutes=1)
_SETTLED = timedelta(seconds=15)
# Self-serve plans allow 60 questions in 15 minutes: ten at once and 50 spread over the rest.
_BURST, _PER_SECOND = 10, 50 / 900
# X charges for each post.
_MOST_PAGES = 10
_METRICS = ("retweet_count", "reply_count", "like_count", "quote_count")


class X:
    """English posts of the last seven days that name a symbol, without reposts.

    One fetch gives the newest 1,000 posts of its span at most, and then tells that it is `Unfinished`: a
    sample, where a coin is much talked of. Reach is the number of reposts, replies, likes and quotes at the
    moment of the fetch.

    Parameters
    ----------
    bearer : SecretStr
        The app's bearer token.
    access : Access
        Cache, clock and limits.
    base_url : str
        Scheme and host.
    """

    name = "x"

    def __init__(self, bearer: SecretStr, access: Access, base_url: str = BASE_URL) -> None:
        self._url = f"{base_url.rstrip('/')}/2/tweets/search/recent"
        auth = Auth(bearer, header="Authorization", prefix="Bearer ")
        self._web = Web(self.name, (base_url,), access, _PER_SECOND, auth, burst=_BURST)

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return posts, oldest first; see `Source.fetch`.

        A longer span is cut to the last seven days, and what was posted in the last minutes is left to the
        next fetch.
        """
        subject, now = subject_of(symbol, self.name), self._web.access.clock.utc()
        first, last = max(since, now - _MEMORY + _MARGIN), min(until, stepped(now - _SETTLED))
        if until <= first:
            raise SourceError(
                f"{self.name} finds posts of the last seven days only: ask for later times, and fetch at "
                "least once a week."
            )
        pile = Pile(self.name, first, until)
        if last <= first:
            return ()
        with self._web.visit() as visit:
            pages = self._pages(visit, subject, pile, last)
            return all_pages(pile, pages, self._web.access.limits.pages)

    def _pages(self, visit: Visit, subject: Subject, pile: Pile, last: datetime) -> Iterator[None]:
        params = {
            "query": _query(subject),
            "start_time": _stamp(stepped(pile.since)),
            "end_time": _stamp(last),
            "max_results": str(_PAGE),
            "tweet.fields": "created_at,lang,public_metrics,author_id",
            "expansions": "author_id",
            "user.fields": "username",
        }
        tokens = {""}
        for asked in range(1, _MOST_PAGES + 1):
            page = visit.json(self._url, params)
            found = part(page, "meta").get("result_count") if isinstance(page, dict) else None
            # A page without posts has no list of them.
            posts = [] if found == 0 else rows(page, "data", self.name)
            authors = _authors(page)
            for post in posts:
                _add(pile, post, authors)
            token = name(part(page, "meta").get("next_token"))
            if not token:
                return
            if asked == _MOST_PAGES:
                raise Limited(only_newest(self.name, _MOST_PAGES * _PAGE))
            if token in tokens:
                raise SourceError(f"{self.name} leads from page to page in a circle: ask again later.")
            tokens.add(token)
            params = {**params, "next_token": token}
            yield


def _authors(page: Mapping[str, Any]) -> dict[str, str]:
    users = part(page, "includes").get("users")
    known = [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []
    return {name(user.get("id")): name(user.get("username")) for user in known}


def _add(pile: Pile, post: Mapping[str, Any], authors: Mapping[str, str]) -> None:
    metrics, key = part(post, "public_metrics"), name(post.get("id"))
    author = authors.get(name(post.get("author_id")), "")
    pile.add(
        key,
        text(post.get("text")),
        moment(post.get("created_at")),
        publisher=f"@{author}" if author else "",
        url=f"https://x.com/i/web/status/{key}",
        language=name(post.get("lang")),
        reach=sum(count(metrics.get(metric)) for metric in _METRICS),
    )


def _query(subject: Subject) -> str:
    names = [f'"{word}"' if " " in word else word for word in subject.names]
    either = " OR ".join([*names, f"${subject.ticker}", f"#{subject.ticker}"])
    return f"({either}) -is:retweet lang:en"


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
