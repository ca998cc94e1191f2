"""`mlstrat sentiment`: labelled headlines in, a model out; headlines in, scored headlines out."""

from io import StringIO
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from mlstrat.cli import sentiment_commands
from mlstrat.cli.sentiment_progress import counting
from mlstrat.config_sentiment import ScorerName
from mlstrat.sentiment.learned import table
from mlstrat.sentiment.learned.modelfile import load
from mlstrat.sentiment.learned.scorer import LearnedScorer
from mlstrat.sentiment.scorers import VaderScorer, labels

pytest.importorskip("vaderSentiment", reason="the extra sentiment is not installed")

GOOD = ("Profit soars at {}", "{} beats estimates", "{} raises its outlook", "{} upgraded to buy")
PLAIN = ("{} holds its annual meeting", "{} names a chairman", "{} moves office", "{} reports on Monday")
BAD = ("Loss widens at {}", "{} misses estimates", "{} cuts its outlook", "{} downgraded to sell")
FIRMS = ("Acme", "Borealis", "Cobalt", "Dynamo", "Everest")
WAYS = {"words": ("negative", "neutral", "positive"), "signs": (-1, 0, 1), "counts": (0, 1, 2)}


def _rows(names=WAYS["words"]) -> pd.DataFrame:
    kinds = zip((BAD, PLAIN, GOOD), names, strict=True)
    rows = [(said.format(firm), name) for kind, name in kinds for said in kind for firm in FIRMS]
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.csv"
    _rows().to_csv(path, index=False)
    return path


@pytest.fixture
def headlines(tmp_path):
    path = tmp_path / "headlines.csv"
    texts = ['Acme, "the firm", soars', "NA", "", "Exchange files for bankruptcy", "007"]
    pd.DataFrame({"id": ["01", "02", "03", "04", "05"], "title": texts}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_labels_gives_one_model(mlstrat, tmp_path, way):
    models = []
    for names in (WAYS["words"], WAYS[way]):
        path = tmp_path / "given.csv"
        _rows(names).to_csv(path, index=False)
        result = mlstrat("sentiment", "train", path, "-o", tmp_path / "m.model", "--about", "made up")
        assert result.exit_code == 0, result.stderr
        models.append((tmp_path / "m.model").read_bytes())
    assert models[0] == models[1]
    assert "cross-validated: accuracy" in result.stdout
    assert "60 texts" in result.stdout
    assert load(tmp_path / "m.model").card["about"] == "made up"


def test_training_says_what_it_found(mlstrat, labelled, tmp_path):
    result = mlstrat("sentiment", "train", labelled, "-o", tmp_path / "new/m.model")
    assert result.exit_code == 0, result.stderr
    found = load(tmp_path / "new/m.model").card["cross_validated"]
    assert f"accuracy {found['accuracy']:.3f}" in result.stdout
    assert np.sum(found["confusion"]) == 60
    assert "negative" in result.stdout


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_headlines_get_three_columns_and_keep_theirs(mlstrat, headlines, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 2)
    given = pd.read_csv(headlines, dtype=str, keep_default_na=False)
    out = tmp_path / f"out.{suffix}"
    result = mlstrat("sentiment", "score", headlines, "--text-column", "title", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "5 headlines scored by learned" in result.stdout
    read = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out, dtype={"id": str, "title": str})
    polarity, confidence, labels = LearnedScorer().classify(list(given.title))
    np.testing.assert_array_equal(read.score, polarity)
    np.testing.assert_array_equal(read.confidence, confidence)
    assert list(read.label) == list(labels)
    assert list(read.id) == list(given.id)
    assert read.columns.tolist() == ["id", "title", "score", "label", "confidence"]
    assert read.score[2] == read.confidence[2] == 0.0


def test_parquet_is_read_in_parts_with_holes(mlstrat, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 7)
    given = pd.DataFrame({"text": ["Acme soars", None] * 10, "note": [None] * 15 + ["late"] * 5})
    given.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    result = mlstrat("sentiment", "score", tmp_path / "in.parquet", "-o", out)
    assert result.exit_code == 0, result.stderr
    read = pd.read_parquet(out)
    assert read.note[:15].isna().all()
    assert list(read.note[15:]) == ["late"] * 5
    assert (read.score[1::2] == 0).all()
    assert read.score[::2].nunique() == 1


def test_a_table_without_rows_stays_one(mlstrat, tmp_path):
    for suffix in ("csv", "parquet"):
        path, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        empty = pd.DataFrame({"text": pd.Series([], dtype=str)})
        empty.to_csv(path, index=False) if suffix == "csv" else empty.to_parquet(path)
        assert mlstrat("sentiment", "score", path, "-o", out).exit_code == 0
        read = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
        assert read.columns.tolist() == ["text", "score", "label", "confidence"]
        assert len(read) == 0


def test_vader_scores_and_labels_too(mlstrat, headlines, tmp_path):
    pytest.importorskip("nltk", reason="the extra sentiment is not installed")
    out = tmp_path / "out.csv"
    arguments = ("--text-column", "title", "-o", out)
    result = mlstrat("sentiment", "score", headlines, "--scorer", "vader", *arguments)
    assert result.exit_code == 0, result.stderr
    read = pd.read_csv(out)
    assert list(read.label[[0, 3]]) == ["positive", "negative"]
    result = mlstrat("sentiment", "score", headlines, "--scorer", "vader", "--even", *arguments)
    assert "even classes are for the scorer learned" in result.stderr


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_ensemble_scores_in_two_processes_as_in_one(mlstrat, headlines, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(table, "ROWS", 2)
    monkeypatch.setattr(sentiment_commands, "_CHUNK", 3)
    written = []
    for jobs in (1, 2):
        out = tmp_path / f"{jobs}.{suffix}"
        arguments = ("--text-column", "title", "--jobs", jobs, "-o", out)
        weights = ("--scorer", "ensemble", "--weights", "vader=1, learned=3")
        result = mlstrat("sentiment", "score", headlines, *weights, *arguments)
        assert result.exit_code == 0, result.stderr
        written.append(out.read_bytes())
    assert written[0] == written[1]
    read = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    texts = list(pd.read_csv(headlines, dtype=str, keep_default_na=False).title)
    (p, c), (q, d) = VaderScorer().score(texts), LearnedScorer().score(texts)
    np.testing.assert_allclose(read.confidence, (c + 3 * d) / 4, rtol=1e-12)
    np.testing.assert_allclose(read.score * (c + 3 * d), c * p + 3 * d * q, rtol=1e-12, atol=1e-12)
    assert list(read.label) == list(labels(read.score.to_numpy()))


def test_the_command_offers_every_scorer():
    assert {name.value for name in sentiment_commands.ScorerName} == set(get_args(ScorerName))


def test_progress_is_told_now_and_then():
    said, seconds = StringIO(), iter([0.0, 0.0, 4.0, 11.0, 11.0, 20.0, 22.0, 22.0])
    with counting(Console(file=said, width=100), lambda: next(seconds)) as told:
        for done in (100, 1_100, 2_000, 4_400):
            told(done)
    assert said.getvalue().splitlines() == [
        "1,100 headlines scored, 100 a second",
        "4,400 headlines scored, 200 a second",
    ]


def test_progress_counts_on_a_terminal():
    said = StringIO()
    with counting(Console(file=said, force_terminal=True, width=100)) as told:
        told(1_234)
    assert "1,234 headlines scored" in said.getvalue()


def test_a_model_of_ones_own_and_even_classes(mlstrat, labelled, headlines, tmp_path):
    model, out = tmp_path / "m.model", tmp_path / "out.csv"
    assert mlstrat("sentiment", "train", labelled, "-o", model).exit_code == 0
    arguments = ("--text-column", "title", "--model", model, "--even", "-o", out)
    result = mlstrat("sentiment", "score", headlines, *arguments)
    assert result.exit_code == 0, result.stderr
    texts = list(pd.read_csv(headlines, dtype=str, keep_default_na=False).title)
    wanted, _ = LearnedScorer(load(model), even=True).score(texts)
    np.testing.assert_array_equal(pd.read_csv(out).score, wanted)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("score", "headlines.csv", "-o", "out.csv"), "has no column text"),
        (("score", "headlines.csv", "-o", "out.txt"), "neither CSV nor Parquet"),
        (("score", "headlines.csv", "-o", "headlines.csv"), "is the file that is read"),
        (("score", "loose.csv", "-o", "out.csv"), "put quotes around texts that hold commas"),
        (("score", "scored.csv", "-o", "out.csv"), "already has a column label"),
        (("score", "none.csv", "-o", "out.csv"), "cannot be read"),
        (("score", "broken.parquet", "-o", "out.csv"), "is no readable table"),
        (("score", "headlines.csv", "--model", "headlines.csv", "-o", "out.csv"), "is no sentiment model"),
        (("score", "text.csv", "--scorer", "ensemble", "-o", "out.csv"), "give the weights of scorers"),
        (("score", "text.csv", "--weights", "vader=1", "-o", "out.csv"), "with the scorer ensemble"),
        (
            ("score", "text.csv", "--scorer", "ensemble", "--weights", "vader=a", "-o", "out.csv"),
            "--weights has 'vader=a'",
        ),
        (
            ("score", "text.csv", "--scorer", "ensemble", "--weights", "oracle=1", "-o", "out.csv"),
            "a weight for 'oracle'",
        ),
        (("score", "text.csv", "--scorer", "finbert", "--model", "gone/", "-o", "out.csv"), "is no folder"),
        (("score", "text.csv", "--jobs", "0", "-o", "out.csv"), "jobs is 0; give 1 or more"),
        (("train", "headlines.csv", "--text-column", "title", "-o", "m.model"), "has no column label"),
        (
            ("train", "headlines.csv", "--text-column", "title", "--label-column", "id", "-o", "m"),
            "the labels of",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    mlstrat, headlines, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "text.csv").write_text("text\nup\n")
    (tmp_path / "loose.csv").write_text("text,by\nup, up and away,me\n")
    (tmp_path / "scored.csv").write_text("text,label\nup,good\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = mlstrat("sentiment", *arguments)
    assert result.exit_code in (2, 3, 6)
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
