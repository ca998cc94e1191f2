"""What execution, and the odds of a trade, need of a run's settings."""

from mlstrat.config import RunConfig
from mlstrat.data.bars import Bars
from mlstrat.data.instrument import Instrument
from mlstrat.execution.types import RiskRules
from mlstrat.predictions import TradeTerms


def risk_rules(config: RunConfig, bars: Bars) -> RiskRules:
    """Return what execution needs of a run."""
    return rules_for(config, bars.instrument)


def rules_for(config: RunConfig, facts: Instrument) -> RiskRules:
    """Return what execution needs of a run on an instrument."""
    breakers = config.breakers
    return RiskRules(
        cash=config.execution.cash,
        fee_share=facts.fee_share,
        tick=facts.tick,
        step=facts.step,
        min_notional=facts.min_notional,
        slippage_ticks=config.execution.slippage_ticks,
        gap_reserve=config.execution.gap_reserve,
        max_drawdown=breakers.max_drawdown,
        max_daily_loss=breakers.max_daily_loss,
        max_losing_streak=breakers.max_losing_streak,
        cooldown_bars=breakers.cooldown_bars,
    )


def trade_terms(config: RunConfig, instrument: Instrument) -> TradeTerms:
    """Return what a run's odds are calibrated for."""
    return TradeTerms(
        stop_atr=config.stops.atr,
        target_atr=config.stops.target_atr,
        max_bars=config.stops.max_bars,
        fee_share=instrument.fee_share,
        slippage_ticks=config.execution.slippage_ticks,
        ml_weight=config.signals.ml_weight,
        sentiment_weight=config.signals.sentiment_weight,
    )
