"""What the runs in one place share: the cache of fitted models, and the ledger of what was tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mlstrat import foldcache
from mlstrat.arrays import FloatArray, TimeArray
from mlstrat.errors import RunFolderError
from mlstrat.evidence import Others
from mlstrat.files import make_folder
from mlstrat.foldcache import FoldCache
from mlstrat.pipeline import Watcher
from mlstrat.runfolder import Inputs
from mlstrat.trials.keys import trial_key
from mlstrat.trials.ledger import Ledger, Trial, Tried
from mlstrat.trials.returns import Kept, by_day, days_of, keep, others_of


def cache_beside(folder: Path, watcher: Watcher) -> FoldCache | None:
    """Return the cache of fitted models beside a run folder; None, with a note, where none can be written."""
    place = folder.absolute().parent / foldcache.FOLDER
    try:
        make_folder(place)
    except RunFolderError as error:
        watcher.note(f"fitted models are not kept for other runs: {error}")
        return None
    return FoldCache(place)


def trials_beside(
    folder: Path, inputs: Inputs, name: str, watcher: Watcher
) -> Callable[[Sequence[Trial]], None] | None:
    """Count this run in the ledger that lies beside its folder, and return what counts its trials to come.

    None, with a note, where the ledger cannot be written.
    """
    book = Ledger.beside(folder)
    content = {"name": name, "config_sha256": inputs.config_sha256, "engine": inputs.engine}
    this = Trial("run", inputs.key, content, trial_key(inputs.config, inputs.basis_sha256), inputs.span)
    try:
        book.extend(inputs.data_sha256, [this])
    except RunFolderError as error:
        watcher.note(f"the trials of this run are not counted: {error}")
        return None
    return partial(book.extend, inputs.data_sha256)


def known_beside(
    folder: Path,
    inputs: Inputs,
    close_time: TimeArray,
    returns: FloatArray,
    trades: int,
    watcher: Watcher,
) -> tuple[Tried | None, Others | None]:
    """Keep a run's returns in the ledger beside its folder, and return what that counts and holds besides.

    Parameters
    ----------
    folder, inputs
        Of the run.
    close_time, returns : (n_bars,) datetime64[ns], (n_bars,) float64
        Of the judged bars.
    trades : int
        Closed trades.
    watcher : Watcher
        Told where the ledger cannot be used; the answers are then None.
    """
    book = Ledger.beside(folder)
    own, day = trial_key(inputs.config, inputs.basis_sha256), days_of(close_time)
    try:
        keep(book, [Kept(own, trades, int(day[0]), by_day(returns[:, None], day)[:, 0])])
        return book.tried(inputs.data_sha256), others_of(book, inputs.data_sha256, {own}, day)
    except RunFolderError as error:
        watcher.note(f"what was tried before is not counted: {error}")
        return None, None
