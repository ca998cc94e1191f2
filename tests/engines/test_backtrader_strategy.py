import sys
import warnings

import backtrader as bt
import numpy as np
import pytest

from mlstrat.config import RunConfig
from mlstrat.engines.on_backtrader import (
    BarsFeed,
    EngineWarning,
    MLStrategy,
    Recorder,
    RuleBroker,
    cerebro_for,
    plot,
    run,
)
from mlstrat.errors import ConfigError, DataError, MissingExtraError, RunFolderError
from mlstrat.execution.kernel import simulate
from mlstrat.execution.types import RiskRules
from mlstrat.predictions import Predictions


def result_of(cerebro):
    return cerebro.run()[0].analyzers.recorder.get_analysis()["result"]


def assert_same_trades(result, expected):
    assert len(result.trades) == len(expected.trades) > 5
    np.testing.assert_array_equal(result.trades.exit_bar, expected.trades.exit_bar)
    np.testing.assert_allclose(result.equity, expected.equity, rtol=1e-9)


@pytest.fixture
def predictions(bars):
    """A model that is sure of the side in turns of ten bars and mute before bar 20."""
    n = len(bars)
    up = np.where(np.arange(n) // 10 % 2, 0.75, 0.25)
    up[:20] = np.nan
    per_side = {"win_prob": 0.7, "win_se": 0.05, "payoff": 1.4}
    return Predictions(
        bars.symbol,
        np.array(bars.time),
        up,
        np.full(n, 0.002),
        np.column_stack([up, up, np.full(n, 0.002)]),
        np.array(up),
        **{name: np.full((n, 2), value) for name, value in per_side.items()},
        threshold=np.tile([0.6, 0.4], (n, 1)),
        fold=np.where(np.isnan(up), -1, 0),
        windows=(),
    )


@pytest.mark.parametrize(
    "options", [{"runonce": False}, {"preload": False}, {"stdstats": True}, {"quicknotify": True}], ids=str
)
def test_every_way_of_running_cerebro_gives_the_trades_of_the_kernel(bars, decisions, rules, options):
    cerebro = cerebro_for(bars, rules, **options)
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    assert_same_trades(result_of(cerebro), simulate(bars, decisions, rules))


def test_indicators_with_a_long_period_delay_no_trade(bars, decisions, rules):
    class Decorated(MLStrategy):
        def __init__(self):
            super().__init__()
            self.average = bt.ind.SMA(period=80)

    cerebro = cerebro_for(bars, rules, stdstats=False)
    cerebro.addstrategy(Decorated, decisions=decisions)
    assert_same_trades(result_of(cerebro), simulate(bars, decisions, rules))


def test_a_second_feed_changes_nothing(make_market, make_plan, rules):
    slow, fast = make_market(200, "4h"), make_market(900, "1h", seed=9)
    decisions = make_plan(slow)
    cerebro = cerebro_for(slow, rules, stdstats=False)
    cerebro.adddata(BarsFeed(dataname=fast, name="FAST"))
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    assert_same_trades(result_of(cerebro), simulate(slow, decisions, rules))


def test_users_see_ordinary_orders_trades_and_analyzers(bars, decisions, rules):
    class Diary(MLStrategy):
        def __init__(self):
            super().__init__()
            self.orders, self.trades = [], []

        def notify_order(self, order):
            super().notify_order(order)
            self.orders.append(order.getstatusname())

        def notify_trade(self, trade):
            super().notify_trade(trade)
            if trade.isclosed:
                self.trades.append(trade.pnlcomm)

    cerebro = cerebro_for(bars, rules)
    cerebro.addstrategy(Diary, decisions=decisions)
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer)
    cerebro.addanalyzer(bt.analyzers.DrawDown)
    (diary,) = cerebro.run()
    expected = simulate(bars, decisions, rules)
    closed = expected.trades.closed
    np.testing.assert_allclose(diary.trades, expected.trades.profit[closed], rtol=1e-9)
    analysis = diary.analyzers.tradeanalyzer.get_analysis()
    assert analysis.total.closed == closed.sum()
    np.testing.assert_allclose(analysis.pnl.net.total, expected.trades.profit[closed].sum())
    peak = np.maximum.accumulate(expected.equity)
    drawdown = diary.analyzers.drawdown.get_analysis().max.drawdown
    np.testing.assert_allclose(drawdown, 100.0 * (1.0 - expected.equity / peak).max())
    assert {"Accepted", "Completed", "Canceled"} == set(diary.orders)


def test_the_stock_broker_warns_once_and_never_reverses_a_position(bars, decisions):
    class Watched(MLStrategy):
        def __init__(self):
            super().__init__()
            self.sizes = []

        def next(self):
            super().next()
            self.sizes.append(self.position.size)

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(BarsFeed(dataname=bars))
    cerebro.broker.setcommission(commission=0.0004)
    cerebro.addstrategy(Watched, decisions=decisions)
    cerebro.addanalyzer(Recorder)
    with pytest.warns(EngineWarning, match=r"set cerebro.broker = RuleBroker\(rules=rules\)") as caught:
        (strategy,) = cerebro.run()
    assert len(caught) == 1
    assert strategy.rules == RiskRules(fee_share=0.0004, tick=0.01, step=0.001)
    sizes = np.array(strategy.sizes)
    assert not np.any(sizes[1:] * sizes[:-1] < 0)
    trades = strategy.analyzers.recorder.get_analysis()["result"].trades
    assert len(trades) > 5
    assert np.all(trades.exit_bar - trades.signal_bar <= 13)
    assert not [order for order in strategy.broker.pending if order is not None]


def test_decisions_run_on_another_feed_of_the_same_bars(bars, decisions, rules):
    cerebro = bt.Cerebro(stdstats=False)
    frame = bars.frame().tz_localize(None)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes, compression=60))
    cerebro.setbroker(RuleBroker(rules=rules))
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    cerebro.addanalyzer(Recorder)
    result = result_of(cerebro)
    assert_same_trades(result, simulate(bars, decisions, rules))
    np.testing.assert_array_equal(result.time, bars.time)


def test_a_feed_of_other_bars_is_refused(bars, decisions, rules):
    with pytest.raises(DataError, match="decide on the same bars that you execute on"):
        run(bars[1:], decisions, rules)
    cerebro = bt.Cerebro(stdstats=False)
    frame = bars.frame().tz_localize(None).iloc[1:]
    cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=bt.TimeFrame.Minutes, compression=60))
    cerebro.setbroker(RuleBroker(rules=rules))
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    with pytest.raises(DataError, match="feed the bars that were decided on, from the first one"):
        cerebro.run()


def test_predictions_become_the_decisions_of_the_signal_rule(bars, predictions, rules):
    from mlstrat.features.matrix import build
    from mlstrat.sentiment.align import neutral
    from mlstrat.signals.decide import decide

    atr_px = build(bars, ("atr_px",)).column("atr_px")
    expected = decide(bars, predictions, neutral(bars), atr_px, RunConfig())
    cerebro = cerebro_for(bars, rules, stdstats=False)
    cerebro.addstrategy(MLStrategy, predictions=predictions)
    assert_same_trades(result_of(cerebro), simulate(bars, expected, rules))


def test_optstrategy_varies_the_threshold(bars, predictions, rules):
    cerebro = cerebro_for(bars, rules, stdstats=False, maxcpus=1)
    config = RunConfig()
    cerebro.optstrategy(MLStrategy, predictions=predictions, config=[config], threshold=[0.55, 0.9])
    results = [tried[0].analyzers.recorder.get_analysis()["result"] for tried in cerebro.run()]
    assert [len(result.trades) > 5 for result in results] == [True, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"give it predictions, decisions or retrain=True\."),
        ({"threshold": 0.4}, r"threshold is 0.4; give a number in \[0.5, 1\)"),
        ({"config": ("name", "run")}, r"in cerebro.optstrategy write config=\[config\]"),
        ({"rules": RiskRules(cash=1.0)}, "give them to the broker alone"),
    ],
    ids=["nothing", "threshold", "config", "rules"],
)
def test_bad_parameters_are_refused(bars, predictions, rules, given, message):
    cerebro = cerebro_for(bars, rules, stdstats=False)
    model = {"predictions": predictions} if given else {}
    cerebro.addstrategy(MLStrategy, **model, **given)
    with pytest.raises(ConfigError, match=message):
        cerebro.run()


def test_a_threshold_needs_predictions(bars, decisions, rules):
    cerebro = cerebro_for(bars, rules, stdstats=False)
    cerebro.addstrategy(MLStrategy, decisions=decisions, threshold=0.6)
    with pytest.raises(ConfigError, match="give the predictions instead"):
        cerebro.run()


def test_predictions_of_other_bars_are_refused(bars, predictions, rules):
    cerebro = cerebro_for(bars[:-5], rules, stdstats=False)
    cerebro.addstrategy(MLStrategy, predictions=predictions)
    with pytest.raises(DataError, match="make them of the bars that you feed"):
        cerebro.run()


def test_plot_writes_a_png_without_a_screen(bars, decisions, rules, tmp_path):
    import matplotlib

    cerebro = cerebro_for(bars, rules)
    cerebro.addstrategy(MLStrategy, decisions=decisions)
    with pytest.raises(ConfigError, match=r"call cerebro.run\(\) first"):
        plot(cerebro, tmp_path / "early.png")
    cerebro.run()
    before = matplotlib.get_backend()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        path = plot(cerebro, tmp_path / "run.png", style="candle")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000
    assert matplotlib.get_backend() == before
    with pytest.raises(RunFolderError, match="give a path in a folder that exists"):
        plot(cerebro, tmp_path / "nowhere" / "run.png")


def test_ticks_are_labelled_with_the_stamps_of_the_bars(bars):
    import matplotlib.figure

    from mlstrat.engines.on_backtrader.plot import _label_by_bar

    dates = [bt.date2num(stamp) for stamp in bars.time.astype("datetime64[us]").tolist()]
    axis = matplotlib.figure.Figure().add_subplot()
    axis.set_xlim(0, len(dates) - 1)
    _label_by_bar(axis, dates)
    label = axis.xaxis.get_major_formatter()
    assert (label(0), label(26), label(-1), label(300)) == ("2024-01-01 00:00", "2024-01-02 02:00", "", "")


def test_without_backtrader_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("mlstrat.engines.on_backtrader")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "backtrader", None)
    with pytest.raises(MissingExtraError, match=r'run `pip install "mlstrat\[backtrader\]"`'):
        import mlstrat.engines.on_backtrader  # noqa: F401
