"""Features written piece by piece: the bits of `build`, whatever the pieces, or nothing at all."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mlstrat.data.bars import RowError
from mlstrat.data.sources import read_bars
from mlstrat.data.synthetic import random_walk
from mlstrat.errors import DataError, NotEnoughBarsError, RunFolderError
from mlstrat.features.files import write
from mlstrat.features.matrix import build
from mlstrat.features.pieces import BarFile

N = 900
NAMES = ("ret_1", "rsi_14", "wma_50", "ret_kurt_20", "month_sin", "volume_z_20", "atr_px")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(4)
    bars = random_walk(2 * N, 4, step_ticks=6000.0)
    return bars.frame()[np.sort(rng.permutation(2 * N) < N)][:N]


def csv_with_names(frame, folder):
    frame.reset_index().to_csv(folder / "WALK_1h.csv", index=False)
    return folder / "WALK_1h.csv"


def csv_without_names(frame, folder):
    stamps = frame.index.as_unit("ms").astype("int64")
    frame.set_axis(stamps, axis=0).to_csv(folder / "WALK_1h.csv", header=False)
    return folder / "WALK_1h.csv"


def parquet_with_index(frame, folder):
    frame.to_parquet(folder / "WALK_1h.parquet", row_group_size=250)
    return folder / "WALK_1h.parquet"


def parquet_with_column(frame, folder):
    frame.reset_index().to_parquet(folder / "WALK_1h.parquet")
    return folder / "WALK_1h.parquet"


WRITERS = (csv_with_names, csv_without_names, parquet_with_index, parquet_with_column)


@pytest.mark.parametrize("rows", [1, 137, N])
@pytest.mark.parametrize("to_file", WRITERS)
def test_pieces_give_the_bits_of_the_whole(frame, tmp_path, to_file, rows):
    if rows == 1 and to_file is not parquet_with_index:
        pytest.skip("one row a piece is slow, and once is enough")
    source = to_file(frame, tmp_path)
    made = write(BarFile(str(source), rows, timeframe="1h", tz="UTC"), tmp_path / "out.parquet", NAMES)
    bars = read_bars(source, tz="UTC")
    stored = pq.read_table(tmp_path / "out.parquet")
    assert stored.column_names == ["time", *NAMES]
    assert made.names == NAMES
    assert (made.n_bars, made.symbol, made.timeframe, made.ready) == (N, "WALK", "1h", 49)
    np.testing.assert_array_equal(stored["time"].to_numpy(), bars.time)
    expected = build(bars, NAMES)
    for name in NAMES:
        assert stored[name].to_numpy().tobytes() == expected.column(name).tobytes(), name
    assert stored["time"].type.tz == "UTC"
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == -(-N // rows)


def test_all_features_and_threads_give_the_same_bits(frame, tmp_path):
    source = parquet_with_index(frame, tmp_path)
    for threads in (1, 3):
        write(BarFile(str(source), 400), tmp_path / f"{threads}.parquet", threads=threads)
    one, three = (pq.read_table(tmp_path / f"{threads}.parquet") for threads in (1, 3))
    assert one.equals(three) or all(
        one[name].to_numpy().tobytes() == three[name].to_numpy().tobytes() for name in one.column_names
    )
    assert one.column_names[1:] == list(build(read_bars(source)).names)


def test_a_sample_is_a_source(tmp_path):
    made = write(BarFile("sample:BTCUSDT_1h", 20_000), tmp_path / "out.parquet", ("ret_1",))
    assert made.symbol == "BTCUSDT"


def test_volume_is_looked_for_in_the_whole_file(frame, tmp_path):
    late = frame.assign(volume=np.where(np.arange(N) < 500, 0.0, frame.volume))
    made = write(BarFile(str(csv_with_names(late, tmp_path)), 200), tmp_path / "out.parquet")
    assert "volume_ratio" in made.names
    silent = csv_with_names(frame.assign(volume=0.0), tmp_path)
    made = write(BarFile(str(silent), 200), tmp_path / "out.parquet")
    assert "volume_ratio" not in made.names
    with pytest.raises(DataError, match="volume_ratio cannot be computed, because WALK has no volume"):
        write(BarFile(str(silent), 200), tmp_path / "out.parquet", ("volume_ratio",))


def test_a_bar_that_has_not_closed_is_left_out_and_the_future_is_refused(frame, tmp_path):
    source = str(csv_with_names(frame, tmp_path))
    last = frame.index[-1].to_pydatetime()
    file = BarFile(source, 300, now=last)
    assert sum(len(bars) for bars in file.pieces()) == N - 1
    with pytest.raises(RowError, match=rf"row {N - 1} of .* lies in the future of the clock"):
        list(replace(file, now=frame.index[-2].to_pydatetime()).pieces())
    with pytest.raises(RowError, match=rf"row {N - 1} of .* lies in the future of the clock"):
        list(replace(file, rows=N - 1, now=frame.index[-2].to_pydatetime()).pieces())
    early = datetime(2019, 1, 1, tzinfo=UTC)
    with pytest.raises(RowError, match=r"row 1 of .* lies in the future of the clock"):
        list(replace(file, now=early).pieces())


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (450, {"high": 1.0}, r"row 450 of WALK .* has a high below its open or close"),
        (300, {"time": 299}, r"row 300 of .* opens less than one 1h after the row before: sort by time"),
        (301, {"time": 300}, r"row 301 of WALK .* repeats the time of the row before"),
    ],
)
def test_a_broken_law_is_named_by_its_row_in_the_file(frame, tmp_path, row, change, message):
    broken = frame.reset_index()
    for name, value in change.items():
        broken.loc[row, name] = broken.loc[value, name] if name == "time" else value
    broken.to_csv(tmp_path / "WALK_1h.csv", index=False)
    with pytest.raises(RowError, match=message):
        write(BarFile(str(tmp_path / "WALK_1h.csv"), 300), tmp_path / "out.parquet", ("ret_1",))
    assert not (tmp_path / "out.parquet").exists()


def test_what_cannot_be_read_or_is_too_short_is_refused(frame, tmp_path):
    source = csv_with_names(frame[:150], tmp_path)
    with pytest.raises(NotEnoughBarsError, match="feature sma_200 needs 200 bars but got 150"):
        write(BarFile(str(source), 100), tmp_path / "out.parquet", ("sma_200",))
    with pytest.raises(DataError, match=r"cannot be read \(No such file.*: give the path of a CSV"):
        list(BarFile(str(tmp_path / "absent_1h.csv"), 100).pieces())
    (tmp_path / "BAD_1h.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"is not a readable Parquet file .*: export it again"):
        list(BarFile(str(tmp_path / "BAD_1h.parquet"), 100).pieces())
    frame.to_csv(tmp_path / "some bars.csv")
    with pytest.raises(DataError, match=r"the symbol of some bars.csv is not known: pass symbol"):
        list(BarFile(str(tmp_path / "some bars.csv"), 100).pieces())
    frame[:0].to_csv(tmp_path / "EMPTY_1h.csv")
    with pytest.raises(DataError, match="has no bars: check the file"):
        list(BarFile(str(tmp_path / "EMPTY_1h.csv"), 100).pieces())


def spiked(frame):
    frame.iloc[299, :4] *= 10.0
    return frame


def lulled(frame):
    frame.iloc[:, :4] = 5.0
    return frame


def of_two_units(frame):
    stamps = frame.index.as_unit("s").astype("int64")
    return frame.set_axis(np.where(np.arange(len(frame)) < 300, stamps, 1000 * stamps), axis=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spiked, r"row 299 of WALK .* leaves the closes before and after it by a factor of 5"),
        (lulled, r"every close of WALK is the same \(5\)"),
        (of_two_units, r"row 300 of WALK_1h.csv .* has a time in epoch ms where row 0 has s"),
    ],
)
@pytest.mark.parametrize("rows", [100, 300, N])
def test_what_no_market_does_is_refused_wherever_pieces_end(frame, tmp_path, change, message, rows):
    change(frame.copy()).rename_axis("time").reset_index().to_csv(tmp_path / "WALK_1h.csv", index=False)
    with pytest.raises(DataError, match=message):
        read_bars(tmp_path / "WALK_1h.csv")
    with pytest.raises(DataError, match=message):
        list(BarFile(str(tmp_path / "WALK_1h.csv"), rows).pieces())


def test_a_lull_as_long_as_a_piece_is_no_defect(frame, tmp_path):
    still = frame.copy()
    still.iloc[:300, :4] = float(still.close.iloc[300])
    source = csv_with_names(still, tmp_path)
    assert sum(len(bars) for bars in BarFile(str(source), 100).pieces()) == len(read_bars(source)) == N


def test_a_table_of_yfinance_is_read_in_pieces(frame, tmp_path):
    columns = pd.MultiIndex.from_product([[name.capitalize() for name in frame.columns], ["WALK"]])
    named = frame.set_axis(columns.set_names(["Price", "Ticker"]), axis=1)
    named.rename_axis("Date").to_csv(tmp_path / "WALK_1h.csv")
    pieces = list(BarFile(str(tmp_path / "WALK_1h.csv"), 400).pieces())
    assert [len(bars) for bars in pieces] == [400, 400, 100]
    whole = read_bars(tmp_path / "WALK_1h.csv")
    np.testing.assert_array_equal(np.concatenate([bars.matrix for bars in pieces]), whole.matrix)


def test_what_is_left_out_is_said(frame, tmp_path):
    source = csv_with_names(frame.assign(volume=0.0), tmp_path)
    now = frame.index[-1].to_pydatetime()
    made = write(BarFile(str(source), 299, now=now), tmp_path / "out.parquet")
    missing = set(build(read_bars(csv_with_names(frame, tmp_path))).names) - set(made.names)
    last = f"{frame.index[-1]:%Y-%m-%dT%H:%M}"
    assert made.notes == (
        f"The last bar ({last} UTC) had not closed when it was read and was dropped.",
        f"{len(missing)} features were left out: they need volume, and the bars have none.",
    )
    assert write(BarFile(str(source), 300), tmp_path / "out.parquet", ("ret_1",)).notes == ()


def test_an_interrupted_write_leaves_the_old_file(frame, tmp_path, monkeypatch):
    source = csv_with_names(frame, tmp_path)
    out = tmp_path / "out.parquet"
    out.write_bytes(b"old")

    def stop(stage, done, total):
        if stage == "computing" and done >= 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(BarFile(str(source), 300), out, ("ret_1",), progress=stop)
    assert out.read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"WALK_1h.csv", "out.parquet"}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlstrat.files.os.fsync", full)
    with pytest.raises(RunFolderError, match=r"cannot be written \(No space left on device\): free space"):
        write(BarFile(str(source), 300), out, ("ret_1",))
    assert out.read_bytes() == b"old"


def test_a_missing_folder_is_refused(frame, tmp_path):
    source = csv_with_names(frame, tmp_path)
    with pytest.raises(RunFolderError, match=r"out.parquet cannot be written .*choose another folder"):
        write(BarFile(str(source), 300), tmp_path / "absent" / "out.parquet", ("ret_1",))


def test_progress_names_both_passes(frame, tmp_path):
    told = []
    source = csv_with_names(frame, tmp_path)
    write(
        BarFile(str(source), 400),
        tmp_path / "out.parquet",
        ("ret_1",),
        progress=lambda *now: told.append(now),
    )
    assert told == [
        *(("checking", done, 0) for done in (400, 800, 900)),
        *(("computing", done, 900) for done in (400, 800, 900)),
    ]
    assert pd.read_parquet(tmp_path / "out.parquet").shape == (900, 2)
