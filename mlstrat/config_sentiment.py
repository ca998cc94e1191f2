"""`[sentiment]` of a run file: which headlines, who reads them, and when they count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

# What a scorer can be called; `ensemble` is the weighted mean of others.
ScorerName = Literal["vader", "learned", "finbert", "ensemble"]
Weights = Mapping[str, Annotated[float, Field(gt=0)]]
# A year of minutes and of hours, and ten years of hours: more is a slip of units.
MOST_LATENCY_MINUTES, MOST_WINDOW_HOURS, MOST_HALF_LIFE_HOURS = 525_600, 8_760, 87_600
# The columns of a model's input that are of headlines; no feature of bars may take their names.
MOOD_FEATURES = ("sentiment_score", "sentiment_confidence", "sentiment_lean")


class SentimentConfig(BaseModel):
    """Where headlines come from, how they are scored, and when they are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    source: str = "none"
    scorer: ScorerName = "learned"
    model: str = ""
    scorer_weights: Weights = {}
    known_by: Literal["published", "seen"] = "published"
    latency_minutes: Annotated[float, Field(ge=0, le=MOST_LATENCY_MINUTES)] = 5.0
    half_life_hours: Annotated[float, Field(gt=0, le=MOST_HALF_LIFE_HOURS)] = 12.0
    window_hours: Annotated[float, Field(gt=0, le=MOST_WINDOW_HOURS)] = 72.0
    novelty: bool = True
    reach: bool = False
    source_weights: Mapping[str, Annotated[float, Field(ge=0)]] = {}
    resolution: Literal["bar", "1d"] = "bar"
    features: bool = False

    @field_serializer("scorer_weights", "source_weights")
    def _in_order(self, weights: Mapping[str, float]) -> dict[str, float]:
        return dict(sorted(weights.items()))

    @model_validator(mode="after")
    def _weights_have_a_use(self) -> Self:
        if (self.scorer == "ensemble") != bool(self.scorer_weights):
            raise ValueError(
                "give sentiment.scorer_weights, such as {vader = 0.5, learned = 0.5}, with the scorer "
                "ensemble and with no other"
            )
        return self
