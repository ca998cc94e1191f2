"""Scorers of headlines: how right, how fast, and how they use two cores.

    python benchmarks/sentiment.py [--parts vader learned] [--labelled FOLDER] [--million 1000000]
        [--random 50000] [--embedded MODEL]

Part `vader`, beside NLTK's own analyser with VADER's own lexicon and thresholds of +-0.05, on the bundled
headlines and in one process, best of `--repeats` in turns:

    headlines_per_s, nltk_headlines_per_s   of one core, loading aside
    equal_to_nltk           random texts that the rules score as NLTK does, of `--random` with each of two
                            lexicons, VADER's and ours
    hostile_ms              the slowest of a line of 1 MB, walls of emoji, odd characters and long figures
    two_worker_speedup      time of one process over that of two for `--million` headlines from a generator
    peak_mib                highest resident memory of this process after them
    labelled                with `--labelled`, a folder with `twitter_fin_news.csv` and `cryptolin.csv`:
                            accuracy, macro-F1 and confusion matrix (rows: truth; negative, neutral, positive)
                            of both, on the official split and the last 20 % by date

Part `learned`, on the same headlines, with the model that ships:

    headlines_per_s         of one core, loading aside
    times_nltk              that, over NLTK's own analyser in the same process and in turns
    load_ms                 reading the model's file, best of `--repeats`
    hostile_ms, two_worker_speedup, peak_mib    as above
    embedded_per_s          with `--embedded`, a model that was trained with embeddings: of one core, on 200
    labelled                with `--labelled`: the model that ships and, with `--embedded`, that one, on the
                            official split, and on the whole and the last 20 % of headlines it never saw

Ends with one JSON line.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from mlstrat.sentiment.chunks import score_chunks
from mlstrat.sentiment.headlines import read_headlines
from mlstrat.sentiment.learned.modelfile import load
from mlstrat.sentiment.learned.scorer import SHIPPED, LearnedScorer
from mlstrat.sentiment.lexicon import NEGATIONS
from mlstrat.sentiment.rules import rules_of
from mlstrat.sentiment.scorers import VaderScorer, labels, plain_analyser, vocabulary

CLASSES = ("negative", "neutral", "positive")
SEED = 7
HOSTILE = {
    "line of 1 MB": "crash " * 175_000,
    "emoji": "\U0001f680" * 100_000,
    "families": "\U0001f469\u200d\U0001f469\u200d\U0001f466" * 20_000,
    "zero width": "\u200b\u200c\u2060\ufeff" * 25_000,
    "right to left": "\u202e\u05d0\u0627 crash " * 10_000,
    "nul": "\x00" * 100_000,
    "surrogates": "\ud800" * 100_000,
    "figures": "from a b c d 1 " * 7_000,
    "moves": "-1% " * 25_000,
    "brackets": "($(@" * 25_000,
    "commas": "1,111" * 20_000,
}


def best(repeats: int, *calls: Callable[[], Any]) -> list[float]:
    """Seconds of each call, the best of `repeats`, taken in turns."""
    times = [[] for _ in calls]
    for _ in range(repeats):
        for seconds, call in zip(times, calls, strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return [min(seconds) for seconds in times]


def judged(truth: Sequence[str], said: Sequence[str]) -> dict[str, object]:
    """Accuracy, macro-F1 and the confusion matrix."""
    table = np.zeros((3, 3), int)
    np.add.at(table, ([CLASSES.index(t) for t in truth], [CLASSES.index(s) for s in said]), 1)
    right = np.diag(table)
    f1 = 2 * right / np.maximum(table.sum(0) + table.sum(1), 1)
    accuracy = right.sum() / table.sum()
    return {
        "accuracy": round(float(accuracy), 3),
        "macro_f1": round(float(f1.mean()), 3),
        "confusion": table.tolist(),
    }


def test_parts(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, texts and labels of the parts on which no word was chosen."""
    import pandas as pd

    twitter = pd.read_csv(folder / "twitter_fin_news.csv")
    crypto = pd.read_csv(folder / "cryptolin.csv").sort_values("date", kind="stable")
    held = {"twitter": twitter[twitter.split == "valid"], "cryptolin": crypto[int(0.8 * len(crypto)) :]}
    for name, rows in held.items():
        yield name, rows.text.tolist(), rows.label.tolist()


def labelled(folder: Path) -> dict[str, object]:
    ours, plain = VaderScorer(), plain_analyser()
    found: dict[str, object] = {}
    for name, texts, truth in test_parts(folder):
        compound = np.array([plain.polarity_scores(text)["compound"] for text in texts])
        found[name] = {
            "plain": judged(truth, labels(compound, negative_to=-0.05, positive_from=0.05)),
            "vader": judged(truth, labels(ours.score(texts)[0])),
        }
    return found


def random_texts(count: int, analyser: Any) -> Iterator[str]:
    """Texts of the words and turns that the rules know, in odd capitals and among odd punctuation."""
    draw, known = random.Random(SEED), analyser.constants
    special = [*known.NEGATE, *known.BOOSTER_DICT, *known.SPECIAL_CASE_IDIOMS, "least", "but", "never so"]
    words, marks = (
        special * 30 + list(analyser.lexicon),
        [*known.PUNC_LIST, "(", "...", "%", "\u200b", "\x00"],
    )
    for _ in range(count):
        drawn = []
        for _ in range(draw.randrange(14)):
            word = draw.choice(words)
            word = draw.choice((word, word, word, word.upper(), word.capitalize()))
            mark = draw.choice(marks)
            drawn.append(draw.choice((word, word, word, word + mark, mark + word)))
        yield " ".join(drawn + drawn[:2])


def equal_texts(count: int) -> dict[str, int]:
    equal = {}
    for name in ("plain", "ours"):
        analyser = plain_analyser()
        if name == "ours":
            analyser.lexicon = vocabulary(analyser.lexicon)
            analyser.constants.NEGATE = analyser.constants.NEGATE | NEGATIONS
        rules = rules_of(analyser)
        equal[name] = sum(
            rules.scores(text) == (marks["compound"], marks["neu"])
            for text in random_texts(count, analyser)
            for marks in (analyser.polarity_scores(text),)
        )
    return equal


def vader(asked: argparse.Namespace) -> dict[str, object]:
    texts = list(read_headlines("sample:headlines", "BTCUSDT").texts)[: asked.headlines or None]
    ours, plain = VaderScorer(), plain_analyser()
    own, nltk = best(
        asked.repeats, lambda: ours.score(texts), lambda: [plain.polarity_scores(text) for text in texts]
    )
    slowest = max(best(asked.repeats, lambda text=text: ours.score([text]))[0] for text in HOSTILE.values())
    return {
        "headlines_per_s": round(len(texts) / own),
        "nltk_headlines_per_s": round(len(texts) / nltk),
        "equal_to_nltk": equal_texts(asked.random),
        "random": asked.random,
        "hostile_ms": round(1000 * slowest, 2),
        **in_chunks("vader", texts, asked),
        "labelled": labelled(asked.labelled) if asked.labelled else None,
    }


def learned(asked: argparse.Namespace) -> dict[str, object]:
    texts = list(read_headlines("sample:headlines", "BTCUSDT").texts)[: asked.headlines or None]
    ours, plain = LearnedScorer(), plain_analyser()
    ours.score(texts[:10])  # compiled
    own, nltk = best(
        asked.repeats, lambda: ours.score(texts), lambda: [plain.polarity_scores(text) for text in texts]
    )
    rate, theirs = len(texts) / own, len(texts) / nltk
    slowest = max(best(asked.repeats, lambda text=text: ours.score([text]))[0] for text in HOSTILE.values())
    embedded = LearnedScorer(load(asked.embedded)) if asked.embedded else None
    return {
        "headlines_per_s": round(rate),
        "nltk_headlines_per_s": round(theirs),
        "times_nltk": round(rate / theirs, 1),
        "load_ms": round(1000 * best(asked.repeats, lambda: load(SHIPPED))[0]),
        "hostile_ms": round(1000 * slowest, 2),
        **in_chunks("learned", texts, asked),
        "embedded_per_s": embedded and round(200 / slow(asked, embedded, texts)),
        "labelled": unseen(asked.labelled, ours, embedded) if asked.labelled else None,
    }


def slow(asked: argparse.Namespace, embedded: LearnedScorer, texts: Sequence[str]) -> float:
    return best(asked.repeats, lambda: embedded.score(texts[:200]))[0]


def unseen(folder: Path, *scorers: LearnedScorer | None) -> dict[str, object]:
    import pandas as pd

    parts = list(test_parts(folder))
    whole = pd.read_csv(folder / "cryptolin.csv")
    parts.append(("cryptolin, whole", whole.text.tolist(), whole.label.tolist()))
    return {
        name: {
            key: judged(truth, one.classify(texts)[2])
            for key, one in zip(("shipped", "embedded"), scorers, strict=True)
            if one is not None
        }
        for name, texts, truth in parts
    }


def in_chunks(name: str, texts: Sequence[str], asked: argparse.Namespace) -> dict[str, object]:
    """Speed-up by two processes, and the memory of this one, for a stream of headlines."""

    def run(jobs: int, count: int) -> None:
        for _ in score_chunks(islice(cycle(texts), count), name, jobs, asked.chunk):
            pass

    run(2, 10 * asked.chunk)  # the processes start and load
    one, two = best(asked.repeats, lambda: run(1, asked.million), lambda: run(2, asked.million))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"two_worker_speedup": round(one / two, 2), "peak_mib": round(peak)}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, object]]] = {"vader": vader, "learned": learned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--labelled", type=Path, help="folder of the labelled headlines")
    parser.add_argument("--embedded", type=Path, help="a model trained with --embeddings")
    parser.add_argument("--headlines", type=int, default=0, help="0 = all that are bundled")
    parser.add_argument("--million", type=int, default=1_000_000, help="headlines of the stream")
    parser.add_argument("--chunk", type=int, default=5_000)
    parser.add_argument("--random", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    found = {}
    for name in asked.parts:
        found[name] = PARTS[name](asked)
        for key, value in found[name].items():
            print(f"{name} {key:22} {value}", flush=True)
    command = "python benchmarks/sentiment.py " + " ".join(sys.argv[1:])
    print(json.dumps({**found, "command": command.strip()}))


if __name__ == "__main__":
    main()
