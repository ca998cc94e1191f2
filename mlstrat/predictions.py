"""`Predictions`: what the walk-forward says about each bar, out of sample only."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlstrat.arrays import BoolArray, FloatArray, IntArray, TimeArray
from mlstrat.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

VOTES = ("forest", "boosting", "lstm")
PER_SIDE = ("win_prob", "win_se", "payoff", "threshold")
_PLAIN = ("prob_up", "magnitude", "score", "novelty")
# Stands for NaN where no novelty is given: how many are needed is not known before.
_NOT_KNOWN = np.empty(0)


class TradeTerms(NamedTuple):
    """The trade, its costs and the blend that win probabilities and payoffs were calibrated for."""

    stop_atr: float
    target_atr: float
    max_bars: int
    fee_share: float
    slippage_ticks: float
    ml_weight: float
    sentiment_weight: float


class SentimentGate(NamedTuple):
    """Whether a window listens to sentiment, and what that was judged by (`mlstrat.signals.gate`).

    `share` is what its confidence is multiplied by: 1 or 0. `bars` counts the bars of the calibration tail
    with known sentiment; `gain` is the mean log loss that sentiment saved there, in nats a bar, and `low` its
    lower bound; both 0 where nothing was judged.
    """

    share: float = 1.0
    bars: int = 0
    gain: float = 0.0
    low: float = 0.0


OPEN = SentimentGate()


@dataclass(frozen=True)
class Window:
    """One walk-forward window: what its model was fitted on and for which bars it speaks.

    Times are UTC. `cut` is when the model was fitted: no label resolved after the last bar known then, less
    the embargo, trained it. `purged` counts the bars known at the cut whose label was not yet resolved, and
    `purged_inner` those removed between the inner training part and the calibration tail. `selected` names
    the features that its models see where they were chosen in the window, else it is empty. `calibration`
    names the maps of prob_up and of the win probability per side (`mlstrat.calibration`). `sentiment` says
    whether sentiment counts.
    """

    fold: int
    train_from: np.datetime64
    cut: np.datetime64
    valid_from: np.datetime64
    valid_to: np.datetime64
    n_train: int
    n_calibration: int
    purged: int
    purged_inner: int
    base_rate: float
    model_sha256: str
    selected: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()
    sentiment: SentimentGate = OPEN

    def __post_init__(self) -> None:
        # A stored window comes back from JSON, which has lists only.
        object.__setattr__(self, "selected", tuple(self.selected))
        object.__setattr__(self, "calibration", tuple(self.calibration))
        object.__setattr__(self, "sentiment", SentimentGate(*self.sentiment))


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row a bar; NaN (fold -1) where no out-of-sample model speaks.

    Parameters
    ----------
    symbol : str
        Name of the instrument.
    time : (n_bars,) datetime64[ns]
        Open time of the bar, UTC. The prediction is made at its close.
    prob_up : (n_bars,) float64
        Calibrated probability that the price rises from the next open over `target_periods` bars.
    magnitude : (n_bars,) float64
        Expected simple return over the same bars.
    votes : (n_bars, n_votes) float64
        The forest's probability, the booster's and the LSTM's return (`VOTES`), before stacking, then
        those of own models that join the three; one that replaces one of the three has its column.
    score : (n_bars,) float64
        `prob_up` blended with what sentiment was known; it chooses the side.
    win_prob, win_se : (n_bars, 2) float64
        Probability that a long / short trade taken here ends in profit after costs, and the standard
        error of its logit.
    payoff : (n_bars, 2) float64
        Mean net win over mean net loss of such trades in the training window.
    threshold : (n_bars, 2) float64
        A long needs score >= the first, a short needs score <= the second; NaN = never.
    fold : (n_bars,) int64
        Index of the window that speaks, -1 for none.
    windows : tuple of Window
        One for each fold, in order.
    terms : TradeTerms, optional
        What the odds were calibrated for; None = not said, so not checked.
    joined : tuple of str
        Names of the votes behind the three.
    novelty : (n_bars,) float64, optional
        Share of the bar's features that lie beyond what its window was trained on
        (`mlstrat.signals.novelty`); by default not known, NaN.
    """

    symbol: str
    time: TimeArray
    prob_up: FloatArray
    magnitude: FloatArray
    votes: FloatArray
    score: FloatArray
    win_prob: FloatArray
    win_se: FloatArray
    payoff: FloatArray
    threshold: FloatArray
    fold: IntArray
    windows: tuple[Window, ...]
    terms: TradeTerms | None = None
    joined: tuple[str, ...] = ()
    novelty: FloatArray = field(default_factory=lambda: _NOT_KNOWN)

    def __post_init__(self) -> None:
        n = len(self.time)
        if self.novelty is _NOT_KNOWN:
            object.__setattr__(self, "novelty", np.full(n, np.nan))
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, np.ndarray):
                if len(value) != n:
                    raise DataError(f"predictions.{column.name} has {len(value):,} rows for {n:,} bars.")
                value.setflags(write=False)

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice | BoolArray) -> Predictions:
        """Return the rows of a slice or a mask; all windows are kept."""
        taken: dict[str, Any] = {
            name: value[part] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **taken)

    @property
    def known(self) -> BoolArray:
        """(n_bars,) bool: whether an out-of-sample model speaks."""
        return np.asarray(self.fold >= 0)

    @property
    def sentiment_share(self) -> FloatArray:
        """(n_bars,) float64: what the confidence of sentiment is multiplied by, 0 where it does not count."""
        share = np.ones(len(self))
        for window in self.windows:
            share[self.fold == window.fold] = window.sentiment.share
        return share

    @property
    def vote_names(self) -> tuple[str, ...]:
        """Names of the columns of `votes`."""
        return (*VOTES, *self.joined)

    @property
    def confidence(self) -> FloatArray:
        """(n_bars,) float64: calibrated probability that the predicted direction is right."""
        return np.maximum(self.prob_up, 1.0 - self.prob_up)

    def frame(self) -> pd.DataFrame:
        """Return one row a bar, per-side columns as `win_prob_long`, `win_prob_short` and so on."""
        import pandas as pd

        columns: dict[str, object] = {name: getattr(self, name) for name in _PLAIN}
        columns["confidence"] = self.confidence
        columns |= {f"vote_{name}": self.votes[:, i] for i, name in enumerate(self.vote_names)}
        for name in PER_SIDE:
            columns[f"{name}_long"] = getattr(self, name)[:, 0]
            columns[f"{name}_short"] = getattr(self, name)[:, 1]
        columns["fold"] = self.fold
        frame = pd.DataFrame(columns, index=pd.DatetimeIndex(self.time, tz="UTC", name="time"))
        frame.insert(0, "symbol", self.symbol)
        return frame
