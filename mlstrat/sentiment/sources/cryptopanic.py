"""Posts from CryptoPanic, https://cryptopanic.com/developers/api/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from pydantic import SecretStr

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.paging import all_pages
from mlstrat.sentiment.sources.queries import Subject, subject_of
from mlstrat.sentiment.sources.reading import Pile, count, moment, name, part, rows, text
from mlstrat.sentiment.sources.web import Access, Visit, Web
from mlstrat.sentiment.sources.wire import Auth

# The plan is a part of the address: developer, growth or enterprise.
BASE_URL = "https://cryptopanic.com/api/developer/v2"
_TOKEN = "auth_token"
_OPINIONS = ("negative", "positive", "important", "liked", "disliked", "lol", "toxic")
_VOTES = (*_OPINIONS, "saved", "comments")


class CryptoPanic:
    """Posts that CryptoPanic files under a coin; their votes are the reach.

    Votes are those of the moment of the fetch, which is later than the post, so that they say nothing about
    the mood here.

    Parameters
    ----------
    key : SecretStr
        The token. The API takes it as a parameter of the address only: it is put in below cache and logs,
        and taken out of answers.
    access : Access
        Cache, clock and limits.
    base_url : str
        Address up to the version: .../api/developer/v2, or .../api/v1.
    """

    name = "cryptopanic"

    def __init__(self, key: SecretStr, access: Access, base_url: str = BASE_URL) -> None:
        self._url = f"{base_url.rstrip('/')}/posts/"
        self._web = Web(self.name, (base_url,), access, 0.5, Auth(key, query=_TOKEN))

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return posts, oldest first; see `Source.fetch`."""
        subject, pile = subject_of(symbol, self.name), Pile(self.name, since, until)
        with self._web.visit() as visit:
            return all_pages(pile, self._pages(visit, subject, pile), self._web.access.limits.pages)

    def _pages(self, visit: Visit, subject: Subject, pile: Pile) -> Iterator[None]:
        params = {"currencies": subject.ticker, "public": "true"}
        asked = []
        while True:
            asked.append(params)
            page = visit.json(self._url, params)
            posts = rows(page, "results", self.name)
            for post in posts:
                _add(pile, post)
            times = [time for post in posts if (time := moment(post.get("published_at")))]
            following = self._following(page.get("next"))
            if not following or not times or min(times) < pile.since:
                return
            if following in asked:
                raise SourceError(f"{self.name} leads from page to page in a circle: ask again later.")
            params = following
            yield

    def _following(self, address: object) -> dict[str, str]:
        """Return the parameters of the next page; nothing but those is taken from its address."""
        try:
            following = urlsplit(urljoin(self._url, name(address)))
        except ValueError:
            return {}
        if not name(address) or following.netloc != urlsplit(self._url).netloc:
            return {}
        return {key: value for key, value in parse_qsl(following.query) if key != _TOKEN}


def _add(pile: Pile, post: Mapping[str, Any]) -> None:
    source, votes = part(post, "source"), part(post, "votes")
    tagged = post.get("currencies") or post.get("instruments")
    coins = [coin for coin in tagged if isinstance(coin, dict)] if isinstance(tagged, list) else []
    codes = (name(coin.get("code")) for coin in coins)
    pile.add(
        name(post.get("id")) or name(post.get("url")),
        text(post.get("title")),
        moment(post.get("published_at")),
        publisher=name(source.get("domain")) or name(post.get("domain")),
        url=name(post.get("original_url")) or name(post.get("url")),
        language=name(source.get("region")),
        reach=sum(count(votes.get(vote)) for vote in _VOTES),
        subjects=tuple(code for code in codes if code),
    )
