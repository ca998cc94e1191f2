"""A past run made again from its manifest, and compared with what it wrote, bit by bit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstrat.config import RunConfig, parse_config
from mlstrat.config_places import names_file
from mlstrat.data.bars import Bars
from mlstrat.data.carry import BORROW, FUNDING
from mlstrat.errors import ConfigError, DataError, ReproductionError, RunFolderError
from mlstrat.files import sha256_of
from mlstrat.parity.trades_file import trades_bytes
from mlstrat.pipeline import Run, Watcher, load_bars, load_others, load_panel, require, run_panel
from mlstrat.runfolder import MANIFEST, inputs_of, other_code, other_settings, read_manifest
from mlstrat.sentiment.align import SentimentSeries
from mlstrat.sentiment.series import mood_for

if TYPE_CHECKING:
    import pandas as pd

_TABLES = ("predictions.parquet", "decisions.parquet", "trades.csv")


@dataclass(frozen=True)
class Reproduced:
    """A run that came out the same: how much was compared, and what was different about its making."""

    windows: int
    bars: int
    trades: int
    differences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Origin:
    """What a finished run was made from, read again.

    Parameters
    ----------
    manifest : dict
        Its manifest.
    config : RunConfig
        Its settings, with the places where its files lie.
    engine : str
        What executed it.
    bars, mood, others
        As for `mlstrat.pipeline.load_panel`.
    seen_until : datetime64 or None
        Up to when its store of headlines had seen texts.
    differences : tuple of str
        What of the settings, data, code and libraries is not as then.
    """

    manifest: dict[str, Any]
    config: RunConfig
    engine: str
    bars: Bars
    mood: SentimentSeries
    others: tuple[Bars, ...]
    seen_until: np.datetime64 | None
    differences: tuple[str, ...]


def reproduce(
    folder: Path,
    *,
    bars: str | None = None,
    anyway: bool = False,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Reproduced:
    """Make a finished run again and compare models, predictions, decisions and trades.

    Every window is fitted anew, in memory: nothing is taken from the folder or from a cache, and nothing is
    written.

    Parameters
    ----------
    folder : Path
        The run's folder.
    bars : str, optional
        Where its bars lie now; by default where they lay then.
    anyway : bool
        Make it again even where the data, the code or the libraries are other ones.
    jobs : int, optional
        Windows fitted side by side; by default as many as then.
    watcher : Watcher, optional
        Told what goes on.

    Raises
    ------
    ReproductionError
        The data, the code or the libraries are other ones, or the run came out differently; the message
        gives the first difference.
    RunFolderError
        The folder holds no finished run, or a table of it was changed.
    DataError
        A file that the run was made from is not there.
    """
    watcher = watcher or Watcher()
    then = read_again(folder, bars=bars, jobs=jobs, watcher=watcher)
    differences = then.differences
    if differences and not anyway:
        raise ReproductionError(
            f"{folder} was made from other things ({'; '.join(differences)}): bring them back, or compare "
            "with --anyway."
        )
    for difference in differences:
        watcher.note(difference)
    watcher.stage("computing features and labels (compiled once, then cached)")
    panel = load_panel(then.bars, then.mood, then.config, then.others)
    made = run_panel(panel, then.config, engine=then.engine, watcher=watcher)
    _compare(folder, then.manifest, made)
    return Reproduced(len(made.predictions.windows), len(then.bars), len(made.result.trades), differences)


def read_again(
    folder: Path, *, bars: str | None = None, jobs: int | None = None, watcher: Watcher | None = None
) -> Origin:
    """Read what a finished run was made from, wherever its manifest says that it lies.

    Parameters and errors are those of `reproduce`; other data, code or libraries are told, not refused.
    """
    manifest = read_manifest(folder)
    _check_finished(folder, manifest)
    config, engine = _config_of(folder, manifest, bars, jobs), manifest["inputs"]["engine"]
    require(config, engine)
    (watcher or Watcher()).stage("reading bars and scoring headlines")
    read = load_bars(config)
    told = manifest["sources"].get("headlines_seen_until") or None
    seen_until = None if told is None else np.datetime64(told)
    mood, others = mood_for(read, config.sentiment, seen_until), load_others(config)
    now = inputs_of(config, engine, read, mood, others)
    differences = (*other_settings(manifest["inputs"], now), *other_code(folder, now))
    return Origin(manifest, config, engine, read, mood, others, seen_until, differences)


def _check_finished(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest["state"] != "complete" or "sources" not in manifest:
        raise RunFolderError(
            f"{folder / MANIFEST} is not that of a finished run: run the same command again to finish it."
        )
    for name in _TABLES:
        path = folder / name
        if not path.exists() or sha256_of(path) != manifest["outputs"].get(name):
            raise RunFolderError(
                f"{path} is missing or changed since it was written, so there is nothing to compare with: "
                "restore it, or run again."
            )


def _config_of(folder: Path, manifest: dict[str, Any], bars: str | None, jobs: int | None) -> RunConfig:
    sources, content = manifest["sources"], manifest["config"]
    content["data"]["bars"] = bars or sources["bars"]
    content["sentiment"]["source"] = sources["headlines"]
    content["sentiment"]["model"] = sources.get("scorer", "")
    content["instrument"] |= {name: sources.get(name, "") for name in (FUNDING, BORROW)}
    content["features"]["context"] = sources["context"]
    content["plugins"] = sources["plugins"]
    content["models"]["transfer"] = sources.get("transfer", "")
    if jobs is not None:
        content["jobs"] = jobs
    try:
        config = parse_config(content, str(folder / MANIFEST))
    except ConfigError as error:
        raise ReproductionError(
            f"this version does not know the settings of the run: install mlstrat {manifest['mlstrat']} "
            f"({error})"
        ) from error
    transfer = (config.models.transfer,) if config.models.transfer else ()
    rates = config.instrument.funding, config.instrument.borrow
    places = (config.data.bars, config.sentiment.source, *rates, *config.features.context, *config.plugins)
    for place in (*places, *transfer):
        if names_file(place) and not Path(place).exists():
            remedy = "give its place with --bars" if place == config.data.bars else "put it back"
            raise DataError(f"{folder} was made from {place}, which is not there: {remedy}.")
    return config


def _compare(folder: Path, manifest: dict[str, Any], made: Run) -> None:
    import pandas as pd

    then, now = manifest["windows"], [window.model_sha256 for window in made.predictions.windows]
    models = [k for k, (old, new) in enumerate(zip(then, now, strict=False)) if old != new]
    about = f" (the first window whose models differ is {models[0] + 1} of {len(then)})" if models else ""
    tables = {"predictions.parquet": made.predictions.frame(), "decisions.parquet": made.decisions.frame()}
    for name, table in tables.items():
        first = first_difference(pd.read_parquet(folder / name), table)
        if first:
            raise _differs(folder / name, first + about)
    if models or len(then) != len(now):
        raise _differs(folder / MANIFEST, f"{len(then)} windows then and {len(now)} now{about}")
    written, trades = (folder / "trades.csv").read_bytes(), trades_bytes(made.result)
    if written != trades:
        old, new = (pd.read_csv(io.BytesIO(part), dtype=str, na_filter=False) for part in (written, trades))
        raise _differs(folder / "trades.csv", first_difference(old, new) or "its bytes differ")


def first_difference(then: pd.DataFrame, now: pd.DataFrame) -> str:
    """Describe the first row and column in which two tables differ; empty where all bits are the same.

    Numbers are compared as bits: NaN equals NaN, and the two zeros are not the same.
    """
    if list(then.columns) != list(now.columns):
        return f"the columns were {list(then.columns)} and are {list(now.columns)}"
    n = min(len(then), len(now))
    found = []
    for place, name in enumerate(then.columns):
        unlike = np.flatnonzero(_bits(then[name])[:n] != _bits(now[name])[:n])
        if len(unlike):
            found.append((int(unlike[0]), place))
    moved = np.flatnonzero(np.asarray(then.index[:n] != now.index[:n]))
    if len(moved) and (not found or moved[0] <= found[0][0]):
        return f"row {moved[0]} was {then.index[moved[0]]} and is {now.index[moved[0]]}"
    if found:
        row, place = min(found)
        name = then.columns[place]
        return f"at {then.index[row]}, {name} was {then[name].iloc[row]!r} and is {now[name].iloc[row]!r}"
    return "" if len(then) == len(now) else f"there were {len(then):,} rows and there are {len(now):,}"


def _bits(column: pd.Series) -> Any:
    values = column.to_numpy()
    return values.view(np.int64) if values.dtype == np.float64 else values


def _differs(path: Path, first: str) -> ReproductionError:
    return ReproductionError(
        f"the run does not come out as {path}: {first}. Look for what differs between the two machines, "
        "beginning with the processor."
    )
