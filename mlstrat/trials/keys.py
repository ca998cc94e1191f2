"""Which trials are one: what a strategy is, whoever executed it and however far its bars reach.

A run and a column of a sweep with the same settings are one trial. So are a run and its repetition after more
bars have come in: whoever appends a day and runs again tries nothing new. Engine, jobs, name, report, and the
versions of code and libraries make no other trial either. What does: any setting, seeds included; another
first bar, since whoever chooses where a record begins is choosing; another symbol at the side; other
headlines or another file that scores them; other code of one's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlstrat.config import RunConfig
from mlstrat.config_places import is_store, names_file, resolved
from mlstrat.data.bars import Bars
from mlstrat.files import sha256_of
from mlstrat.provenance import own_versions
from mlstrat.trials.ledger import Span

# Sections of a configuration that make no other trial: bars are told by what they hold, a report shows only.
_ASIDE = ("data", "report")


def span_of(bars: Bars) -> Span:
    """Return which market bars are of, and from when to when."""
    return Span(bars.symbol, str(bars.timeframe), str(bars.time[0]), str(bars.time[-1]))


def basis_of(config: RunConfig, bars: Bars, others: Sequence[Bars] = ()) -> str:
    """Return the hash of what makes a trial beside its settings.

    That is the first bar, the other symbols, the headlines and their scorer, and the classes of one's own. A
    file of headlines counts by what it holds, a store of headlines, which grows as bars do, by its place.
    """
    basis = {
        "market": span_of(bars)[:3],
        "others": [span_of(other)[:2] for other in others],
        "headlines": _held(config.sentiment.source),
        "scorer": _held(config.sentiment.model),
        "own": own_versions(config.models.classes),
    }
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()


def trial_key(content: Mapping[str, Any], basis: str) -> str:
    """Return the hash that two trials share which are one.

    Parameters
    ----------
    content : mapping
        Settings as `RunConfig.result_content` returns them, with plugins by their hashes.
    basis : str
        What `basis_of` returned.
    """
    settings = {section: value for section, value in content.items() if section not in _ASIDE}
    return hashlib.sha256((basis + json.dumps(settings, sort_keys=True)).encode()).hexdigest()


def _held(text: str) -> str:
    """Return what a file holds, as a hash; of a store, a sample, a name on a hub or nothing, the name."""
    if is_store(text):
        return resolved(text, Path.cwd())
    return sha256_of(Path(text)) if names_file(text) and Path(text).is_file() else text
