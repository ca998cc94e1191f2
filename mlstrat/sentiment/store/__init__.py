"""A database of texts that remembers when each was first seen. Importing this package needs SQLAlchemy."""

from mlstrat.errors import MissingExtraError

try:
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError as error:
    raise MissingExtraError("sentiment", "SQLAlchemy", "A store of headlines") from error

from mlstrat.sentiment.store.adding import Added
from mlstrat.sentiment.store.database import SentimentStore
from mlstrat.sentiment.store.versions import ScorerVersion, version_of

__all__ = ["Added", "ScorerVersion", "SentimentStore", "version_of"]
