"""mlstrat: bars and headlines in, one set of out-of-sample decisions out, the same in every engine.

Public names are resolved on first use (PEP 562), so that importing the package imports no engine,
no torch and no network client.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Bars": "mlstrat.data.bars",
    "Instrument": "mlstrat.data.instrument",
    "Timeframe": "mlstrat.data.timeframe",
    "read_bars": "mlstrat.data.sources",
    "feature": "mlstrat.features.registry",
    "RunConfig": "mlstrat.config",
    "load_config": "mlstrat.config",
    "MlstratError": "mlstrat.errors",
    "Decisions": "mlstrat.execution.types",
    "RiskRules": "mlstrat.execution.types",
    "Result": "mlstrat.execution.types",
    "Predictions": "mlstrat.predictions",
    "simulate": "mlstrat.execution.kernel",
    "pessimistic_fills": "mlstrat.stress.matrix",
    "run": "mlstrat.pipeline",
    "sweep_run": "mlstrat.sweep",
    "Sweep": "mlstrat.sweep",
    "PurgedKFold": "mlstrat.crossval",
    "CombinatorialPurgedCV": "mlstrat.crossval",
    "feature_importance": "mlstrat.importance",
    "get_feature_importance_analysis": "mlstrat.importance",
    "FeatureEngineering": "mlstrat.guide",
    "SentimentAnalysis": "mlstrat.sentiment.analysis.analyser",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mlstrat' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
