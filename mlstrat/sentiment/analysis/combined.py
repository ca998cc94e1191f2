"""From the mood of the news and of the posts to one mood, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from mlstrat.sentiment.analysis.trend import Trend

Word = Literal["positive", "neutral", "negative"]
Action = Literal["positive_bias", "neutral", "negative_bias"]

# From where a mood has a sign: the thresholds of VADER's authors for its compound score (Hutto and Gilbert
# 2014, in the documentation of vaderSentiment).
POSITIVE_FROM, NEGATIVE_TO = 0.05, -0.05
# A mood gets at most half of a blend with a model's probability.
MAX_WEIGHT = 0.5
_ACTIONS: dict[Word, Action] = {
    "positive": "positive_bias",
    "neutral": "neutral",
    "negative": "negative_bias",
}


class NewsComponent(TypedDict):
    """Mood of the news: the value, the word for it, how many headlines, and what they are about."""

    overall_sentiment: float
    sentiment_score: Word
    news_count: int
    key_topics: list[str]


class SocialComponent(TypedDict):
    """Mood of the posts: on X, on Reddit, on both; how many posts; and where it is heading."""

    twitter_sentiment: float
    reddit_sentiment: float
    overall_social_sentiment: float
    mention_count: int
    sentiment_trend: Trend


class Recommendation(TypedDict):
    """What to do with the mood, why, and how much it may weigh."""

    action: Action
    reason: str
    weight: float


class CombinedSentiment(TypedDict):
    """What `SentimentAnalysis.get_combined_sentiment` returns."""

    combined_sentiment: float
    sentiment_classification: Word
    confidence: float
    news_component: NewsComponent
    social_component: SocialComponent
    recommendation: Recommendation


@dataclass(frozen=True)
class Voice:
    """One mood: score in [-1, 1], confidence in [0, 1] (0: no vote), and how many texts are behind it."""

    score: float = 0.0
    confidence: float = 0.0
    count: int = 0


def word_of(voice: Voice) -> Word:
    """Return positive from 0.05, negative to -0.05, else neutral; neutral without confidence."""
    if voice.confidence > 0 and voice.score >= POSITIVE_FROM:
        return "positive"
    if voice.confidence > 0 and voice.score <= NEGATIVE_TO:
        return "negative"
    return "neutral"


def combined(news: Voice, social: Voice) -> Voice:
    """Return the mean of two voices, each weighing its confidence c.

    ::

        score      = (c_n s_n + c_s s_s) / (c_n + c_s)
        confidence = (c_n c_n + c_s c_s) / (c_n + c_s)

    A voice without confidence has no vote: the other is returned as it is. Both are 0 where nothing is known.
    """
    count = news.count + social.count
    trust = news.confidence + social.confidence
    if trust == 0:
        return Voice(count=count)
    score = (news.confidence * news.score + social.confidence * social.score) / trust
    return Voice(min(1.0, max(-1.0, score)), (news.confidence**2 + social.confidence**2) / trust, count)


def weight_of(news: Voice, social: Voice) -> float:
    """Return how much the combined mood may weigh beside a model, in [0, 0.5].

    ::

        weight = min(0.5, |score| * confidence * k / (k + 1)),  k = (c_n + c_s) ** 2 / (c_n ** 2 + c_s ** 2)

    score and confidence are those of `combined`, and k, from 1 to 2, is the effective number of voices: one
    neutral voice is assumed besides those heard. 0 where the mood is neutral or nothing is known.

    References
    ----------
    Kish (1965), Survey Sampling, ch. 11.7, for the effective number.
    """
    both = combined(news, social)
    if word_of(both) == "neutral":
        return 0.0
    k = (news.confidence + social.confidence) ** 2 / (news.confidence**2 + social.confidence**2)
    return min(MAX_WEIGHT, abs(both.score) * both.confidence * k / (k + 1))


def recommended(symbol: str, news: Voice, social: Voice, heading: Trend) -> Recommendation:
    """Return the bias that the combined mood speaks for, the numbers behind it, and its weight."""
    both = combined(news, social)
    reason = _reason(symbol, both, news, social, heading)
    return {"action": _ACTIONS[word_of(both)], "reason": reason, "weight": weight_of(news, social)}


def _reason(symbol: str, both: Voice, news: Voice, social: Voice, heading: Trend) -> str:
    if both.confidence == 0:
        texts = f"none of {both.count:,} texts has a mood" if both.count else "no texts"
        return f"Nothing is known of the mood about {symbol} ({texts}): it has no vote."
    trend = f"; the posts' trend is {heading}" if social.confidence > 0 else ""
    return (
        f"{word_of(both).capitalize()} sentiment about {symbol} ({both.score:+.2f}) with confidence "
        f"{both.confidence:.2f}: {_told('news', news, 'headline')}, {_told('social', social, 'post')}{trend}."
    )


def _told(name: str, voice: Voice, text: str) -> str:
    texts = f"{voice.count:,} {text}{'' if voice.count == 1 else 's'}"
    return f"{name} {voice.score:+.2f} from {texts}" if voice.confidence > 0 else f"{name} unknown ({texts})"
