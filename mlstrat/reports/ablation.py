"""What sentiment was worth in a run; `mlstrat.ablation` computes it."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.bootstrap import Interval
from mlstrat.reports.wording import number


@dataclass(frozen=True)
class Variant:
    """The run with sentiment at a weight: log loss of its win probabilities, and what trading made.

    `loss` is in nats, over the bars with known sentiment, and `gain` what it saves beside the run without
    sentiment; the rest is over all predicted bars, after costs.
    """

    name: str
    loss: float
    gain: Interval
    trades: int
    total_return: float
    sharpe: float


@dataclass(frozen=True)
class Ablation:
    """A run with and without sentiment, on the same windows.

    Parameters
    ----------
    without, gated, always : Variant
        Sentiment without a vote, as the run's windows let it count, and at its whole weight in all of them.
        Where the models see it, they do not in the first one, and do in the others.
    bars : int
        Predicted bars with known sentiment and a known outcome.
    heard : int
        Windows in which sentiment counts.
    windows : int
        Windows in all.
    seen : bool
        Whether the models see sentiment, so that those of the run without it are other ones.
    """

    without: Variant
    gated: Variant
    always: Variant
    bars: int
    heard: int
    windows: int
    seen: bool = False

    @property
    def judged(self) -> Variant:
        """The variant that tells of sentiment itself.

        It is the run where models see sentiment; else the one at whole weight, whatever windows made of it.
        """
        return self.gated if self.seen else self.always

    @property
    def helps(self) -> bool:
        """Whether sentiment in the variant `judged` saved log loss, clear of zero."""
        return self.judged.gain.low > 0.0

    @property
    def sentence(self) -> str:
        """What it came to."""
        gain = self.judged.gain
        worth = "made the odds better" if self.helps else "added nothing beyond chance"
        if gain.high < 0.0:
            worth = "made the odds worse"
        how = "that the models see" if self.seen else "at its whole weight"
        beside = " than that of models which do not see it," if self.seen else ""
        return (
            f"Out of sample, sentiment {how} {worth}: the log loss of the win probabilities "
            f"was {abs(gain.estimate):.5f} nats {'lower' if gain.estimate > 0 else 'higher'}{beside} over "
            f"{self.bars:,} bars (95 % interval of the gain {number(gain.low, 5, signed=True)} to "
            f"{number(gain.high, 5, signed=True)}). {self._counted}."
        )

    @property
    def _counted(self) -> str:
        if self.heard:
            it = "Its vote behind them" if self.seen else "It"
            return f"{it} counts in {self.heard} of {self.windows} windows: those before which it had helped"
        weight = "The weight of its vote behind them" if self.seen else "Its weight"
        return f"{weight} is zero in all {self.windows} windows: it had helped before none of them"
