"""A store of texts: each wording once, with when it was first seen; and what is refused."""

import multiprocessing
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlstrat.errors import ConfigError, DataError, MissingExtraError
from mlstrat.sentiment.headlines import read_headlines
from mlstrat.sentiment.items import Item

pytest.importorskip("sqlalchemy")

from mlstrat.sentiment.store import Added, SentimentStore, schema
from mlstrat.sentiment.store.language import clearly_not_english
from mlstrat.sentiment.store.places import place_of
from mlstrat.sentiment.store.tables import SCHEMA

START = datetime(2024, 3, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def item(key: str, text: str, hours: float = 0.0, **more) -> Item:
    return Item("rss", key, text, at(hours), **more)


def stamp(hours: float) -> np.datetime64:
    return np.datetime64(at(hours).replace(tzinfo=None), "ns")


@pytest.fixture
def store(tmp_path):
    with SentimentStore(str(tmp_path / "texts.db")) as opened:
        yield opened


def test_what_is_added_comes_back_in_order_of_publication(store):
    later = item("b", "Bitcoin falls", 5, publisher="Wire", reach=12.5, polarity=-0.5)
    earlier = item("a", "Markets are calm", 1, time_known=False)
    assert store.add([later, earlier], at(6)) == Added(new=2)
    found = store.headlines("BTCUSDT")
    assert found.texts == ("Markets are calm", "Bitcoin falls")
    assert found.source == ("rss", "Wire")
    np.testing.assert_array_equal(found.published_at, [stamp(1), stamp(5)])
    np.testing.assert_array_equal(found.seen_at, [stamp(6)] * 2)
    np.testing.assert_array_equal(found.time_known, [False, True])
    np.testing.assert_array_equal(found.reach, [0.0, 12.5])
    np.testing.assert_array_equal(found.given_polarity, [np.nan, -0.5])
    assert len(store) == 2


def test_adding_again_changes_nothing(store):
    texts = [item(str(k), f"Text number {k} of today", k) for k in range(5)]
    store.add(texts, at(10))
    assert store.add([*texts, texts[0]], at(20)) == Added(known=6)
    np.testing.assert_array_equal(store.headlines().seen_at, [stamp(10)] * 5)
    assert store.add([item("1", texts[1].text, 1, reach=99.0)], at(21)) == Added(known=1)
    assert not store.headlines().reach.any()


def test_an_edited_text_is_a_new_wording_with_its_own_first_sight(store):
    assert store.add([item("a", "Bitcoin rises")], at(1)) == Added(new=1)
    assert store.add([item("a", "Correction: Bitcoin falls")], at(3)) == Added(revised=1)
    assert store.headlines().texts == ("Correction: Bitcoin falls",)
    assert store.headlines(first_wording=True).texts == ("Bitcoin rises",)
    for hours, texts in ((0.9, ()), (1, ("Bitcoin rises",)), (2.9, ("Bitcoin rises",))):
        assert store.headlines(as_of=at(hours)).texts == texts
    seen = store.headlines(as_of=stamp(3))
    assert seen.texts == ("Correction: Bitcoin falls",)
    np.testing.assert_array_equal(seen.seen_at, [stamp(3)])
    assert store.add([item("a", "Bitcoin rises")], at(5)) == Added(known=1)
    assert len(store) == 1


def test_the_same_key_of_another_source_is_another_text(store):
    other = Item("newsapi", "a", "Bitcoin rises", START)
    assert store.add([item("a", "Bitcoin rises"), other], at(1)) == Added(new=2)


def test_bounds_are_from_and_before(store):
    store.add([item(str(k), f"Text {k}", k) for k in range(5)], at(9))
    assert store.headlines(since=at(1), until=at(3)).texts == ("Text 1", "Text 2")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The bundled headlines and four more, as a file and as a store."""
    import pandas as pd

    from mlstrat.data.samples import headlines_path

    folder = tmp_path_factory.mktemp("sample")
    frame = pd.read_parquet(headlines_path()).dropna(subset=["title"])
    titles = ["NEAR and BTC rise", "Bitcoin near its high", "SPY, ETH", "ETH and Spyglass"]
    more = pd.DataFrame({"title": titles, "time": frame.time.iloc[:4], "source": "Wire", "subject": None})
    frame = pd.concat([frame, more.assign(time_known=True)], ignore_index=True)
    frame.to_parquet(folder / "texts.parquet")
    subjects = frame.subject.fillna("").str.split()
    items = [
        Item(
            "file",
            str(k),
            row.title,
            row.time.to_pydatetime(),
            publisher=row.source,
            subjects=tuple(subjects[k]),
        )
        for k, row in frame.iterrows()
    ]
    with SentimentStore(str(folder / "texts.db")) as store:
        store.add(items, at(0))
        yield folder / "texts.parquet", store


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETH-USD", "NEARUSDT", "SPY", ""])
def test_a_symbol_chooses_what_a_file_of_the_same_texts_gives(sample, symbol):
    """The file goes through `concerns` row by row, the store through its table of mentions."""
    file, store = sample
    oracle, found = read_headlines(file, symbol), store.headlines(symbol, language="")
    assert sorted(zip(found.texts, found.source, found.published_at, strict=True)) == sorted(
        zip((text.strip() for text in oracle.texts), oracle.source, oracle.published_at, strict=True)
    )
    assert found.off_topic == oracle.off_topic


def test_subjects_of_the_source_count_as_names(store):
    store.add(
        [item("a", "To the moon", subjects=("ETH",)), item("b", "Fees rise", subjects=("BTC", "ETH"))], at(1)
    )
    assert store.headlines("ETHUSDT").texts == ("To the moon", "Fees rise")
    assert store.headlines("BTCUSDT").texts == ("Fees rise",)
    assert sorted(store.headlines().subjects) == ["BTC ETH", "ETH"]


def test_a_subject_that_is_a_word_too_names_its_coin(store):
    store.add([item("a", "Fees rise", subjects=("NEAR",)), item("b", "Gas falls", subjects=("link",))], at(1))
    assert store.headlines("NEARUSDT").texts == ("Fees rise",)
    assert store.headlines("LINKUSDT").texts == ("Gas falls",)
    assert len(store.headlines("BTCUSDT")) == 0


def test_mentions_follow_the_table_of_names(tmp_path, monkeypatch):
    place = str(tmp_path / "texts.db")
    with SentimentStore(place) as store:
        store.add([item("a", "Bitcoin and Floki rise"), item("b", "Floki falls", 1)], at(2))
        assert len(store.headlines("ETHUSDT")) == 1
    monkeypatch.setattr(schema, "_aliases", lambda: "of a later version")
    monkeypatch.setattr(schema, "coins_in", lambda text: {"FLOKI"} if "Floki" in text else set())
    with SentimentStore(place) as store:
        assert len(store.headlines("ETHUSDT")) == 0


def test_languages(store):
    texts = [
        item("a", "Bitcoin rises", language="en-US"),
        item("b", "Bitcoin steigt", 1, language="de"),
        item("c", "Bitcoin climbs", 2),
        item("d", "Биткоин растёт", 3),
    ]
    store.add(texts, at(9))
    assert store.headlines().texts == ("Bitcoin rises", "Bitcoin climbs")
    assert store.headlines(language="de").texts == ("Bitcoin steigt", "Биткоин растёт")
    assert len(store.headlines(language="")) == 4


def test_clearly_not_english():
    for text in (
        "Биткоин обновил максимум",
        "比特币价格上涨",
        "ビットコインが急騰",
        "Der Bitcoin wird für viele Anleger nicht billiger",
        "El precio de las criptomonedas sube más según los analistas",
        "Le bitcoin dans les fonds selon une étude",
    ):
        assert clearly_not_english(text), text
    for text in (
        "Los Angeles and Las Vegas accept Bitcoin",
        "El Salvador buys the dip",
        "BTC 🚀🚀🚀",
        "€1,000,000",
        "Café owner Muñoz on bitcoin",
        "gm",
    ):
        assert not clearly_not_english(text), text
    wrong = sum(map(clearly_not_english, read_headlines("sample:headlines").texts))
    assert wrong == 0


def test_hostile_texts_are_kept(store):
    texts = [
        "a\0b Bitcoin",
        "half \ud800 pair",
        "'; DROP TABLE texts; --",
        "%_\\",
        "x" * 200_000,
        "\u202e\U0001f680",
    ]
    items = [item(f"{k}\0\ud800", text, k, url="\0", publisher="\udfff") for k, text in enumerate(texts)]
    assert store.add(items, at(9)) == Added(new=6)
    assert store.add(items, at(10)) == Added(known=6)
    found = store.headlines("BTCUSDT")
    assert found.texts[0] == "a\ufffdb Bitcoin"
    assert found.texts[1] == "half ? pair"
    assert found.texts[2:] == tuple(texts[2:])


def test_years_that_nanoseconds_do_not_reach_are_left_out(store):
    old = Item("rss", "a", "Founded", datetime(1, 1, 1, tzinfo=UTC))
    new = Item("rss", "b", "Due", datetime(9999, 1, 1, tzinfo=UTC))
    assert store.add([old, new, item("c", "Now")], at(1)) == Added(new=1, left_out=2)


def test_a_moment_needs_a_zone(store):
    with pytest.raises(DataError, match="has no time zone: give it in UTC"):
        store.add([item("a", "Bitcoin")], datetime(2024, 1, 1))
    with pytest.raises(DataError, match="a moment is missing: give a time"):
        store.headlines(as_of=np.datetime64("NaT"))
    with pytest.raises(DataError, match="out of range: give one from 1678"):
        store.headlines(since=datetime(1, 1, 1, tzinfo=UTC))


class Length:
    """Scores by the length of the text, and counts what it was given."""

    def __init__(self):
        self.read = []

    def score(self, texts):
        self.read.extend(texts)
        return np.array([-1.0 / len(text) for text in texts]), np.array([1.0 / len(text) for text in texts])


def test_each_wording_is_scored_once_a_version(store):
    from mlstrat.sentiment.store import ScorerVersion

    one, two = ScorerVersion("length", "1"), ScorerVersion("length", "2")
    store.add(
        [item(str(k), f"Text {k}" + "!" * k, k) for k in range(7)] + [item("again", "Text 0", 8)], at(9)
    )
    scorer = Length()
    assert store.score(scorer, one, at(10), chunk=3) == 7
    assert sorted(scorer.read) == sorted({f"Text {k}" + "!" * k for k in range(7)})
    assert store.score(scorer, one, at(11)) == 0
    store.add([item("b", "More text", 9)], at(12))
    assert store.score(scorer, one, at(13)) == 1
    texts = store.headlines().texts
    polarity, confidence = store.scores(texts, one)
    np.testing.assert_array_equal(polarity, [-1.0 / len(text) for text in texts])
    np.testing.assert_array_equal(confidence, -polarity)
    before, _ = store.scores(texts, one, as_of=at(12))
    assert np.isnan(before).tolist() == [text == "More text" for text in texts]
    assert np.isnan(store.scores(texts, one, as_of=at(9.9))[0]).all()
    assert np.isnan(store.scores(texts, two)[0]).all()
    assert store.scores((), one)[0].shape == (0,)


def test_a_version_is_of_name_model_and_weights(tmp_path):
    from mlstrat.sentiment.choice import ScorerChoice
    from mlstrat.sentiment.store import version_of

    model = tmp_path / "own.model"
    versions = [version_of("vader"), version_of("learned")]
    for content in (b"one", b"two"):
        model.write_bytes(content)
        versions.append(version_of(ScorerChoice("learned", str(model))))
    versions.append(version_of(ScorerChoice("learned", even=True)))
    for share in (0.4, 0.5):
        versions.append(version_of(ScorerChoice("ensemble", weights=(("vader", share), ("learned", 0.5)))))
    assert len({one.version for one in versions}) == len(versions)
    assert version_of(ScorerChoice("vader")) == versions[0]
    with pytest.raises(ConfigError, match=r"sentiment\.scorer is 'guess'"):
        version_of("guess")
    with pytest.raises(ConfigError, match=r"the model .*absent cannot be read .*: give another"):
        version_of(ScorerChoice("learned", str(tmp_path / "absent")))


def test_a_version_is_not_of_caches(tmp_path):
    from mlstrat.sentiment.store.versions import _hash_of

    (tmp_path / "code.py").write_text("x = 1")
    before = _hash_of(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    for name in ("code.pyc", "code.nbi"):
        (tmp_path / "__pycache__" / name).write_text("compiled")
    assert _hash_of(tmp_path) == before
    (tmp_path / "words.py").write_text("")
    beside = _hash_of(tmp_path)
    assert beside != before
    (tmp_path / "deeper").mkdir()
    (tmp_path / "words.py").rename(tmp_path / "deeper" / "words.py")
    assert _hash_of(tmp_path) not in (before, beside)
    (tmp_path / "words.py").mkdir()
    assert _hash_of(tmp_path) not in (before, beside)


@pytest.mark.parametrize("name", ["vader", "learned", "finbert"])
def test_a_version_is_of_what_its_scorer_imports(name):
    import ast

    from mlstrat.sentiment.store.versions import _FOLDER, _PARTS

    entry = {"vader": "scorers.py", "learned": "learned/scorer.py", "finbert": "finbert.py"}[name]
    modules = [
        node.module.removeprefix("mlstrat.sentiment.").replace(".", "/")
        for node in ast.parse((_FOLDER / entry).read_text()).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlstrat.sentiment.")
    ]
    found = {entry, *(one if (_FOLDER / one).is_dir() else f"{one}.py" for one in modules)}
    kept = _PARTS[name][0]
    assert not [part for part in found if part not in kept and part.partition("/")[0] not in kept]


def test_a_version_is_the_same_in_another_process():
    from mlstrat.sentiment.store import version_of

    code = "from mlstrat.sentiment.store import version_of; print(version_of('learned').version)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version_of("learned").version


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mysql://host/texts", "mysql is not supported as a store: give a file such as sentiment.db"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://texts.db", "too few slashes: write sqlite:///texts.db"),
        ("postgresql://host:port/x", "address of the store cannot be read"),
        ("postgresql://me:canary@host/x", "the address .* holds a password: leave it out"),
        ("postgresql://me@host/x?password=canary", "the address .* holds a password: leave it out"),
    ],
)
def test_addresses_that_are_refused(text, what):
    with pytest.raises(DataError, match=what) as caught:
        place_of(text)
    assert "canary" not in str(caught.value)


def test_addresses():
    assert place_of("a b/texts.db").database == "a b/texts.db"
    assert place_of("sqlite:////tmp/texts.db").database == "/tmp/texts.db"
    assert place_of("postgresql://me@host/x").drivername == "postgresql+psycopg"


def test_a_file_that_is_no_store_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no database" * 100)
    with pytest.raises(DataError, match=r"notes\.txt is no database: give the file of a store"):
        SentimentStore(str(text))
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE texts (words TEXT)")
    with pytest.raises(DataError, match=r"other\.db holds a table texts of another program"):
        SentimentStore(str(other))
    with pytest.raises(DataError, match=r"is a folder: give a file"):
        SentimentStore(str(tmp_path))
    with pytest.raises(DataError, match=r"the folder .*absent is not there: make it"):
        SentimentStore(str(tmp_path / "absent" / "texts.db"))


def test_a_store_that_must_be_there_is_not_made(tmp_path):
    place = tmp_path / "texts.db"
    with pytest.raises(
        DataError, match=r"there is no store .*texts\.db: make one with mlstrat sentiment fetch"
    ):
        SentimentStore(str(place), create=False)
    assert not place.exists()
    sqlite3.connect(place).close()
    place.touch()
    with pytest.raises(DataError, match=r"texts\.db holds no store of headlines"):
        SentimentStore(str(place), create=False)


@pytest.mark.parametrize(
    ("version", "what"),
    [
        (
            str(SCHEMA + 1),
            rf"has schema {SCHEMA + 1}, and this version of mlstrat knows up to {SCHEMA}: install",
        ),
        ("first", r"has no schema that can be read \('first'\): give another store"),
    ],
)
def test_a_newer_schema_is_refused(tmp_path, version, what):
    place = tmp_path / "texts.db"
    SentimentStore(str(place)).close()
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE store_facts SET value = ? WHERE name = 'schema'", (version,))
    with pytest.raises(DataError, match=what):
        SentimentStore(str(place))


def test_a_driver_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"A store in PostgreSQL needs the package psycopg"):
        SentimentStore("postgresql://nobody@127.0.0.1:1/none")


def test_without_sqlalchemy_the_extra_is_named():
    code = "import sys; sys.modules['sqlalchemy'] = None; import mlstrat.sentiment.store"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        'A store of headlines needs the package SQLAlchemy: run `pip install "mlstrat[sentiment]"`'
        in done.stderr
    )


def _write(place: str, worker: int) -> Added:
    with SentimentStore(place) as store:
        total = Added()
        for k in range(10):
            own = item(f"{worker} {k}", f"Own text {worker} {k}", k)
            total += store.add([own, item(f"all {k}", f"Text {k} of all", k)], at(20 + k))
        return total


def test_writers_take_turns(tmp_path):
    place = str(tmp_path / "texts.db")
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        done = pool.starmap(_write, [(place, worker) for worker in range(3)])
    assert sum(one.new for one in done) == 3 * 10 + 10
    assert sum(one.known for one in done) == 2 * 10
    with SentimentStore(place) as store:
        assert len(store) == 40


def test_a_reader_does_not_wait_for_a_writer(tmp_path, store):
    from mlstrat.sentiment.store.dialects import writing

    store.add([item("a", "Bitcoin")], at(1))
    with writing(store._engine), SentimentStore(str(store)) as other:
        assert len(other.headlines()) == 1


def test_a_failed_add_leaves_nothing(store, monkeypatch):
    from mlstrat.sentiment.store import adding

    def fails(*_):
        raise DataError("the disk is full: free space.")

    monkeypatch.setattr(adding, "mentions_of", fails)
    with pytest.raises(DataError, match="disk is full"):
        store.add([item("a", "Bitcoin")], at(1))
    assert len(store) == 0
