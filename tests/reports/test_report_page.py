"""The page stands alone, shows no NaN, and stores strict JSON."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlstrat.errors import MissingExtraError
from mlstrat.reports import page
from mlstrat.reports.story import Story

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

VOID = {"meta", "link", "br", "path", "use", "hr", "img", "input", "rect", "circle", "line"}


class Reader(HTMLParser):
    """Collects visible text, ids and unclosed elements."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def read(html: str) -> tuple[str, Reader]:
    reader = Reader()
    reader.feed(html)
    return " ".join(" ".join(reader.text).split()), reader


def refuse(constant: str) -> Any:
    raise AssertionError(f"metrics.json holds {constant}")


@pytest.fixture(scope="module")
def written(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "trades.csv").write_text("symbol\n")
    page.write(folder, story)
    return folder


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "report.html").read_text(encoding="utf-8")


def test_the_verdict_comes_before_any_figure(html: str, written: Path) -> None:
    text, _ = read(html)
    said = json.loads((written / "metrics.json").read_text())["verdict"]
    places = [text.index(" ".join(sentence.split())) for sentence in said]
    assert places == sorted(places)
    assert places[-1] < text.index("Return") < text.index("Evidence") < text.index("Equity")
    assert html.index(said[0]) < html.index("<svg")


def test_sections_come_in_the_order_of_the_story(html: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "Evidence",
        "Equity",
        "From bars to trades",
        "Were the forecasts any good?",
        "Windows",
        "Trades",
        "Costs",
        "What else one could have done",
        "Notes on the data",
        "Files beside this page",
        "Settings",
        "Manifest",
    ]


def test_no_nan_is_shown(html: str) -> None:
    text, _ = read(html)
    assert not re.search(r"\b(nan|NaN|inf|None)\b", text)


def test_the_page_asks_for_nothing_elsewhere(html: str) -> None:
    assert not re.search(r"(https?:)?//\w", html)
    assert not re.search(r"<(script|link|iframe|img)\b|@import|url\((?!#)", html)


def test_elements_are_closed_and_ids_unique(html: str) -> None:
    _, reader = read(html)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids)) > 0
    targets = set(re.findall(r'(?:href="#|url\(#)([^")]+)', html))
    assert targets <= set(reader.ids)


def test_figures_have_a_text_alternative_and_both_sizes(html: str) -> None:
    assert html.count('role="img" aria-label="') == 7
    assert html.count("<svg aria-hidden") == 14
    assert "var(--accent)" in html
    assert "DejaVu" not in html
    assert "#0001" not in html


def test_text_from_outside_is_escaped(html: str) -> None:
    assert "3 bars have &lt;no&gt; volume &amp; are kept." in html


def test_the_manifest_is_flat_and_does_not_repeat_the_settings(html: str) -> None:
    assert "<dt>versions.numpy</dt>" in html
    assert "<dt>seed</dt><dd>7</dd>" in html
    assert "config.seed" not in html


def test_only_files_that_exist_are_linked(html: str) -> None:
    assert 'href="trades.csv"' in html
    assert "quantstats.html" not in html


def test_what_worse_fills_leave_comes_before_how_it_was_reckoned(html: str) -> None:
    head = re.findall(
        r'<th scope="col"[^>]*>([^<]*)</th>', html[html.index("What worse fills leave of it") :]
    )
    first, rest = ["Fills", "Return", "p", "Edge"], ["Sharpe", "95 % interval", "Trades"]
    assert head[:8] == [*first, *rest, "Cost of a market fill"]


def test_long_lists_of_trades_are_cut_in_the_middle(html: str, story: Story) -> None:
    text, _ = read(html)
    assert len(story.result.trades) > 40
    assert f"{len(story.result.trades) - 40} trades between them left out." in text


def test_metrics_are_strict_json_with_null_for_nan(written: Path, story: Story) -> None:
    text = (written / "metrics.json").read_text(encoding="utf-8")
    stored = json.loads(text, parse_constant=refuse)
    assert stored["sentiment_share"] is None
    assert stored["performance"]["final_equity"] == story.result.equity[-1]
    assert stored["funnel"]["trades"] == len(story.result.trades)
    assert set(stored["baselines"]) == {"hold_at_exposure", "hold_at_volatility", "sma_cross", "hold"}
    assert stored["from"] == "2023-01-13T13:00:00Z"


def test_writing_again_gives_the_same_bytes_and_leaves_no_part(
    written: Path, story: Story, html: str, tmp_path: Path
) -> None:
    (tmp_path / "trades.csv").touch()
    page.write(tmp_path, story)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert (tmp_path / "metrics.json").read_bytes() == (written / "metrics.json").read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"trades.csv", "report.html", "metrics.json"}


def test_a_run_without_trades_says_what_stopped_it(make_story: Callable[..., Story], tmp_path: Path) -> None:
    page.write(tmp_path, make_story(trading=False))
    text, _ = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert text.count("The entry threshold stopped every bar: 0.52 would have passed.") == 2
    assert "There are none." in text
    assert not re.search(r"\b(nan|NaN|inf|None)\b", text)
    json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)


def test_a_run_without_outcomes_still_renders(make_story: Callable[..., Story], tmp_path: Path) -> None:
    page.write(tmp_path, make_story(up=np.full(900, np.nan), sentiment_share=0.25))
    text, _ = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Sentiment was known on 25.0 % of the predicted bars." in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_a_missing_extra_is_named(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mlstrat\[report\]"'):
        page.write(tmp_path, story)


def test_importing_the_report_imports_no_heavy_package() -> None:
    code = (
        "import sys, mlstrat.reports.page; "
        "print(sorted({'matplotlib','quantstats','jinja2','pandas','sklearn','torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
