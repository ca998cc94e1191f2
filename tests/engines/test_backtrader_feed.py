import backtrader as bt
import numpy as np
import pytest

from mlstrat.engines.on_backtrader import BarsFeed
from mlstrat.engines.on_backtrader.feed import row_of, seconds_of_a_bar, times_of
from mlstrat.errors import DataError


def collect(feed, **options):
    """Run a strategy that writes down what the feed shows at every bar."""

    class Watcher(bt.Strategy):
        def __init__(self):
            self.rows, self.stamps = [], []

        def next(self):
            self.rows.append(np.array(row_of(self.data)))
            self.stamps.append(self.data.datetime.datetime(0))

        def stop(self):
            self.times = times_of(self.data)

    cerebro = bt.Cerebro(stdstats=False, **options)
    cerebro.adddata(feed)
    cerebro.addstrategy(Watcher)
    return cerebro.run()[0]


@pytest.mark.parametrize("options", [{}, {"runonce": False}, {"preload": False}], ids=str)
def test_every_bar_arrives_exactly_and_in_place(bars, options):
    class Lines(bt.Strategy):
        def __init__(self):
            self.seen = []

        def next(self):
            d = self.data
            self.seen.append((len(d) - 1, d.open[0], d.high[0], d.low[0], d.close[0], d.volume[0]))

    cerebro = bt.Cerebro(stdstats=False, **options)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.addstrategy(Lines)
    seen = np.array(cerebro.run()[0].seen)
    np.testing.assert_array_equal(seen[:, 0], np.arange(len(bars)))
    np.testing.assert_array_equal(seen[:, 1:], bars.matrix[:, :5])


@pytest.mark.parametrize("timeframe", ["1m", "7m", "1h", "4h", "1d", "1w"])
def test_stamps_come_back_to_the_microsecond(make_market, timeframe):
    bars = make_market(200, timeframe)
    watcher = collect(BarsFeed(dataname=bars))
    np.testing.assert_array_equal(np.array(watcher.stamps, "datetime64[us]"), bars.time)
    np.testing.assert_array_equal(watcher.rows, bars.matrix)
    assert seconds_of_a_bar(watcher.data) == bars.timeframe.seconds


def test_other_feeds_give_the_same_rows_and_times(bars):
    frame = bars.frame().tz_localize(None)
    feed = bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes, compression=60)
    watcher = collect(feed)
    np.testing.assert_array_equal(watcher.rows, bars.matrix)
    np.testing.assert_array_equal(watcher.times, bars.time)


def test_feed_carries_the_name_of_the_bars_and_can_run_twice(bars):
    feed = BarsFeed(dataname=bars)
    assert (feed._name, feed._timeframe, feed._compression) == ("TEST", bt.TimeFrame.Minutes, 60)
    for _ in range(2):
        assert len(collect(feed).rows) == len(bars)


def test_bad_feeds_are_refused(bars):
    with pytest.raises(DataError, match="give it Bars, such as read_bars"):
        BarsFeed(dataname=bars.frame())
    with pytest.raises(DataError, match=r"cut the bars, with bars.between\(start, end\)"):
        BarsFeed(dataname=bars, fromdate=bars.time[5].astype("datetime64[s]").item())


def test_bars_of_no_fixed_length_are_refused(bars):
    feed = bt.feeds.PandasData(dataname=bars.frame().tz_localize(None), timeframe=bt.TimeFrame.Months)
    with pytest.raises(DataError, match="of no fixed length: use seconds to weeks"):
        seconds_of_a_bar(feed)
