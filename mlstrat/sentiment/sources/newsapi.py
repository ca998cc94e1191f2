"""Articles from NewsAPI, https://newsapi.org/docs/endpoints/everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from mlstrat.sentiment.items import Item
from mlstrat.sentiment.sources.pace import stepped
from mlstrat.sentiment.sources.paging import all_pages
from mlstrat.sentiment.sources.queries import Subject, quoted, subject_of
from mlstrat.sentiment.sources.reading import Pile, moment, name, part, rows, text
from mlstrat.sentiment.sources.web import Access, Refusal, Visit, Web
from mlstrat.sentiment.sources.wire import Auth

BASE_URL = "https://newsapi.org"
_PAGE = 100
_LANGUAGE = "en"
# How the API says that a plan does not reach so far back, and how far each plan does: the shortest month.
_TOO_FAR, _TOO_FAR_STATUS = ("parameterInvalid", "maximumResultsReached"), 426
_MEMORY = timedelta(days=28)
# What stands in the place of an article that was taken down.
_REMOVED = "[Removed]"


class NewsApi:
    """English articles whose text names a symbol.

    A page is the newest 100 articles up to a time, and the next page goes up to the oldest of those: plans
    that give only 100 results of a question still give all.

    Parameters
    ----------
    key : SecretStr
        The key; sent as the header X-Api-Key.
    access : Access
        Cache, clock and limits.
    base_url : str
        Scheme and host.
    """

    name = "newsapi"

    def __init__(self, key: SecretStr, access: Access, base_url: str = BASE_URL) -> None:
        self._url = f"{base_url.rstrip('/')}/v2/everything"
        self._web = Web(self.name, (base_url,), access, 1.0, Auth(key, header="X-Api-Key"))

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return articles, oldest first; see `Source.fetch`.

        What was published in the last minutes is left to the next fetch. A span that begins before the
        plan's memory is cut to the last four weeks.
        """
        subject, pile = subject_of(symbol, self.name), Pile(self.name, since, until)
        now, most = self._web.access.clock.utc(), self._web.access.limits.pages
        upto, month = min(until, stepped(now)), stepped(now - _MEMORY)
        if upto <= since:
            return ()
        with self._web.visit() as visit:
            try:
                return all_pages(pile, self._pages(visit, subject, pile, stepped(since), upto), most)
            except Refusal as refusal:
                if not since < month < upto or not _too_far(refusal):
                    raise
            return all_pages(pile, self._pages(visit, subject, pile, month, upto), most)

    def _pages(
        self, visit: Visit, subject: Subject, pile: Pile, first: datetime, upto: datetime
    ) -> Iterator[None]:
        while True:
            params = {
                "q": _query(subject),
                "from": _stamp(first),
                "to": _stamp(upto),
                "language": _LANGUAGE,
                "sortBy": "publishedAt",
                "pageSize": str(_PAGE),
            }
            articles = rows(visit.json(self._url, params), "articles", self.name)
            new = [_add(pile, article) for article in articles]
            times = [time for article in articles if (time := moment(article.get("publishedAt")))]
            if len(articles) < _PAGE or not any(new) or min(times) >= upto:
                return
            upto = min(times)
            yield


def _add(pile: Pile, article: Mapping[str, Any]) -> bool:
    title, url = text(article.get("title")), name(article.get("url"))
    if title == _REMOVED:
        return False
    return pile.add(
        url or title,
        title,
        moment(article.get("publishedAt")),
        publisher=name(part(article, "source").get("name")),
        url=url,
        language=_LANGUAGE,
    )


def _too_far(refusal: Refusal) -> bool:
    return refusal.status == _TOO_FAR_STATUS or refusal.code in _TOO_FAR


def _query(subject: Subject) -> str:
    if subject.is_coin:
        return quoted(subject.words)
    return f'"{subject.ticker}" AND (stock OR shares OR ETF OR crypto OR token)'


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
