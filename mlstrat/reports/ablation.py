"""What sentiment was worth in a run; `mlstrat.ablation` computes it."""

from __future__ import annotations

from dataclasses import dataclass

from mlstrat.bootstrap import Interval


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
    """A run with and without sentiment, on the same windows and models.

    Parameters
    ----------
    without, gated, always : Variant
        Sentiment without a vote, as the run's windows let it count, and at its whole weight in all of them.
    bars : int
        Predicted bars with known sentiment and a known outcome.
    heard : int
        Windows in which sentiment counts.
    windows : int
        Windows in all.
    """

    without: Variant
    gated: Variant
    always: Variant
    bars: int
    heard: int
    windows: int

    @property
    def helps(self) -> bool:
        """Whether sentiment at its whole weight saved log loss, clear of zero."""
        return self.always.gain.low > 0.0

    @property
    def sentence(self) -> str:
        """What it came to."""
        gain = self.always.gain
        worth = "made the odds better" if self.helps else "added nothing that chance does not"
        if gain.high < 0.0:
            worth = "made the odds worse"
        counted = (
            f"It counts in {self.heard} of {self.windows} windows: those in which it had helped before"
            if self.heard
            else f"Its weight is zero in all {self.windows} windows: it had helped before none of them"
        )
        return (
            f"Out of sample, sentiment at its whole weight {worth}: the log loss of the win probabilities "
            f"was lower by {gain.estimate:.5f} nats over {self.bars:,} bars (95 % interval "
            f"{gain.low:+.5f} to {gain.high:+.5f}). {counted}."
        )
