"""The public contract suites pass what is sound, and name what is not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier

from mlstrat.features.registry import REGISTRY, feature
from mlstrat.labels import HorizonLabels, horizon_labels
from mlstrat.sentiment.headlines import Headlines, read_headlines
from mlstrat.signals.kelly import kelly_fraction, position_fraction
from mlstrat.testing import (
    check_feature,
    check_label,
    check_model,
    check_scorer,
    check_sizer,
    check_source,
)

KD_TREE = ("sklearn.metrics._dist_metrics.EuclideanDistance64", "sklearn.neighbors._kd_tree.KDTree")


class Line:
    """A least-squares line in the first column: the least that a regressor must be."""

    def fit(self, x, y):
        self.slope = float(np.mean((x[:, 0] - x[:, 0].mean()) * y))
        return self

    def predict(self, x):
        return self.slope * x[:, 0]


class Forgetful(Line):
    def fit(self, x, y):
        x -= x.mean(axis=0)
        return super().fit(x, y)


class Restless(Line):
    def fit(self, x, y):
        super().fit(x, y)
        self.slope += np.random.default_rng().normal()
        return self


class Sociable(Line):
    def predict(self, x):
        return super().predict(x) - super().predict(x).mean()


class Counting(Line):
    calls = 0

    def predict(self, x):
        self.calls += len(x) == 1
        return super().predict(x) + self.calls * 1e-12


class Elephant(Line):
    slopes = 0.0

    def fit(self, x, y):
        super().fit(x, y)
        self.slope = self.slopes = self.slopes + self.slope
        return self


class Column(Line):
    def predict(self, x):
        return super().predict(x)[:, None]


class Fussy(Line):
    def fit(self, x, y):
        if (x.std(axis=0) == 0).any():
            raise ValueError("a column does not vary")
        return super().fit(x, y)


class Bold(Line):
    def predict_proba(self, x):
        p = 0.5 + 3.0 * x[:, 0]
        return np.column_stack([1 - p, p])


class Unnormalised(Line):
    def predict_proba(self, x):
        p = np.full(len(x), 0.4)
        return np.column_stack([p, p])


class Silent:
    def predict(self, x):
        return np.zeros(len(x))


@pytest.mark.parametrize(
    ("model", "trust"),
    [
        (Line, ()),
        (LogisticRegression, ()),
        (Ridge(alpha=3.0), ()),
        (DecisionTreeClassifier(max_depth=3), ()),
        (KNeighborsRegressor(3), KD_TREE),
    ],
)
def test_a_sound_model_passes(model, trust):
    check_model(model, trust=trust)


def test_lightgbm_passes():
    lightgbm = pytest.importorskip("lightgbm")
    check_model(lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1))
    check_model(lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbosity=-1))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Forgetful, "Forgetful changes X of fit: work on a copy"),
        (Restless, "Restless fitted twice on the same data predicts differently"),
        (Sociable, "Sociable predicts a row otherwise alone than among others"),
        (Counting, "Counting predicts a row otherwise after other rows"),
        (Elephant, "Elephant fitted a second time remembers the first"),
        (Column, r"predict of Column returns shape \(80, 1\) for 80 rows"),
        (Fussy, r"Fussy fails to fit 250 rows of 6 columns \(ValueError: a column does not vary\)"),
        (Bold, r"Bold gives probabilities outside \[0, 1\]"),
        (Unnormalised, "the probabilities of Unnormalised do not add up to 1"),
        (Silent, "Silent has no fit"),
        (KNeighborsRegressor, "KNeighborsRegressor stores types that are not trusted: pass trust="),
    ],
)
def test_an_unsound_model_is_told_what_is_wrong(model, words):
    with pytest.raises(AssertionError, match=words):
        check_model(model)


def test_a_given_estimator_is_never_fitted_itself():
    given = LogisticRegression()
    check_model(given)
    assert not hasattr(given, "coef_")


@pytest.fixture
def registered():
    """Features registered by a test leave with it."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def register(name, function, **how):
    feature(name, inputs=("close", "volume"), **{"lookback": 5, **how})(function)
    return name


@pytest.mark.parametrize("name", ["rsi_14", "vol_ratio_5_20", "volume_ratio", "atr_px"])
def test_features_of_this_package_pass(name):
    check_feature(name)


def test_a_sound_feature_of_a_user_passes(registered):
    check_feature(register("up_5", lambda frame: frame["close"].pct_change(4)))


BAD = {
    "centred": (lambda f: f["close"].pct_change().rolling(5, center=True).mean(), {}, "sees the future"),
    "scaled": (lambda f: f["close"] / f["close"].max(), {}, "sees the future"),
    "price": (lambda f: f["close"].diff(4), {}, "depends on the unit of price"),
    "busy": (lambda f: f["volume"].rolling(5).sum(), {}, "depends on the unit of volume"),
    "endless": (lambda f: f["close"].pct_change().cumsum(), {}, "recomputed from its last 5 bars"),
    "early": (lambda f: f["close"].pct_change(9), {}, "declare lookback=10"),
    "dice": (
        lambda f: f["close"] * 0 + np.random.default_rng().normal(size=len(f)),
        {},
        "gives other values for the same bars",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unsound_feature_is_told_what_is_wrong(name, registered):
    function, how, words = BAD[name]
    with pytest.raises(AssertionError, match=words):
        check_feature(register(name, function, **how))


def test_a_feature_that_is_not_there_is_named():
    with pytest.raises(AssertionError, match="'rsi_15' is not registered: the nearest is"):
        check_feature("rsi_15")


def five(bars):
    return horizon_labels(bars, 5)


def test_the_labels_of_this_package_pass():
    check_label(five)


def resolved_early(bars):
    made = five(bars)
    return HorizonLabels(made.ret, made.up, made.resolved_at - np.timedelta64(1, "h"))


def resolved_late(bars):
    made = five(bars)
    return HorizonLabels(made.ret, made.up, made.resolved_at + np.timedelta64(1, "h"))


def resolved_at_once(bars):
    made = five(bars)
    known = ~np.isnat(made.resolved_at)
    return HorizonLabels(
        made.ret,
        made.up,
        np.where(known, bars.close_time, np.datetime64("NaT", "ns")).astype("datetime64[ns]"),
    )


def standardised(bars):
    made = five(bars)
    ret = made.ret / np.nanstd(made.ret)
    return HorizonLabels(ret, made.up, made.resolved_at)


def half_known(bars):
    made = five(bars)
    return HorizonLabels(made.ret, np.nan_to_num(made.up), made.resolved_at)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (resolved_early, "is not known when the bars end at .* resolved_at is too early"),
        (resolved_late, "is known when the bars end at .*, before its resolved_at"),
        (resolved_at_once, "is resolved by the close of its own bar"),
        (standardised, "ret of bar 0 changes after its resolved_at: it reads later bars"),
        (half_known, "ret and up of the label are not known together"),
    ],
)
def test_an_unsound_label_is_told_what_is_wrong(label, words):
    with pytest.raises(AssertionError, match=words):
        check_label(label)


def half_kelly(win_prob, win_se, payoff):
    return position_fraction(kelly_fraction(win_prob, win_se, payoff, 0.5), 0.5, 0.08, 0.001, 1.0)


def test_the_sizer_of_this_package_passes():
    check_sizer(half_kelly, cap=0.08)


@pytest.mark.parametrize(
    ("sizer", "words"),
    [
        (lambda p, se, b: 0.02, "where the mean outcome is no win: give 0"),
        (lambda p, se, b: 2.0 * half_kelly(p, se, b), r"give a share from 0 to 0\.08"),
        (lambda p, se, b: 0.08 - half_kelly(p, se, b) if half_kelly(p, se, b) else 0.0, "let it grow"),
        (lambda p, se, b: half_kelly(p, 1.0 - se, b), "for a less certain estimate, .*: let it shrink"),
        (lambda p, se, b: max(0.0, min(0.08, p - (1 - p) / b)), "which are no odds: give 0"),
    ],
)
def test_an_unsound_sizer_is_told_what_is_wrong(sizer, words):
    with pytest.raises(AssertionError, match=words):
        check_sizer(sizer, cap=0.08)


class Counted:
    """Polarity by the share of capitals: a scorer of one line."""

    def score(self, texts):
        marks = np.array([sum(c.isupper() for c in text) / max(len(text), 1) for text in texts])
        return marks.reshape(-1), np.abs(marks).reshape(-1)


class Ranked(Counted):
    def score(self, texts):
        polarity, sure = super().score(texts)
        return polarity / max(polarity.max(initial=0.0), 1e-9), sure


class Loud(Counted):
    def score(self, texts):
        polarity, sure = super().score(texts)
        return 2.0 * polarity, sure


class Strict(Counted):
    def score(self, texts):
        for text in texts:
            text.encode("utf-8")
        return super().score(texts)


class Opinionated(Counted):
    def score(self, texts):
        polarity, sure = super().score(texts)
        return polarity, sure * 0.5 + 0.5


def test_a_sound_scorer_passes():
    check_scorer(Counted())


def test_vader_passes():
    pytest.importorskip("vaderSentiment")
    from mlstrat.sentiment.scorers import VaderScorer

    check_scorer(VaderScorer())


@pytest.mark.parametrize(
    ("scorer", "words"),
    [
        (Ranked(), "another score alone than among others"),
        (Loud(), r"polarity of .* give a number in \[-1, 1\]"),
        (Strict(), r"the scorer fails on 1,005 texts, such as '\\ud800' \(UnicodeEncodeError"),
        (Opinionated(), "an empty text must have score 0 and 0"),
    ],
)
def test_an_unsound_scorer_is_told_what_is_wrong(scorer, words):
    with pytest.raises(AssertionError, match=words):
        check_scorer(scorer)


@dataclass
class Loose:
    """What `Headlines` would refuse."""

    published_at: np.ndarray
    time_known: np.ndarray
    texts: tuple
    source: tuple
    known_from: np.ndarray


def headlines(stamps, texts, known=True, shift=0):
    published = np.array(stamps, "datetime64[ns]")
    n = len(texts)
    return Loose(
        published, np.full(n, known), tuple(texts), ("",) * n, published + np.timedelta64(shift, "h")
    )


TWO = ["2021-10-12T20:00", "2021-10-13T00:00"]


def test_the_sample_passes():
    check_source(lambda symbol: read_headlines("sample:headlines", symbol), now=np.datetime64("2026-01-01"))


def test_plain_headlines_pass():
    made = Headlines(np.array(TWO, "datetime64[ns]"), np.array([True, False]), ("a", "b"), ("", ""))
    check_source(lambda symbol: made)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (headlines(TWO[::-1], "ab"), "headlines are not in order"),
        (headlines(["2021-10-12T20:00", "NaT"], "ab"), "a headline has no stamp"),
        (headlines(TWO, ["a", " "]), "headline 1 has no text"),
        (headlines(TWO, "ab", shift=-1), "headline 0 is known before it was published"),
        (headlines(TWO, "ab", known=False), "headline 0 has a day and no time"),
        (replace(headlines(TWO, "ab"), source=("",)), "source has 1 values for 2 headlines"),
        (headlines([], []), "the source has no headlines for BTCUSDT"),
        (headlines(["2031-10-12T20:00"], "a"), "is of 2031-10-12T20:00.*, after 2026"),
    ],
)
def test_an_unsound_source_is_told_what_is_wrong(made, words):
    with pytest.raises(AssertionError, match=words):
        check_source(lambda symbol: made, now=np.datetime64("2026-01-01"))


def test_a_source_that_changes_is_told_so():
    made = iter([headlines(TWO, "ab"), headlines(TWO, "ac")])
    with pytest.raises(AssertionError, match="gives other headlines when it is read again"):
        check_source(lambda symbol: next(made))
