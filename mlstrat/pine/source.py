"""What a script is made of, read from a finished run's folder or from a model file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mlstrat import __version__
from mlstrat.arrays import IntArray
from mlstrat.capsule import Capsule, load
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import ConfigError, RunFolderError
from mlstrat.features.lookup import find
from mlstrat.files import sha256_of
from mlstrat.foldstore import MODEL
from mlstrat.inputs import of_bars, sees_mood
from mlstrat.pine.assemble import HASH_CHARACTERS
from mlstrat.pine.moods import DailyMood
from mlstrat.pine.packing import digits
from mlstrat.pine.timing import Timing
from mlstrat.runfolder import FOLDS, MANIFEST, PREDICTIONS, SENTIMENT, read_manifest
from mlstrat.sentiment.align import daily_code
from mlstrat.signals.confirmation import confirmation_of
from mlstrat.walkforward import ATR_FEATURE

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["replay", "latest"]
_METRICS = "metrics.json"


@dataclass(frozen=True)
class Source:
    """What a script is made of: windows, when they speak, sentiment, lines of its header, its name."""

    capsules: tuple[Capsule, ...]
    timing: Timing
    mood: DailyMood | None
    told: tuple[str, ...]
    name: str


def of_file(path: Path, mode: Mode) -> Source:
    """Read a model file; errors as for `mlstrat.pine.exported.export_run`."""
    if mode != "latest":
        raise ConfigError(f"{path} holds one model: export it with --mode latest, or give a run's folder.")
    capsule = load(path)
    about = capsule.about
    if sees_mood(about.features):
        raise ConfigError(
            f"the model of {path} sees sentiment, of which a model file holds none: export the run's folder."
        )
    told = _told(capsule, "latest", [], _OF_A_FILE)
    timing = _timing((capsule,), None, -1, None)
    return Source((capsule,), timing, None, tuple(told), about.symbol)


def of_folder(folder: Path, mode: Mode) -> Source:
    """Read a finished run; errors as for `mlstrat.pine.exported.export_run`."""
    manifest = read_manifest(folder)
    if manifest["state"] != "complete":
        raise RunFolderError(
            f"{folder / MANIFEST} is not that of a finished run: run the same command again to finish it."
        )
    for name in (PREDICTIONS, SENTIMENT, _METRICS):
        if name not in manifest["outputs"] or not (folder / name).exists():
            raise RunFolderError(f"{folder / name} is not there: run again, so that it is written.")
        if sha256_of(folder / name) != manifest["outputs"][name]:
            raise RunFolderError(f"{folder / name} was changed since the run wrote it: run again.")
    asked = manifest["config"]["sentiment"]
    if asked["source"] != "none" and asked["resolution"] != "1d":
        raise ConfigError(
            "sentiment by the bar has no Pine form, because a script carries one value a day: set "
            'sentiment.resolution = "1d" and run again.'
        )
    count = len(manifest["windows"])
    wanted = range(count) if mode == "replay" else range(count - 1, count)
    capsules = tuple(_stored(folder, k, manifest) for k in wanted)
    seconds = Timeframe(capsules[0].about.timeframe).seconds
    times, spoken = _predicted(folder / PREDICTIONS)
    end = int(times[spoken][-1]) // seconds + 1 if mode == "replay" else None
    metrics = json.loads((folder / _METRICS).read_text())
    return Source(
        capsules,
        _timing(capsules, end, int(times[0]) // seconds, manifest["lstm_settles"]),
        _mood(folder / SENTIMENT, int(times[-1]) // 86_400 + 1) if asked["source"] != "none" else None,
        tuple(_told(capsules[-1], mode, _measured(metrics), _of_a_run(mode))),
        manifest["config"]["name"],
    )


def _stored(folder: Path, k: int, manifest: Mapping[str, Any]) -> Capsule:
    """Return a window's model, where it is the very file that the run wrote."""
    path = folder / FOLDS / f"{k:03d}" / MODEL
    if "capsules" not in manifest or "lstm_settles" not in manifest:
        raise RunFolderError(f"{folder} was made by an older version, which wrote less: run again.")
    if not path.exists():
        raise RunFolderError(f"{path} is not there: run again, so that it is written.")
    capsule = load(path)
    if sha256_of(path) != manifest["capsules"][k]:
        raise RunFolderError(f"window {k} of {folder} holds another model than the run's: run again.")
    return capsule


def _predicted(path: Path) -> tuple[IntArray, Any]:
    """Return the open time of every bar in epoch seconds, and where a model spoke."""
    import pandas as pd

    frame = pd.read_parquet(path, columns=["fold"])
    spoken = frame["fold"].to_numpy() >= 0
    if not spoken.any():
        raise RunFolderError(f"{path} holds no prediction: there is nothing to export; run on more bars.")
    return _seconds(frame), spoken


def _seconds(frame: pd.DataFrame) -> IntArray:
    stamps = frame.index.tz_convert("UTC").tz_localize(None).to_numpy()
    return np.asarray(stamps.astype("datetime64[s]").astype(np.int64))


def _mood(path: Path, end_day: int) -> DailyMood:
    import pandas as pd

    frame = pd.read_parquet(path)
    days = _seconds(frame) // 86_400
    codes = daily_code(frame["score"].to_numpy(), frame["confidence"].to_numpy())
    known = np.flatnonzero(codes > 0)
    if not len(known):
        return DailyMood(end_day, "", end_day)
    first, last = int(days[known[0]]), int(days[known[-1]])
    of_day = np.zeros(last - first + 1, np.int64)
    inside = (days >= first) & (days <= last)
    of_day[days[inside] - first] = codes[inside]
    return DailyMood(first, "".join(digits(int(code), 1) for code in of_day), end_day)


def _timing(capsules: Sequence[Capsule], end: int | None, data_slot: int, settles: int | None) -> Timing:
    about = capsules[0].about
    seconds = Timeframe(about.timeframe).seconds
    asked = confirmation_of(about.run_config().signals)
    names = (*of_bars(about.features), ATR_FEATURE, *asked.features)  # sentiment needs none
    warmup = max(find(name).bound(seconds).warmup for name in names)
    seen = [np.datetime64(capsule.about.seen_until, "s").astype(np.int64) for capsule in capsules]
    return Timing(
        first_slots=tuple(int(stamp) // seconds + 1 for stamp in seen),
        end_slot=end,
        data_slot=data_slot,
        warmup=warmup,
        settled=None if settles is None else warmup + settles,
        trained_at=tuple(
            int(capsule.window.cut.astype("datetime64[ms]").astype(np.int64)) for capsule in capsules
        ),
    )


def _measured(metrics: Mapping[str, Any]) -> list[str]:
    """Return what the run came to, then its verdict."""
    money, forecast = metrics["performance"], metrics["forecast"]
    numbers = (
        ("return", money["total_return"], ".2%"),
        ("deepest drawdown", money["max_drawdown"], ".2%"),
        ("log loss", forecast["log_loss"], ".4f"),
        ("base rate's", forecast["base_log_loss"], ".4f"),
    )
    listed = ", ".join(f"{name} {value:{form}}" for name, value, form in numbers if value is not None)
    span = f"{_day(metrics['from'])} to {_day(metrics['to'])}"
    return [
        f"Out of sample from {span}, costs included: {int(money['trades']):,} trades, {listed}.",
        *_sharpe(metrics.get("evidence")),
        *(str(sentence).replace("\u00a0", " ") for sentence in metrics["verdict"]),
    ]


def _sharpe(evidence: Mapping[str, Any] | None) -> list[str]:
    """Return the Sharpe ratio with what it means; nothing where no test was made, as by earlier versions."""
    if not evidence or not evidence["judged"]:
        return []
    ratio, judged = evidence["sharpe"], evidence["judged"]
    if judged["p"] is None or None in ratio.values():
        return []
    bounds = f"95 % interval {ratio['low']:.2f} to {ratio['high']:.2f}"
    tried = "1 trial" if judged["trials"] == 1 else f"{judged['trials']:,} trials"
    return [f"Sharpe ratio {ratio['estimate']:.2f} ({bounds}; SPA p {judged['p']:.3f}, {tried} counted)."]


def _day(moment: str) -> str:
    return moment.partition("T")[0]


def _minute(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, "m")).replace("T", " ")


_OF_A_FILE = (
    "Not verified: mlstrat pine verify takes a run's folder. A model file holds no tested sentiment.",
)


def _of_a_run(mode: Mode) -> tuple[str, ...]:
    option = "" if mode == "replay" else " --mode latest"
    return (
        f"Verified only if mlstrat pine verify RUN_DIR{option} --script FILE says so of this file,",
        "for the text with its inputs as they come, and for the run's prices.",
    )


def _told(capsule: Capsule, mode: Mode, measured: Sequence[str], verified: Sequence[str]) -> list[str]:
    """Return the lines of the header."""
    about, window = capsule.about, capsule.window
    chart = f"{about.symbol} {about.timeframe}"
    if mode == "replay":
        what, whose = "every window of a walk-forward, each for the bars after its training", ""
    else:
        what, whose = "the newest model, for the bars after its training", "The run's models before it: "
    return [
        f"mlstrat {__version__}: {chart}, {what}.",
        f"Newest model {window.model_sha256}, fitted on {_minute(window.train_from)} to "
        f"{_minute(window.cut)} UTC; bars {about.data_sha256[:HASH_CHARACTERS]}.",
        *(f"{whose}{line}" if k == 0 else line for k, line in enumerate(measured)),
        *verified,
        f"Limits: for a chart of {chart} with those prices only. Past results say nothing of the next ones.",
        "TradingView keeps the newest 9,000 orders of a strategy; of a longer test it drops the oldest ones.",
    ]
