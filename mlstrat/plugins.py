"""Plugins: files of a user that register features by the same decorator as this package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

from mlstrat.errors import ConfigError, MlstratError
from mlstrat.features.lookup import registered
from mlstrat.features.registry import REGISTRY, Feature, registering


def load_plugins(paths: Sequence[str]) -> None:
    """Run each file, which is what the settings ask for by naming it; a file run again replaces its own.

    Raises
    ------
    ConfigError
        A file is not there, cannot be run, or registers nothing.
    """
    for path in paths:
        _load(Path(path))


def _load(path: Path) -> None:
    registered()
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"plugin {path} is not a Python file: give the path of a .py file in plugins.")
    origin = str(path.resolve())
    name = f"mlstrat_plugin_{path.stem}"
    spec = spec_from_file_location(name, path, loader=_Source(name, origin))
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin {path} cannot be run: give the path of a .py file in plugins.")
    with registering(origin):
        try:
            sys.modules[name] = module = module_from_spec(spec)
            spec.loader.exec_module(module)
        except MlstratError as error:
            raise ConfigError(f"plugin {path}: {error}") from error
        except Exception as error:
            raise ConfigError(
                f"plugin {path} failed ({type(error).__name__}: {error}): mend it, or take it out of plugins."
            ) from error
    own = [known for known in REGISTRY.values() if known.origin == origin]
    if not own:
        raise ConfigError(
            f"plugin {path} registers nothing: decorate a function with @mlstrat.feature(...), "
            "or take it out of plugins."
        )
    _refuse_shared_names(path, own)


class _Source(SourceFileLoader):
    """Compiles the file as it is now: Python's cache takes an edit within one second for no edit."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _refuse_shared_names(path: Path, own: Sequence[Feature]) -> None:
    """Refuse two steps under one function name: compiled steps are kept on disk by that name."""
    seen: dict[str, object] = {}
    for f in own:
        step: Any = f.step
        name = step.py_func.__name__ if step else f.name
        if seen.setdefault(name, step) is not step:
            raise ConfigError(
                f"plugin {path}: two steps are functions of the name {name!r}: give each a name of its own, "
                "or register one with each=[...] and params."
            )
