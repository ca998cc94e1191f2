"""Evidence: what returns say about an edge, and how often such a result comes by chance."""

from mlstrat.evidence.beside import Others
from mlstrat.evidence.ic import InformationCoefficient, rank_ic
from mlstrat.evidence.intervals import PathIntervals, path_intervals
from mlstrat.evidence.pbo import Overfitting, overfitting
from mlstrat.evidence.sentences import plain_words
from mlstrat.evidence.sharpe import SharpeMoments, sharpe_moments
from mlstrat.evidence.shuffles import RandomEntry, ShuffledTrades, random_entry, shuffled_trades
from mlstrat.evidence.spa import SuperiorAbility, superior_ability
from mlstrat.evidence.trials import effective_trials
from mlstrat.evidence.verdict import Evidence, judge, with_trials

__all__ = [
    "Evidence",
    "InformationCoefficient",
    "Others",
    "Overfitting",
    "PathIntervals",
    "RandomEntry",
    "SharpeMoments",
    "ShuffledTrades",
    "SuperiorAbility",
    "effective_trials",
    "judge",
    "overfitting",
    "path_intervals",
    "plain_words",
    "random_entry",
    "rank_ic",
    "sharpe_moments",
    "shuffled_trades",
    "superior_ability",
    "with_trials",
]
