"""Back-testing engines at the edge: each executes decisions, none makes any."""

from mlstrat.engines.registry import ENGINES, Engine, engine_of

__all__ = ["ENGINES", "Engine", "engine_of"]
