"""The grammar of figures: amounts beside others, and changes in per cent."""

import pytest

from mlstrat.sentiment.numbers import FIGURES, read_figures


def figures(text: str) -> list[str]:
    return [word for word in read_figures(text).split() if word in FIGURES]


# By arithmetic: the relative change of the amounts is below 2 %, below 20 %, or more.
BETTER = (
    ("profit rose to 13.1 mn from 8.7 mn", "figuresmuchbetter"),
    ("EPS $0.45 vs $0.41 est.", "figuresbetter"),
    ("sales 20.1 mn versus 20 mn", "figuresslightlybetter"),
    ("loss narrowed to 2.1 mn from 4.4 mn", "figuresmuchbetter"),
    ("a profit of 1.2 mn compared with a loss of 3.0 mn", "figuresmuchbetter"),
    ("EPS $-0.20 vs. consensus of $-0.30", "figuresmuchbetter"),
    ("target raised from $80 to $90", "figuresbetter"),
    ("unemployment rate 3.5% vs 3.6%", "figuresbetter"),
    ("revenue of $1.1 billion against $900 million", "figuresmuchbetter"),
    ("net sales were EUR 5.5 mn , compared with EUR 4.9 mn", "figuresbetter"),
    ("costs down 12%", "figuresmuchbetter"),
    ("shares +5.4 %", "figuresmuchbetter"),
    ("up by 3 percent", "figuresbetter"),
    ("Fund +0.4%", "figuresslightlybetter"),
)
WORSE = (
    ("profit fell to EUR 35.4 mn from EUR 68.8 mn", "figuresmuchworse"),
    ("reported sales $3.22 vs. $3.32 bln", "figuresworse"),
    ("net loss of EUR 2.1 mn, compared to a profit of EUR 4 mn", "figuresmuchworse"),
    ("loss widened to 4.4 mn from 2.1 mn", "figuresmuchworse"),
    ("revenue of $900k against $1m", "figuresworse"),
    ("jobless claims 240K vs 220K", "figuresworse"),
    ("costs up 12%", "figuresmuchworse"),
    ("down 12%", "figuresmuchworse"),
    ("Macy's -6% as hats come out", "figuresmuchworse"),
    ("index \u22120.4 %", "figuresslightlyworse"),
)
SILENT = (
    "nothing here",
    "a growth rate of 12%-13%",
    "in the years from 2019 to 2020",
    "up to 50% off",
    "5 mn from 5 mn",
    "iPhone 12 from Apple",
    "COVID-19 vaccine",
)


@pytest.mark.parametrize(("text", "expected"), BETTER + WORSE)
def test_figures_are_compared(text, expected):
    assert figures(text) == [expected]


@pytest.mark.parametrize("text", SILENT)
def test_other_figures_say_nothing(text):
    assert figures(text) == []


def test_what_surrounds_the_figures_stays():
    assert read_figures("sales of 3 mn vs 2 mn; revs +1.2% yr/yr").split() == [
        "sales", "of", "figuresmuchbetter", ";", "revs", "figuresbetter", "yr/yr",
    ]  # fmt: skip


def test_better_and_worse_mirror_each_other():
    assert {
        word.replace("better", "worse"): -valence for word, valence in FIGURES.items() if valence > 0
    } == {word: valence for word, valence in FIGURES.items() if valence < 0}
