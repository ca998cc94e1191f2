"""Random texts against brute force: what was known at a moment, and what repeats what."""

import random
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")

from mlstrat.sentiment.store import SentimentStore

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORDS = "bitcoin ether miners regulators fund bank hack record price falls rises again today after before"


def stamp(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "ns")


def known_at(
    seen: list[tuple[datetime, Item]], moment: datetime
) -> dict[tuple[str, str], tuple[Item, datetime]]:
    """By a plain loop over what was added in that order: the newest wording of each text seen by a moment."""
    found: dict[tuple[str, str], tuple[Item, datetime]] = {}
    wordings = set()
    for at, item in sorted(seen, key=lambda pair: pair[0]):
        wording = (item.source, item.key, item.text)
        if at <= moment and wording not in wordings:
            wordings.add(wording)
            found[item.source, item.key] = (item, at)
    return found


def test_0_violations_in_100_000_pairs_of_text_and_moment(tmp_path):
    """Every text is asked for at every moment; its wording and its first sight are compared."""
    draw = random.Random(5)
    seen: list[tuple[datetime, Item]] = []
    pairs = violations = 0
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        for fetch in range(40):
            at = START + fetch * 7 * HOUR
            batch = {}
            for _ in range(50):
                key, minutes = str(draw.randrange(900)), draw.randrange(60 * 24 * 30)
                text = f"Bitcoin text {key}" + draw.choice(["", "", " again", " corrected"])
                published = START + timedelta(minutes=minutes)
                batch[key] = Item(
                    draw.choice(["rss", "x"]), key, text, published, time_known=bool(minutes % 3)
                )
            store.add(list(batch.values()), at)
            seen += [(at, item) for item in batch.values()]
        moments = [START + timedelta(hours=draw.uniform(-5, 300)) for _ in range(50)]
        moments += [at for at, _ in draw.sample(seen, 10)]
        for moment in moments:
            expected = known_at(seen, moment)
            got = store.headlines("BTCUSDT", as_of=moment)
            had = sorted(
                zip(got.texts, got.published_at, got.seen_at, got.time_known, strict=True),
                key=lambda row: row[:3],
            )
            wanted = sorted(
                (item.text, stamp(item.published_at), stamp(at), item.time_known)
                for item, at in expected.values()
            )
            pairs += len(seen)
            violations += len(set(had) ^ set(wanted)) + abs(len(had) - len(wanted))
            violations += int((got.seen_at > stamp(moment)).sum())
    print(f"{pairs:,} pairs of text and moment, {violations} violations")  # noqa: T201
    assert pairs >= 100_000
    assert violations == 0


def test_a_back_test_does_not_change_with_what_is_added_later(tmp_path):
    """First wordings seen by a moment are the same texts, whatever comes behind it."""
    draw = random.Random(6)
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        before: list[tuple] = []
        for fetch in range(20):
            at = START + fetch * HOUR
            texts = [
                Item("rss", str(draw.randrange(60)), f"Text {draw.randrange(9)}", START) for _ in range(10)
            ]
            store.add(texts, at)
            found = store.headlines(first_wording=True)
            rows = sorted(zip(found.texts, found.seen_at, strict=True))
            assert [row for row in rows if row[1] < stamp(at)] == before
            before = rows


def pairs_of(text: str) -> set[tuple[str, str]]:
    words = re.sub(r"[^a-z0-9 ]", " ", text.lower()).split()
    return set(pairwise(words)) if len(words) >= 4 else set()


def test_near_duplicates_are_those_of_a_comparison_of_all_pairs(tmp_path):
    draw, words_of_all = random.Random(7), WORDS.split()
    stories = [" ".join(draw.choices(words_of_all, k=draw.randrange(3, 16))) for _ in range(60)]
    items = []
    for k in range(1_500):
        words = draw.choice(stories).split()
        if draw.random() < 0.4:
            words[draw.randrange(len(words))] = draw.choice(words_of_all)
        if draw.random() < 0.3:
            words.append(draw.choice(words_of_all))
        text = draw.choice([str.title, str.upper, str.capitalize])(" ".join(words)) + draw.choice(
            ["", "!", " ..."]
        )
        published = START + timedelta(minutes=10 * draw.randrange(6 * 24 * 20))
        items.append(Item("rss", str(k), text, published, publisher=draw.choice(["A", "B", "C", "b"])))
    marked = 0
    with SentimentStore(str(tmp_path / "texts.db")) as store:
        for begin in range(0, len(items), 250):
            marked += store.add(items[begin : begin + 250], START + begin * HOUR).near_duplicates
        kept = store.headlines(duplicates=False).texts
        everything = store.headlines().texts
    originals: list[tuple[Item, set]] = []
    for begin in range(0, len(items), 250):
        # Of the same fetch, the one published first counts as seen first.
        for item in sorted(items[begin : begin + 250], key=lambda one: one.published_at):
            mine = pairs_of(item.text)
            copied = any(
                item.publisher.lower() != other.publisher.lower()
                and abs(item.published_at - other.published_at) <= timedelta(hours=72)
                and mine
                and theirs
                and len(mine & theirs) / len(mine | theirs) >= 0.8
                for other, theirs in originals
            )
            if not copied:
                originals.append((item, mine))
    assert sorted(kept) == sorted(item.text for item, _ in originals)
    assert marked == len(items) - len(originals)
    assert 100 < marked < 1_200
    assert len(everything) == len(items)
