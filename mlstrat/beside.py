"""What the runs in one place share: the cache of fitted models, and the ledger of what was tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mlstrat import foldcache, ledger
from mlstrat.errors import RunFolderError
from mlstrat.files import make_folder
from mlstrat.foldcache import FoldCache
from mlstrat.ledger import Ledger, Trial
from mlstrat.pipeline import Watcher
from mlstrat.runfolder import Inputs


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
    book = Ledger(folder.absolute().parent / ledger.FILE)
    content = {"name": name, "config_sha256": inputs.config_sha256, "engine": inputs.engine}
    try:
        book.append(inputs.data_sha256, "run", inputs.key, content)
    except RunFolderError as error:
        watcher.note(f"the trials of this run are not counted: {error}")
        return None
    return partial(book.extend, inputs.data_sha256)
