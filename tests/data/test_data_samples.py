"""The bundled files are what SOURCES.md says."""

import hashlib

import pandas as pd
import pytest

from mlstrat.data import samples
from mlstrat.data.sources import read_bars
from mlstrat.errors import DataError

# SHA-256 over the little-endian float64 open, high, low, close, volume of the original rows.
ORIGINAL_VALUES = {
    "BTCUSDT_1h": "b2c45ad5b4dc7e4ca574c785bba58330ff7a006245325c75674d33205bedc77e",
    "ETHUSDT_1h": "e143336fcc1c1f95bf054d56ff3dc1c6950ae035291031111056c3f79ccbb5f8",
}


@pytest.mark.parametrize("name", samples.names())
def test_values_are_those_of_the_exchange_bit_for_bit(name: str) -> None:
    bars = samples.load_bars(name)
    assert len(bars) == 43_803
    assert (str(bars.time[0])[:16], str(bars.time[-1])[:16]) == ("2020-09-20T00:00", "2025-09-19T22:00")
    digest = hashlib.sha256(bars.matrix[:, :5].astype("<f8").tobytes()).hexdigest()
    assert digest == ORIGINAL_VALUES[name]


def test_known_bar() -> None:
    first = samples.load_bars("ETHUSDT_1h")[:1]
    assert first.matrix[0, :5].tolist() == [385.25, 385.45, 383.19, 383.64, 20_025.72372]


def test_read_bars_gives_the_same() -> None:
    assert read_bars("sample:BTCUSDT_1h").sha256 == samples.load_bars("BTCUSDT_1h").sha256


def test_headlines() -> None:
    table = pd.read_parquet(samples.headlines_path())
    assert list(table.columns) == ["time", "time_known", "source", "subject", "title", "url"]
    assert len(table) == 7_524
    assert int(table["title"].isna().sum()) == 28
    assert str(table["time"].dt.tz) == "UTC"
    unknown = table.loc[~table["time_known"], "time"]
    assert len(unknown) == 129
    assert (unknown.dt.strftime("%H:%M") == "00:00").all()


def test_unknown_sample() -> None:
    with pytest.raises(
        DataError, match=r"no sample 'DOGE_1h': use one of BTCUSDT_1h, ETHUSDT_1h, headlines\."
    ):
        samples.path("sample:DOGE_1h")
    with pytest.raises(DataError, match="sample 'headlines' holds no bars: use one of BTCUSDT_1h"):
        samples.load_bars("headlines")


def test_files_are_small() -> None:
    files = [samples.path(name) for name in (*samples.names(), samples.HEADLINES)]
    assert sum(file.stat().st_size for file in files) < 1_600_000
