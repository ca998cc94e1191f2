"""Pages filled from templates: what is missing is an error, and text is escaped."""

from __future__ import annotations

from importlib import resources
from typing import Any

from mlstrat.errors import MissingExtraError


def fill(name: str, step: str, **context: Any) -> str:
    """Return a template of this package as HTML.

    Parameters
    ----------
    name : str
        File in `mlstrat/reports/templates`.
    step : str
        What needs it, as the subject of the sentence where jinja2 is not installed.
    **context
        Every value that it reads.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("report", "jinja2", step) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (resources.files("mlstrat.reports") / "templates" / name).read_text(encoding="utf-8")
    return str(environment.from_string(text).render(context))
