"""Posts from Reddit through praw, whose requests go over the same wire as all others."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from mlstrat.sentiment.items import Item, SourceError
from mlstrat.sentiment.sources.paging import all_pages, only_newest
from mlstrat.sentiment.sources.queries import Subject, quoted, subject_of
from mlstrat.sentiment.sources.reading import Pile, count, moment, name, parsed, text
from mlstrat.sentiment.sources.socketry import library
from mlstrat.sentiment.sources.web import Access, Limited, Visit, Web, complaint

BASE_URL = "https://www.reddit.com"
OAUTH_URL = "https://oauth.reddit.com"
AGENT = "python:mlstrat:0.1 (reads public posts)"
COIN_FORUMS = ("CryptoCurrency", "CryptoMarkets", "Bitcoin", "ethereum", "ethtrader")
OTHER_FORUMS = ("stocks", "investing", "StockMarket", "wallstreetbets")
# Reddit lists no more.
_MOST, _PAGE = 1_000, 100
# What praw raises about an answer of another form than Reddit's.
_MISREADINGS = (AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError)


class Reddit:
    """Titles of posts that name a symbol, in forums about coins or about stocks.

    Reach is the score and the number of comments at the moment of the fetch. One search gives the newest
    1,000 posts at most, and where these do not reach back to the beginning of the span, a fetch tells that it
    is `Unfinished`.

    Parameters
    ----------
    client_id, client_secret : SecretStr
        Of the app.
    user_agent : str
        Who asks, as Reddit's rules want it: platform, app, version, account.
    access : Access
        Clock and limits; nothing is cached, because tokens travel here.
    base_url, oauth_url : str
        Where tokens and posts come from.
    forums : sequence of str
        Names of forums; default: those above, by what the symbol is.
    """

    name = "reddit"

    def __init__(
        self,
        client_id: SecretStr,
        client_secret: SecretStr,
        user_agent: str,
        access: Access,
        base_url: str = BASE_URL,
        oauth_url: str = OAUTH_URL,
        forums: Sequence[str] = (),
    ) -> None:
        self._id, self._secret = client_id, client_secret
        self._agent, self._forums = user_agent or AGENT, tuple(forums)
        self._urls = {"reddit_url": base_url.rstrip("/"), "oauth_url": oauth_url.rstrip("/")}
        uncached = Access(None, access.clock, access.limits)
        secrets = (client_id.get_secret_value(), client_secret.get_secret_value())
        pair = base64.b64encode(":".join(secrets).encode()).decode()
        self._web = Web(self.name, (base_url, oauth_url), uncached, 1.0, secrets=(*secrets, pair))

    def fetch(self, symbol: str, since: datetime, until: datetime) -> Sequence[Item]:
        """Return posts, oldest first; see `Source.fetch`."""
        subject, pile = subject_of(symbol, self.name), Pile(self.name, since, until)
        with self._web.visit() as visit:
            return all_pages(pile, self._pages(visit, subject, pile), self._web.access.limits.pages)

    def _pages(self, visit: Visit, subject: Subject, pile: Pile) -> Iterator[None]:
        forums = self._forums or (COIN_FORUMS if subject.is_coin else OTHER_FORUMS)
        posts = self._posts(visit, "+".join(forums), quoted(subject.words))
        for number, post in enumerate(posts, start=1):
            # Not the attributes, of which praw would fetch those that are missing.
            told = getattr(post, "__dict__", {})
            posted = moment(told.get("created_utc"))
            if posted is not None and posted < pile.since:
                return
            _add(pile, told, posted)
            if number == _MOST:
                raise Limited(only_newest(self.name, _MOST))
            if number % _PAGE == 0:
                yield

    def _posts(self, visit: Visit, forums: str, query: str) -> Iterator[Any]:
        """Yield posts, newest first."""
        praw, core = library("praw"), library("prawcore")
        try:
            reddit = praw.Reddit(
                client_id=self._id.get_secret_value(),
                client_secret=self._secret.get_secret_value(),
                user_agent=self._agent,
                requestor_kwargs={"session": Session(visit, self._web)},
                check_for_updates=False,
                check_for_async=False,
                **self._urls,
            )
            found = reddit.subreddit(forums).search(
                query, sort="new", time_filter="all", limit=_MOST, request_limit=_PAGE
            )
            yield from found
        except core.exceptions.RequestException as error:
            problem = error.original_exception
            told = str(problem) if isinstance(problem, SourceError) else ""
        except (core.exceptions.PrawcoreException, praw.exceptions.PRAWException):
            told = ""
        except _MISREADINGS:
            told = ""
        else:
            return
        raise SourceError(
            told or f"{self.name} answers in another form than documented: look for a newer version of praw."
        )


def _add(pile: Pile, post: Mapping[str, Any], posted: datetime | None) -> None:
    path, forum = name(post.get("permalink")), name(getattr(post.get("subreddit"), "display_name", ""))
    pile.add(
        name(post.get("id")),
        text(post.get("title")),
        posted,
        publisher=f"r/{forum}" if forum else "",
        url=f"{BASE_URL}{path}" if path.startswith("/") else "",
        reach=count(post.get("score")) + count(post.get("num_comments")),
    )


class Session:
    """What praw takes for a session of requests.

    Parameters
    ----------
    visit : Visit
        Makes the requests.
    web : Web
        Its redactor gets to know the tokens.
    """

    def __init__(self, visit: Visit, web: Web) -> None:
        self._visit, self._web = visit, web
        self.headers: dict[str, str] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **_: Any,
    ) -> Answer:
        """Make a request as requests does.

        Raises
        ------
        SourceError
            No answer can be had, or it refuses.
        """
        sent = {**self.headers, **(headers or {})}
        token = sent.get("Authorization", "").partition(" ")[2]
        self._web.redactor.learn(token)
        answer = self._visit.send(
            method, url, sent, params=params, data=dict(data) if data else None, auth=auth
        )
        if answer.status_code != 200:
            said = complaint(answer.content).rstrip(".")
            status = f"HTTP {answer.status_code}" + (f": {said}" if said else "")
            raise SourceError(f"reddit refuses ({status}): check the app's id and secret, and the forums.")
        told = str(answer.content, "utf-8", "replace")
        # The answer that gives a token may give the last one again, and is taken as it is.
        return Answer(answer.status_code, self._web.redactor.text(told) if token else told)

    def close(self) -> None:
        """Do nothing: the visit closes its connections."""


class Answer:
    """What praw takes for an answer of requests; Reddit's own limits are kept by the wire.

    Parameters
    ----------
    status_code : int
        Of HTTP.
    text : str
        JSON.
    """

    def __init__(self, status_code: int, text: str) -> None:
        self.status_code, self.text = status_code, text
        self.headers: dict[str, str] = {}

    def json(self) -> Any:
        """Return what it says."""
        return parsed(self.text.encode())
