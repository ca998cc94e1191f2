"""Returns from any tool: what is read, what is inferred and said, what is refused with its row."""

import numpy as np
import pandas as pd
import pytest

from mlstrat.errors import DataError
from mlstrat.evidence.returns_file import read_returns

DAYS = pd.date_range("2021-01-01", periods=731, freq="D")


@pytest.fixture
def written(tmp_path):
    def write(text, name="my.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_every_column_of_numbers_is_a_strategy(written):
    table = read_returns(written("date,a,b\n2024-01-31,0.01,0\n2024-02-01,-0.02,0.5\n"))
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.values, [[0.01, 0.0], [-0.02, 0.5]])
    np.testing.assert_array_equal(table.time, np.array(["2024-01-31", "2024-02-01"], "datetime64[ns]"))
    assert table.notes == ()


@pytest.mark.parametrize(
    ("head", "stamps"),
    [
        ("a,Time", None),
        ("when", ["2024-01-31 10:00", "2024-01-31 11:00"]),
        ("", ["2024-01-31T10:00:00Z", "2024-01-31T11:00:00Z"]),
        ("timestamp", ["1706695200", "1706698800"]),
    ],
)
def test_times_are_found_by_name_or_in_the_first_column(written, head, stamps):
    if stamps is None:
        text = f"{head}\n0.1,2024-01-31T10:00\n0.2,2024-01-31T11:00\n"
    else:
        text = f"{head},a\n{stamps[0]},0.1\n{stamps[1]},0.2\n"
    table = read_returns(written(text))
    assert table.names == ("a",)
    assert table.time.tolist() == [1706695200 * 10**9, 1706698800 * 10**9]
    np.testing.assert_array_equal(table.values[:, 0], [0.1, 0.2])


def test_a_frame_written_by_pandas_is_read(tmp_path):
    frame = pd.DataFrame({"a": np.linspace(-0.01, 0.01, len(DAYS))}, index=DAYS)
    frame.to_csv(tmp_path / "dated.csv")
    frame.to_parquet(tmp_path / "dated.parquet")
    frame.reset_index(drop=True).to_csv(tmp_path / "counted.csv")
    dated = [read_returns(tmp_path / f"dated.{kind}") for kind in ("csv", "parquet")]
    for table in dated:
        assert table.names == ("a",)
        np.testing.assert_array_equal(table.time, DAYS.to_numpy())
        np.testing.assert_array_equal(table.values[:, 0], frame["a"])
        assert table.rows_per_year == pytest.approx(365.25)
    counted = read_returns(tmp_path / "counted.csv")
    assert counted.time is counted.rows_per_year is None
    assert counted.names == ("a",)
    assert counted.notes == ("The first column of counted.csv counts the rows and was left out.",)


def test_business_days_are_counted_as_they_are(tmp_path):
    days = pd.bdate_range("2015-01-01", periods=2610)
    pd.DataFrame({"time": days, "a": 0.01}).to_parquet(tmp_path / "b.parquet")
    assert read_returns(tmp_path / "b.parquet").rows_per_year == pytest.approx(365.25 * 5 / 7, rel=1e-3)


def test_equity_becomes_returns_without_its_first_row(written):
    path = written("time,a\n2024-01-01,100\n2024-01-02,110\n2024-01-03,99\n")
    table = read_returns(path, equity=True)
    np.testing.assert_allclose(table.values[:, 0], [0.1, -0.1], rtol=1e-12)
    assert len(table.time) == 2
    with pytest.raises(DataError, match=r"'a' of .*my.csv looks like an equity curve .*: give --equity"):
        read_returns(path)
    with pytest.raises(DataError, match="looks like an equity curve"):
        read_returns(written("a\n1.0\n1.01\n0.99\n"))
    with pytest.raises(
        DataError, match=r"'a' of .* is -0.1 in row 1, which is no equity: give values above 0"
    ):
        read_returns(written("a\n0.2\n-0.1\n"), equity=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,a\n2024-01-01,0.1\n2024-01-02,\n", "'a' of .* has no number in row 1: drop rows whose return"),
        ("a\nnan\n0.1\n", "has no number in row 0: drop the first row, which has no return yet"),
        ("a\n0.1\ninf\n", "has no number in row 1"),
        ("a\n0.1\n1.2%\n", "'a' of .* has '1.2%' in row 1: write a return of 1.2 % as 0.012"),
        ("a,b\n0.1,x\n0.2,y\n", "'b' of .* has 'x' in row 0: give numbers only"),
        (
            "31/01/2024,a\n31/01/2024,0.1\n",
            "has '31/01/2024' in row 0: give numbers only, and times in a first",
        ),
        ("a\n0.1\n-1.5\n", r"'a' of .* is -1.5 in row 1, and no return is below -1: .* divide by 100"),
        ("time,a\n2024-01-02,0.1\n2024-01-01,0.1\n", r"row 1 of .* is not later than the row before"),
        ("time,a\n2024-01-02,0.1\n2024-01-02,0.1\n", r"row 1 of .* is not later than the row before"),
        ("time\n2024-01-02\n2024-01-03\n", "has times and no returns: give at least one column"),
        ("time,a\n", "has no rows: give a table of returns"),
        ("time,a\n01/31/2024,0.1\n", "has a time that cannot be read"),
        ("a;b\n1;2\n", "separated by semicolons"),
    ],
)
def test_what_cannot_be_used_is_refused(written, text, said):
    with pytest.raises(DataError, match=said):
        read_returns(written(text))


def test_a_gain_of_several_hundred_per_cent_is_questioned(written):
    table = read_returns(written("a,b\n0.1,0.1\n0.2,5\n-0.1,-0.3\n"))
    assert table.notes == (
        "Careful: the largest return of 'b' is 5, which is 500% in one period; where these are percentages, "
        "divide by 100.",
    )
