"""The page of an importance stands alone and shows no NaN; the plot is a picture."""

import re
import sys

import numpy as np
import pytest
from test_report_page import read

from mlstrat.errors import ConfigError, MissingExtraError, RunFolderError
from mlstrat.importance_result import FoldScore, Importance, Permutation
from mlstrat.reports.importance import SHOWN, features, plot_importance, render

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def importance_of(n: int = 30, folds: int = 4, size: float = 1e-4, seed: int = 0) -> Importance:
    """The first feature is worth ten times the noise; pairs form clusters."""
    rng = np.random.default_rng(seed)
    by_fold = size * rng.normal(size=(folds, n))
    by_fold[:, 0] = size * np.linspace(10, 11, folds)
    names = ("best<&>", *(f"feature_{k}" for k in range(1, n)))
    pairs = [names[k : k + 2] for k in range(0, n, 2)]
    when = np.datetime64("2024-01-01", "ns") + np.arange(folds) * np.timedelta64(30, "D")
    return Importance(
        symbol="BTC<USDT>",
        timeframe="1h",
        target_periods=5,
        names=names,
        permutation=Permutation(by_fold, np.full(n, size)),
        impurity_by_fold=np.full((folds, n), 1.0 / n),
        clusters=tuple(pairs),
        cluster_permutation=Permutation(by_fold[:, ::2], np.full(len(pairs), size)),
        folds=tuple(FoldScore(cut, 1000 * (k + 1), 1000, 10, 0.692, 0.693) for k, cut in enumerate(when)),
    )


@pytest.fixture(scope="module")
def html() -> str:
    return render(importance_of())


def test_the_notes_come_before_any_figure(html: str) -> None:
    text, _ = read(html)
    places = [text.index(" ".join(note.split())) for note in importance_of().notes]
    assert places == sorted(places)
    assert html.index("stands above noise: best&lt;&amp;&gt;") < html.index("<svg")


def test_sections_come_in_order(html: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        f"The {SHOWN} most important features",
        "Clusters of alike features",
        "Does it last?",
        "How it is measured",
    ]


def test_the_page_stands_alone(html: str) -> None:
    text, reader = read(html)
    assert not re.search(r"(https?:)?//\w", html)
    assert not re.search(r"<(script|link|iframe|img|image)\b|@import|url\((?!#)", html)
    assert not re.search(r"\b(nan|NaN|inf|None)\b", text)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids)) > 0
    assert html.count("<svg aria-hidden") == 4
    assert "#0001" not in html
    assert "DejaVu" not in html


def test_text_from_outside_is_escaped(html: str) -> None:
    assert "BTC&lt;USDT&gt;" in html
    assert "<USDT>" not in html
    assert "best<" not in html


def test_every_feature_is_on_the_page_and_the_rest_is_folded_away(html: str) -> None:
    text, _ = read(html)
    assert "The other 10 features" in text
    assert all(f"feature_{k}" in text for k in range(1, 30))


def test_a_row_says_what_the_figures_say() -> None:
    found = importance_of()
    table = features(found, found.order[:1])
    assert table.rows[0][:3] == ("best<&>", "yes", f"{100 * found.share[0]:.1f}\u00a0%")
    assert table.rows[0][3] == "+105.00"  # the mean of 10 to 11 times 1e-4, in hundred-thousandths
    assert table.rows[0][5:7] == ("10.00", "4 of 4")
    assert len(table.head) == len(table.rows[0])


@pytest.mark.parametrize(("n", "folds"), [(1, 2), (3, 12)])
def test_few_features_and_many_folds_fit(n: int, folds: int) -> None:
    text, reader = read(render(importance_of(n, folds)))
    assert reader.open == []
    assert f"The {n} most important features" in text
    assert "The other" not in text


def test_worth_nothing_everywhere_still_renders() -> None:
    text, _ = read(render(importance_of(size=0.0)))
    assert "None of the 30 features stands above noise: treat the order as noise." in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_the_plot_is_a_picture_with_the_same_bytes_each_time(tmp_path) -> None:
    for name in ("one.png", "two.png"):
        plot_importance(importance_of(), tmp_path / name)
    picture = (tmp_path / "one.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture == (tmp_path / "two.png").read_bytes()


def test_the_page_is_written_by_the_same_function(tmp_path, html: str) -> None:
    plot_importance(importance_of(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_another_kind_of_file_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"neither a \.png nor an \.html file: give a name"):
        plot_importance(importance_of(), tmp_path / "plot.pdf")
    with pytest.raises(RunFolderError, match="cannot be written"):
        plot_importance(importance_of(), tmp_path / "nowhere" / "plot.html")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mlstrat\[report\]"'):
        render(importance_of(4))
