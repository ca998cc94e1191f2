"""Which scorer reads texts: its name, its model and, for an ensemble, its weights; and the scorer itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mlstrat.errors import ConfigError

if TYPE_CHECKING:
    from mlstrat.config_sentiment import SentimentConfig
    from mlstrat.sentiment.scorers import Classifier

# What can read texts by itself, and so be part of an ensemble.
READERS = ("finbert", "learned", "vader")
ENSEMBLE = "ensemble"
# Those that take a model.
_WITH_MODEL = ("finbert", "learned")


@dataclass(frozen=True)
class ScorerChoice:
    """A scorer before it is made: small, hashable, and the same in every process.

    Parameters
    ----------
    name : {"vader", "learned", "finbert", "ensemble"}
        Which one.
    model : str
        For learned the path of a file that `mlstrat sentiment train` wrote; for finbert a folder, or a name
        on the Hugging Face hub; empty for the model that each has by default. In an ensemble of both a file
        is for learned and anything else for finbert.
    weights : tuple of (str, float)
        Of an ensemble the scorers and their weights, which need not add up to 1; kept in order of the names.
    even : bool
        As for `LearnedScorer`: the three classes are taken as equally frequent beforehand.

    Raises
    ------
    ConfigError
        There is no scorer of that name, weights are missing, out of place or not above 0, or a model or
        `even` is given where nothing takes it.
    """

    name: str
    model: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    even: bool = False

    def __post_init__(self) -> None:
        if self.name not in (*READERS, ENSEMBLE):
            known = ", ".join(sorted((*READERS, ENSEMBLE)))
            raise ConfigError(f"sentiment.scorer is {self.name!r}; give one of {known}.")
        object.__setattr__(self, "weights", tuple(sorted(self.weights)))
        self._check_weights()
        if self.model and not set(self.names) & set(_WITH_MODEL):
            raise ConfigError(
                f"a model is for the scorers learned and finbert: leave it out, or choose one of them "
                f"instead of {self.name}."
            )
        if self.even and "learned" not in self.names:
            raise ConfigError(
                f"even classes are for the scorer learned: leave them out, or choose it instead of "
                f"{self.name}."
            )

    @classmethod
    def of(cls, cfg: SentimentConfig) -> Self:
        """Return the choice that a run's settings make."""
        return cls(cfg.scorer, cfg.model, tuple(cfg.scorer_weights.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The scorers that read texts: the one, or those of the ensemble."""
        return tuple(name for name, _ in self.weights) or (self.name,)

    @property
    def members(self) -> tuple[tuple[ScorerChoice, float], ...]:
        """The choices of an ensemble and their weights; none of another scorer."""
        return tuple((self._member(name), weight) for name, weight in self.weights)

    def _member(self, name: str) -> ScorerChoice:
        takes = [other for other in _WITH_MODEL if other in self.names]
        if len(takes) == len(_WITH_MODEL):
            takes = ["learned" if Path(self.model).is_file() else "finbert"]
        return ScorerChoice(
            name, self.model if name in takes else "", even=self.even if name == "learned" else False
        )

    def _check_weights(self) -> None:
        if (self.name == ENSEMBLE) != bool(self.weights):
            raise ConfigError(
                "give the weights of scorers, such as vader=0.5 and learned=0.5, with the scorer ensemble "
                "and with no other."
            )
        names = [name for name, _ in self.weights]
        for name, weight in self.weights:
            if name not in READERS:
                raise ConfigError(
                    f"the ensemble has a weight for {name!r}; give weights for {', '.join(READERS)}."
                )
            if names.count(name) > 1:
                raise ConfigError(f"the ensemble has two weights for {name}: give one.")
            if not (math.isfinite(weight) and weight > 0):
                raise ConfigError(f"the weight of {name} is {weight}; give a number above 0.")


def scorer(choice: ScorerChoice | str) -> Classifier:
    """Return the scorer of that choice, or of that name.

    Raises
    ------
    ConfigError
        There is no scorer of that name, or finbert's model is not there or cannot be used.
    ModelError
        The model of learned cannot be read.
    MissingExtraError
        A package that the scorer needs is not installed.
    """
    if isinstance(choice, str):
        choice = ScorerChoice(choice)
    if choice.name == ENSEMBLE:
        from mlstrat.sentiment.ensemble import Ensemble

        return Ensemble([(scorer(member), weight) for member, weight in choice.members])
    return _MAKERS[choice.name](choice)


def _vader(_choice: ScorerChoice) -> Classifier:
    from mlstrat.sentiment.scorers import VaderScorer

    return VaderScorer()


def _learned(choice: ScorerChoice) -> Classifier:
    from mlstrat.sentiment.learned.modelfile import load
    from mlstrat.sentiment.learned.scorer import LearnedScorer

    return LearnedScorer(load(choice.model) if choice.model else None, even=choice.even)


def _finbert(choice: ScorerChoice) -> Classifier:
    from mlstrat.sentiment.finbert import FinbertScorer

    return FinbertScorer(choice.model) if choice.model else FinbertScorer()


_MAKERS = {"finbert": _finbert, "learned": _learned, "vader": _vader}
