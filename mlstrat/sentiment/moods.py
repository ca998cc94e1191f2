"""Which outputs of a classifier mean which mood, by the names that the model gives them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mlstrat.arrays import IntArray
from mlstrat.errors import ConfigError
from mlstrat.sentiment.learned.model import CLASSES

NEUTRAL = CLASSES.index("neutral")
_NAMES = (
    {"negative", "neg", "bearish", "bear", "very negative"},
    {"neutral", "neu"},
    {"positive", "pos", "bullish", "bull", "very positive"},
)
_STARS = re.compile(r"([1-5]) stars?")
_MOST_STARS = 5
_UNNAMED = re.compile(r"label \d+")


def mood_of_outputs(config: Any, model: str) -> IntArray:
    """Return the place in `CLASSES` of each output of a model.

    Negative, neutral and positive are known as such, short, as bearish and bullish, with a "very" before
    them, and as one to five stars: one and two are negative, three neutral, four and five positive. A model
    may lack neutral.

    Parameters
    ----------
    config : transformers.PretrainedConfig
        With `id2label`.
    model : str
        Its name, for messages.

    Raises
    ------
    ConfigError
        A name says no mood, negative or positive is missing, or the outputs are not shares of one whole.
    """
    names = [str(config.id2label[place]) for place in range(len(config.id2label))]
    plain = [" ".join(re.split(r"[\s_-]+", name.strip().lower())) for name in names]
    found = [_mood(name) for name in plain] if not _too_few_stars(plain) else []
    if config.problem_type in ("regression", "multi_label_classification"):
        raise ConfigError(
            f"the model {model} is fitted for {config.problem_type}, whose outputs are not shares of one "
            "whole: give a classifier with one label a text."
        )
    moods = [mood for mood in found if mood is not None]
    if len(moods) < len(names) or not {0, len(CLASSES) - 1} <= set(moods):
        raise ConfigError(_sentence(names, plain, model))
    return np.array(moods, np.int64)


def _mood(name: str) -> int | None:
    stars = _STARS.fullmatch(name)
    if stars:
        return int(np.sign(int(stars[1]) - 3)) + NEUTRAL
    return next((place for place, known in enumerate(_NAMES) if name in known), None)


def _too_few_stars(names: list[str]) -> bool:
    stars = [name for name in names if _STARS.fullmatch(name)]
    return bool(stars) and len(set(stars)) != _MOST_STARS


def _sentence(names: list[str], plain: list[str], model: str) -> str:
    listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    if all(_UNNAMED.fullmatch(name) for name in plain):
        return (
            f"the outputs of the model {model} are called {listed}, which does not say what they mean: write "
            'their names into id2label of its config.json, such as {"0": "negative", "1": "neutral", '
            '"2": "positive"}, from what its authors say.'
        )
    return (
        f"the outputs of the model {model} are called {listed}: give a model whose outputs are called "
        "negative, neutral and positive, or rename them in id2label of its config.json."
    )
