"""Keys are taken out of every text that leaves: errors, logs, caches."""

from __future__ import annotations

import contextlib
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# Every logger that code below a source writes to. A filter works on the logger that it is put on only.
_LOGGERS = (
    "hishel._core._storages._sync_sqlite",
    "hishel.core.spec",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.proxy",
    "httpx2",
    "praw",
    "prawcore",
    "stamina",
)


class Redactor:
    """Replaces the keys that it knows, in each form that a server or a library may write them in.

    Parameters
    ----------
    secrets : iterable of str
        The keys.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._texts: re.Pattern[str] | None = None
        for secret in secrets:
            self.learn(secret)
        self._bodies = re.compile(self._texts.pattern.encode(), re.IGNORECASE) if self._texts else None

    def learn(self, secret: str) -> None:
        """Take one more key out of texts, such as a token that a server gave for a time.

        Not out of `data`: a server may give the same token again, and there it is wanted.
        """
        if not secret:
            return
        in_json = json.dumps(secret)[1:-1]
        forms = {secret, quote(secret, safe=""), quote_plus(secret), in_json, in_json.replace("/", r"\/")}
        self._forms |= forms | {html.escape(secret)}
        longest_first = "|".join(map(re.escape, sorted(self._forms, key=lambda form: (-len(form), form))))
        self._texts = re.compile(longest_first, re.IGNORECASE)

    def text(self, text: str) -> str:
        """Return the text without keys."""
        return self._texts.sub(HIDDEN, text) if self._texts else text

    def data(self, data: bytes) -> bytes:
        """Return the bytes of an answer without keys."""
        return self._bodies.sub(HIDDEN.encode(), data) if self._bodies else data

    @contextlib.contextmanager
    def logs(self) -> Iterator[None]:
        """Keep keys out of what the libraries log meanwhile, and their warnings off a terminal."""
        hide, nowhere = _Hide(self), logging.NullHandler()
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        for logger in loggers:
            logger.addFilter(hide)
            logger.addHandler(nowhere)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(hide)
                logger.removeHandler(nowhere)


class _Hide(logging.Filter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redactor.text(record.getMessage()), None
        if record.exc_info:
            # Formatters take this text where it is there.
            told = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = self._redactor.text(told), None
        return True
