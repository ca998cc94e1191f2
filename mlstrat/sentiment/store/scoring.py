"""Scores of wordings, each by the version of the scorer that gave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from mlstrat.arrays import FloatArray
from mlstrat.sentiment.scorers import Scorer
from mlstrat.sentiment.store.adding import parts_of
from mlstrat.sentiment.store.dialects import insert, reading, writing
from mlstrat.sentiment.store.rows import revision_of
from mlstrat.sentiment.store.tables import scores, texts
from mlstrat.sentiment.store.versions import ScorerVersion


def score(engine: Any, scorer: Scorer, version: ScorerVersion, at: int, chunk: int) -> int:
    """Score what a version has not scored yet; each chunk is kept before the next one is read."""
    done, last = 0, ""
    while True:
        with reading(engine) as connection:
            rows = connection.execute(_unscored(version, last, chunk)).all()
        if not rows:
            return done
        polarity, confidence = scorer.score([row.text for row in rows])
        found = [
            {
                "revision": row.revision,
                "scorer": version.scorer,
                "version": version.version,
                "polarity": float(p),
                "confidence": float(c),
                "scored_at": at,
            }
            for row, p, c in zip(rows, polarity, confidence, strict=True)
        ]
        with writing(engine) as connection:
            connection.execute(insert(connection, scores).on_conflict_do_nothing(), found)
        done, last = done + len(found), rows[-1].revision


def scores_of(
    connection: Any, wanted: Sequence[str], version: ScorerVersion, as_of: int | None
) -> tuple[FloatArray, FloatArray]:
    """Return polarity and confidence of texts, NaN where that version had not scored them by then."""
    revisions = [revision_of(text) for text in wanted]
    known: dict[str, tuple[float, float]] = {}
    for part in parts_of(dict.fromkeys(revisions)):
        for row in connection.execute(_scored(part, version, as_of)):
            known[row.revision] = (row.polarity, row.confidence)
    missing = (np.nan, np.nan)
    found = np.array([known.get(name, missing) for name in revisions], np.float64).reshape(-1, 2)
    return found[:, 0].copy(), found[:, 1].copy()


def _unscored(version: ScorerVersion, last: str, chunk: int) -> Any:
    same = (scores.c.scorer == version.scorer) & (scores.c.version == version.version)
    scored = sa.select(scores.c.revision).where(scores.c.revision == texts.c.revision, same)
    return (
        sa.select(texts.c.revision, sa.func.min(texts.c.text).label("text"))
        .where(texts.c.revision > last, ~scored.exists())
        .group_by(texts.c.revision)
        .order_by(texts.c.revision)
        .limit(chunk)
    )


def _scored(revisions: Sequence[str], version: ScorerVersion, as_of: int | None) -> Any:
    wanted = sa.select(scores.c.revision, scores.c.polarity, scores.c.confidence).where(
        scores.c.revision.in_(revisions),
        scores.c.scorer == version.scorer,
        scores.c.version == version.version,
    )
    return wanted if as_of is None else wanted.where(scores.c.scored_at <= as_of)
