"""The known-at join, against a plain loop over every pair of bar and headline."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstrat.config_sentiment import SentimentConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.data.timeframe import Timeframe
from mlstrat.errors import DataError
from mlstrat.sentiment.align import SentimentSeries, daily_code, daily_values, neutral, to_bars
from mlstrat.sentiment.headlines import Headlines
from mlstrat.sentiment.weights import weights_of

START = np.datetime64("2022-01-01T00:00", "ns")
HOUR = np.timedelta64(3600, "s")
SETTINGS = {"latency_minutes": 5.0, "half_life_hours": 12.0, "window_hours": 72.0}
COLUMNS = ("score", "confidence", "count", "dispersion", "shock")
MINUTE = np.timedelta64(60, "s")


def make_bars(n, timeframe="1h", missing=()):
    length = Timeframe(timeframe)
    keep = np.setdiff1d(np.arange(n), missing)
    flat = np.full(len(keep), 100.0)
    return Bars(
        START + keep * length.delta, flat, flat, flat, flat, flat, "BTCUSDT", length, Instrument("BTCUSDT")
    )


def make_headlines(minutes, known=None):
    published = START + np.sort(np.asarray(minutes, np.int64)) * np.timedelta64(60, "s")
    n = len(published)
    known = np.ones(n, bool) if known is None else np.asarray(known, bool)
    return Headlines(published, known, ("a",) * n, ("",) * n)


def random_case(seed, n=300):
    rng = np.random.default_rng(seed)
    headlines = make_headlines(rng.integers(-3 * 1440, 12 * 1440, n), rng.random(n) < 0.8)
    confidence = np.where(rng.random(n) < 0.3, 0.0, rng.random(n))
    return headlines, rng.uniform(-1, 1, n), confidence


def known_at(headlines, latency_minutes):
    """From the definition, by the calendar: publication, or the midnight after its day; then the latency."""
    moments = []
    for stamp, time_known in zip(headlines.published_at, headlines.time_known, strict=True):
        moment = datetime.fromisoformat(str(stamp.astype("datetime64[us]")))
        if not time_known:
            moment = datetime(moment.year, moment.month, moment.day) + timedelta(days=1)
        moments.append(moment + timedelta(minutes=latency_minutes))
    return moments


def by_loop(
    headlines, polarity, confidence, moments, latency_minutes, half_life_hours, window_hours, own=None
):
    known = known_at(headlines, latency_minutes)
    own = np.ones(len(known)) if own is None else own
    rows = []
    for moment in moments:
        now = datetime.fromisoformat(str(moment.astype("datetime64[us]")))
        ages = [(now - k).total_seconds() / 3600 for k in known]
        seen = [i for i, age in enumerate(ages) if 0 <= age < window_hours]
        weights = {i: own[i] * math.exp(-math.log(2) * ages[i] / half_life_hours) for i in seen}
        trusted = math.fsum(weights[i] * confidence[i] for i in seen)
        leaning = math.fsum(weights[i] * confidence[i] * polarity[i] for i in seen)
        effective = math.fsum(weights.values())
        count = sum(own[i] > 0 for i in seen)
        if trusted == 0:
            rows.append((0.0, 0.0, count, 0.0))
            continue
        mean_confidence = trusted / effective
        score = leaning / trusted
        voting = [i for i in seen if weights[i] * confidence[i] > 0]
        around = math.fsum(weights[i] * confidence[i] * (polarity[i] - score) ** 2 for i in voting)
        spread = math.sqrt(around / trusted) if len(voting) > 1 else 0.0
        rows.append(
            (score, effective / (effective + 3) * mean_confidence, sum(own[i] > 0 for i in seen), spread)
        )
    return np.array(rows).T


def assert_same_bits(ours, theirs, n):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(ours, name)[:n], getattr(theirs, name)[:n])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("timeframe", ["1h", "4h", "1d"])
def test_equals_the_plain_loop(seed, timeframe):
    headlines, polarity, confidence = random_case(seed)
    bars = make_bars(10 * 86_400 // Timeframe(timeframe).seconds, timeframe, missing=(3, 4))
    for given_settings in (SETTINGS, {"latency_minutes": 0.0, "half_life_hours": 1.5, "window_hours": 7.0}):
        own = np.random.default_rng(seed).choice([0.0, 0.05, 1.0, 2.5], len(headlines))
        for weight in (None, own):
            series = to_bars(headlines, polarity, confidence, bars, **given_settings, weight=weight)
            score, trust, count, spread = by_loop(
                headlines, polarity, confidence, bars.close_time, **given_settings, own=weight
            )
            np.testing.assert_allclose(series.score, score, rtol=0, atol=1e-12)
            np.testing.assert_allclose(series.confidence, trust, rtol=0, atol=1e-12)
            np.testing.assert_allclose(series.dispersion, spread, rtol=0, atol=1e-7)
            np.testing.assert_array_equal(series.count, count)


def test_a_daily_value_is_the_one_of_the_last_midnight_on_the_grid():
    headlines, polarity, confidence = random_case(4)
    bars = make_bars(240)
    series = to_bars(headlines, polarity, confidence, bars, **SETTINGS, resolution="1d")
    midnights = [np.datetime64(str(moment)[:10], "ns") for moment in bars.time]
    score, trust, count, spread = by_loop(headlines, polarity, confidence, midnights, **SETTINGS)
    np.testing.assert_allclose(series.dispersion, spread, rtol=0, atol=1e-7)
    np.testing.assert_allclose(series.confidence, trust, rtol=0, atol=0.125 + 1e-12)
    known = series.known
    np.testing.assert_array_equal(known, trust > 0.125)
    np.testing.assert_allclose(series.score[known], score[known], rtol=0, atol=0.05 + 1e-12)
    np.testing.assert_array_equal(series.score[~known], 0.0)
    np.testing.assert_array_equal(series.count, count)
    assert set(series.score.tolist()) <= {level / 10 for level in range(-10, 11)}
    assert set(series.confidence.tolist()) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    for name in COLUMNS:
        by_day = getattr(series, name).reshape(10, 24)
        np.testing.assert_array_equal(by_day, np.repeat(by_day[:, :1], 24, axis=1))
    assert len(set(series.score.tolist())) > 3


def every_day():
    """Each pair of a level of score and one of confidence, in the order of their codes."""
    return [(0.0, 0.0), *((k / 10, j / 4) for k in range(-10, 11) for j in range(1, 5))]


def test_each_code_is_one_day_and_its_values_are_the_decimals_bit_for_bit():
    score, confidence = daily_values(np.arange(85))
    wanted = np.array(every_day())
    assert score.tobytes() == np.ascontiguousarray(wanted[:, 0]).tobytes()  # no -0 either
    assert confidence.tobytes() == np.ascontiguousarray(wanted[:, 1]).tobytes()
    np.testing.assert_array_equal(daily_code(score, confidence), np.arange(85))
    assert daily_code(score, confidence).dtype == np.int64


@settings(max_examples=300, deadline=None, derandomize=True)
@given(score=st.floats(-1, 1), confidence=st.floats(0, 1))
def test_a_code_stands_for_the_nearest_day(score, confidence):
    (code,) = daily_code(np.array([score]), np.array([confidence]))
    assert 0 <= code <= 84
    (near,), (sure,) = daily_values(np.array([code]))
    assert abs(sure - confidence) <= 0.125
    assert abs(near - score) <= 0.05 + 1e-15 if sure else near == 0.0


def test_a_daily_series_is_that_of_its_codes():
    headlines, polarity, confidence = random_case(8, n=9)
    series = to_bars(headlines, polarity, confidence, make_bars(240), **SETTINGS, resolution="1d")
    score, trust = daily_values(daily_code(series.score, series.confidence))
    assert score.tobytes() == series.score.tobytes()
    assert trust.tobytes() == series.confidence.tobytes()
    assert 0 < series.known.sum() < 240


def test_a_single_headline_halves_with_its_half_life_and_ends_with_the_window():
    headlines = make_headlines([0])
    setting = {"latency_minutes": 60.0, "half_life_hours": 2.0, "window_hours": 6.0}
    series = to_bars(headlines, np.array([-0.5]), np.array([0.8]), make_bars(9), **setting)
    weights = np.array([1, 2**-0.5, 0.5, 2**-1.5, 0.25, 2**-2.5])
    np.testing.assert_allclose(series.confidence[:6], 0.8 * weights / (weights + 3), rtol=1e-14)
    np.testing.assert_allclose(series.score[:6], -0.5, rtol=1e-14)
    assert series.count.tolist() == [1] * 6 + [0] * 3
    assert not series.known[6:].any()


@pytest.mark.parametrize("resolution", ["bar", "1d"])
def test_a_midnight_stamp_of_unknown_time_counts_from_the_next_day(resolution):
    headlines = make_headlines([0], known=[False])
    setting = {**SETTINGS, "latency_minutes": 0.0}
    series = to_bars(headlines, np.ones(1), np.ones(1), make_bars(48), **setting, resolution=resolution)
    first = int(np.argmax(series.known))
    assert first == (23 if resolution == "bar" else 24)
    assert not series.known[:first].any()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    minutes=st.lists(st.integers(-2000, 4000), min_size=1, max_size=12),
    known=st.lists(st.booleans(), min_size=12, max_size=12),
    latency=st.sampled_from([0.0, 0.5, 5.0, 61.0]),
    resolution=st.sampled_from(["bar", "1d"]),
    data=st.data(),
)
def test_no_headline_influences_a_bar_that_closes_before_it_is_known(
    minutes, known, latency, resolution, data
):
    headlines = make_headlines(minutes, known[: len(minutes)])
    n = len(headlines)
    changed = data.draw(st.integers(0, n - 1))
    bars = make_bars(60)
    setting = {**SETTINGS, "latency_minutes": latency}
    polarity, confidence = np.linspace(-1, 1, n), np.full(n, 0.9)
    before = to_bars(headlines, polarity, confidence, bars, **setting, resolution=resolution)
    polarity[changed], confidence[changed] = 0.123, 0.456
    after = to_bars(headlines, polarity, confidence, bars, **setting, resolution=resolution)
    moment = np.datetime64(known_at(headlines, latency)[changed], "ns")
    assert_same_bits(before, after, int(np.sum(bars.close_time < moment)))


@pytest.mark.parametrize("resolution", ["bar", "1d"])
def test_cut_at_every_bar_all_earlier_values_keep_their_bits(resolution):
    headlines, polarity, confidence = random_case(5)
    bars = make_bars(240, missing=(50, 51, 52))
    whole = to_bars(headlines, polarity, confidence, bars, **SETTINGS, resolution=resolution)
    for cut in range(1, len(bars)):
        known = headlines.published_at <= bars.close_time[cut - 1]
        texts = ("a",) * int(known.sum())
        past = Headlines(
            headlines.published_at[known], headlines.time_known[known], texts, ("",) * len(texts)
        )
        part = to_bars(
            past, polarity[known], confidence[known], bars[:cut], **SETTINGS, resolution=resolution
        )
        assert_same_bits(whole, part, cut)


@pytest.mark.parametrize("minutes", [[], [10_000], [-10_000]])
def test_where_nothing_is_known_the_series_is_neutral(minutes):
    headlines = make_headlines(minutes)
    series = to_bars(headlines, np.ones(len(minutes)), np.ones(len(minutes)), make_bars(24), **SETTINGS)
    assert_same_bits(series, neutral(make_bars(24)), 24)
    assert not series.known.any()


def test_headlines_without_a_mood_count_but_have_no_vote():
    series = to_bars(make_headlines([0, 1]), np.zeros(2), np.zeros(2), make_bars(3), **SETTINGS)
    assert series.count.tolist() == [2, 2, 2]
    assert not series.known.any()
    assert not series.score.any()


def test_confidence_rises_with_the_number_of_headlines():
    trust = [
        to_bars(make_headlines([0] * n), np.ones(n), np.full(n, 0.5), make_bars(1), **SETTINGS).confidence[0]
        for n in (1, 2, 5, 20, 500)
    ]
    assert trust == sorted(set(trust))
    assert trust[-1] < 0.5


def test_what_was_given_is_not_changed():
    headlines, polarity, confidence = random_case(6)
    copies = polarity.copy(), confidence.copy()
    series = to_bars(headlines, polarity, confidence, make_bars(24), **SETTINGS)
    np.testing.assert_array_equal(polarity, copies[0])
    np.testing.assert_array_equal(confidence, copies[1])
    with pytest.raises(ValueError, match="read-only"):
        series.score[0] = 1.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"latency_minutes": -1.0}, "latency_minutes is -1.0: give 0 or more"),
        ({"latency_minutes": math.nan}, "latency_minutes is nan: give 0 or more"),
        ({"half_life_hours": 0.0}, "half_life_hours is 0.0: give a positive number"),
        ({"window_hours": math.inf}, "window_hours is inf: give a positive number"),
        ({"resolution": "1w"}, "resolution is '1w': give bar or 1d"),
        ({"polarity": np.array([1.1])}, "headline 0 has polarity 1.1 .* give a polarity in"),
        ({"confidence": np.array([np.nan])}, "headline 0 has .* confidence nan: give"),
        ({"polarity": np.zeros(2)}, "score every headline once"),
        ({"weight": np.zeros(2)}, "weights of 1 headlines are wrong: give each one finite weight"),
        ({"weight": np.array([-0.1])}, "weights of 1 headlines are wrong: give each one finite weight"),
        ({"weight": np.array([np.inf])}, "weights of 1 headlines are wrong: give each one finite weight"),
        ({"known_by": "guessed"}, "known_by is 'guessed': give published or seen"),
        ({"known_by": "seen"}, "1 of 1 headlines do not tell when they were first seen: set"),
    ],
)
def test_impossible_input_is_refused(change, sentence):
    given_input = {"polarity": np.zeros(1), "confidence": np.zeros(1), **SETTINGS, **change}
    with pytest.raises(DataError, match=sentence):
        to_bars(make_headlines([0]), bars=make_bars(3), **given_input)


def test_a_series_holds_its_laws():
    time, zeros, count = make_bars(2).time, np.zeros(2), np.zeros(2, np.int64)
    with pytest.raises(DataError, match=r"sentiment\.confidence has 1 rows for 2 bars: give one value a bar"):
        SentimentSeries(time, zeros, np.zeros(1), count)
    with pytest.raises(DataError, match="sentiment of bar 1 is out of range"):
        SentimentSeries(time, np.array([0.0, np.nan]), zeros, count)
    with pytest.raises(DataError, match="sentiment of bar 0 is out of range"):
        SentimentSeries(time, zeros, np.array([-0.1, 0.0]), count)
    with pytest.raises(DataError, match="sentiment of bar 1 is out of range"):
        SentimentSeries(time, zeros, zeros, count, dispersion=np.array([0.0, 1.1]))
    with pytest.raises(DataError, match=r"sentiment\.shock has 1 rows for 2 bars: give one value a bar"):
        SentimentSeries(time, zeros, zeros, count, shock=np.zeros(1, bool))


def test_a_part_of_a_series_is_that_of_its_columns():
    headlines, polarity, confidence = random_case(9)
    series = to_bars(headlines, polarity, confidence, make_bars(240), **SETTINGS)
    part, frame = series[100:120], series.frame()
    assert tuple(frame.columns) == COLUMNS
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(part, name), getattr(series, name)[100:120])
        np.testing.assert_array_equal(frame[name].to_numpy(), getattr(series, name))
    assert_same_bits(series, series.head(50), 50)
    assert len(series.head(50)) == 50


def test_a_plain_series_has_no_dispersion_and_no_shock():
    time, zeros = make_bars(2).time, np.zeros(2)
    series = SentimentSeries(time, zeros, zeros, np.zeros(2, np.int64))
    assert series.dispersion.tolist() == [0.0, 0.0]
    assert series.shock.tolist() == [False, False]


def test_dispersion_is_that_of_two_opinions():
    moods = np.array([1.0, -1.0])
    for confidence, wanted in (([0.5, 0.5], 1.0), ([0.5, 0.0], 0.0), ([0.6, 0.2], math.sqrt(0.75))):
        series = to_bars(make_headlines([0, 0]), moods, np.array(confidence), make_bars(1), **SETTINGS)
        assert series.dispersion[0] == pytest.approx(wanted, abs=1e-15)
    alone = to_bars(make_headlines([0]), np.array([0.3]), np.array([0.7]), make_bars(60), **SETTINGS)
    assert not alone.dispersion.any()


def test_what_a_source_says_of_the_mood_replaces_the_score():
    bare = make_headlines([0, 30])
    told = replace(bare, given_polarity=np.array([-0.5, np.nan]))
    series = to_bars(told, np.array([0.9, 0.7]), np.array([0.1, 0.3]), make_bars(3), **SETTINGS)
    same = to_bars(bare, np.array([-0.5, 0.7]), np.array([1.0, 0.3]), make_bars(3), **SETTINGS)
    assert_same_bits(series, same, 3)


def test_known_when_seen_is_never_before_the_publication_nor_before_it_was_seen():
    bare = make_headlines([0, 0, 1440], known=[True, True, False])
    seen = START + np.array([600, 0, 1500]) * MINUTE  # ten hours late, at once, before its day has ended
    series = to_bars(
        replace(bare, seen_at=seen),
        np.ones(3),
        np.ones(3),
        make_bars(72),
        **{**SETTINGS, "latency_minutes": 0.0},
        known_by="seen",
    )
    # A bar closes an hour after it opens: those of 01:00 to 09:00 know one, from 10:00 two, from day 2 three.
    assert series.count.tolist() == [1] * 9 + [2] * 38 + [3] * (72 - 47 - 1) + [2]


LONG_SETTINGS = {"latency_minutes": 7.0, "half_life_hours": 12.0, "window_hours": 72.0}
FARTHEST = np.timedelta64(78, "h")  # the shock looks back the farthest


def long_case(n=100_000, years=90):
    """Headlines over decades: some stamped to the minute of a close, some seen late, some with a day only."""
    rng = np.random.default_rng(11)
    minutes = np.sort(rng.integers(0, years * 365 * 1440, n))
    minutes[::7] -= minutes[::7] % 240 + 7  # known at the very moment a bar closes
    bare = make_headlines(np.sort(minutes), rng.random(n) < 0.8)
    late = np.where(rng.random(n) < 0.5, 0, rng.integers(-600, 6000, n)) * MINUTE
    told = np.where(rng.random(n) < 0.1, rng.uniform(-1, 1, n), np.nan)
    headlines = replace(bare, seen_at=bare.published_at + late, given_polarity=told)
    missing = rng.integers(0, years * 365 * 6, 2_000)
    return headlines, make_bars(years * 365 * 6, "4h", missing), rng


def moments_known(headlines, latency_minutes):
    """By the calendar, as `known_at`, and not before the headline was seen."""
    seen = (headlines.seen_at + round(latency_minutes) * MINUTE).astype("datetime64[us]").tolist()
    published = known_at(headlines, latency_minutes)
    return np.array([max(pair) for pair in zip(published, seen, strict=True)], "datetime64[ns]")


def test_of_100_000_random_headlines_none_is_known_too_early(record_property):
    headlines, bars, rng = long_case()
    n = len(headlines)
    known = moments_known(headlines, LONG_SETTINGS["latency_minutes"])
    polarity, confidence, weight = rng.uniform(-1, 1, n), rng.random(n), rng.choice([0.05, 1.0, 3.0], n)
    run = partial(to_bars, bars=bars, **LONG_SETTINGS, known_by="seen")
    before = run(headlines, polarity, confidence, weight=weight)
    # Headlines that are far apart are changed at once, so that each changed bar tells which one changed it.
    order, slot = np.argsort(known, kind="stable"), FARTHEST + np.timedelta64(42, "h")
    group, free = np.empty(n, np.int64), []
    for i in order:
        place = next((k for k, last in enumerate(free) if known[i] - last >= slot), len(free))
        free[place : place + 1] = [known[i]]
        group[i] = place
    violations, silent = 0, 0
    for members in (order[group[order] == k] for k in range(len(free))):
        p, c, w, told = polarity.copy(), confidence.copy(), weight.copy(), headlines.given_polarity.copy()
        p[members], c[members], w[members], told[members] = -np.sign(p[members]), 0.987, 1.7, np.nan
        after = run(replace(headlines, given_polarity=told), p, c, weight=w)
        other = np.any([getattr(after, name) != getattr(before, name) for name in COLUMNS], axis=0)
        closes = bars.close_time[other]
        cause = np.searchsorted(known[members], closes, side="right") - 1
        age = closes - known[members][np.maximum(cause, 0)]
        violations += int(np.sum((cause < 0) | (age >= FARTHEST)))
        silent += len(members) - len(np.unique(cause))
    print(f"point-in-time violations: {violations} in {n:,} headlines", end=" ")  # noqa: T201
    record_property("violations", violations)
    assert violations == 0
    assert silent < 0.001 * n  # the check sees influence where there is some


def test_what_becomes_known_later_changes_no_weight_and_no_value_before():
    rng = np.random.default_rng(3)
    n = 400
    words = np.array(["bitcoin", "ether", "rises", "falls", "record", "low", "fund", "bank", "court", "fee"])
    texts = tuple(" ".join(rng.choice(words, 4)) for _ in range(n))
    minutes = rng.integers(0, 10 * 1440, n)
    minutes[:50] = 8 * 1440 + np.arange(50)
    bare = make_headlines(minutes, rng.random(n) < 0.8)
    publishers = tuple(rng.choice(["wire", "blog"], n).tolist())
    late = bare.published_at + rng.integers(0, 600, n) * MINUTE
    whole = replace(bare, texts=texts, source=publishers, reach=rng.exponential(500.0, n), seen_at=late)
    cfg = SentimentConfig(known_by="seen", reach=True, source_weights={"blog": 0.5})
    polarity, confidence, bars = rng.uniform(-1, 1, n), rng.random(n), make_bars(240, missing=(50, 51))
    known = moments_known(whole, SETTINGS["latency_minutes"])

    def run(rows, until):
        part = Headlines(
            whole.published_at[rows],
            whole.time_known[rows],
            tuple(np.array(texts)[rows]),
            tuple(np.array(publishers)[rows]),
            seen_at=whole.seen_at[rows],
            reach=whole.reach[rows],
        )
        moods = polarity[rows], confidence[rows]
        weight = weights_of(part, cfg)
        return weight, to_bars(part, *moods, bars[:until], **SETTINGS, weight=weight, known_by="seen")

    weight, series = run(np.ones(n, bool), len(bars))
    assert len(set(weight.tolist())) > 100
    assert series.shock.any()
    assert not series.shock[: 8 * 24 - 4].any()
    for cut in range(1, len(bars)):
        rows = known <= bars.close_time[cut - 1]
        part_weight, part = run(rows, cut)
        np.testing.assert_array_equal(part_weight, weight[rows])
        assert_same_bits(series, part, cut)
