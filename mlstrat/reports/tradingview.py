"""The section of a run's page on its exported script, from the certificate that lies beside the page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlstrat.files import locked, sha256_of, write_bytes, write_json
from mlstrat.reports.tables import Table
from mlstrat.reports.template import fill
from mlstrat.reports.wording import count
from mlstrat.runfolder import MANIFEST, read_manifest

CERTIFICATE, CERTIFICATE_PAGE = "pine-certificate.json", "pine-certificate.html"
# The form of a certificate that this version reads and writes.
SCHEMA = 1
_PAGE = "report.html"
_TEMPLATE = "tradingview.html.j2"
_BEGIN, _END = "<!-- tradingview -->", "<!-- /tradingview -->"
_BETWEEN = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)


def renew(folder: Path) -> bool:
    """Put the section into a finished run's page, in place of an earlier one, and note the page's new hash.

    Returns
    -------
    bool
        Whether it is there now: not where the page lacks the place for it, or is not as the run left it.

    Raises
    ------
    RunFolderError
        The folder holds no run, is in use or cannot be written.
    MissingExtraError
        jinja2 is not installed.
    """
    path = folder / _PAGE
    with locked(folder):
        manifest = read_manifest(folder)
        outputs = manifest.get("outputs", {})
        if not path.exists() or sha256_of(path) != outputs.get(_PAGE):
            return False
        page = path.read_text(encoding="utf-8")
        if not _BETWEEN.search(page):
            return False
        write_bytes(path, placed(page, folder, manifest["key"]).encode())
        write_json(folder / MANIFEST, {**manifest, "outputs": {**outputs, _PAGE: sha256_of(path)}})
    return True


def placed(page: str, folder: Path, key: str | None) -> str:
    """Return a page with the section of the certificate in a folder; without one where none is of this run.

    Parameters
    ----------
    page : str
        HTML with the place for it.
    folder : Path
        The run's folder.
    key : str or None
        The key of the run; None = not known, so that no certificate is its own.
    """
    content = _certificate(folder / CERTIFICATE)
    own = key is not None and content.get("run", {}).get("key") == key
    inside = f"\n{section(content)}\n" if own else "\n"
    return _BETWEEN.sub(lambda _: f"{_BEGIN}{inside}{_END}", page)


def section(content: Mapping[str, Any]) -> str:
    """Return the section as HTML.

    Parameters
    ----------
    content : mapping
        The content of `pine-certificate.json`.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    context = {"content": content, "charts": charts(content), "link": CERTIFICATE_PAGE}
    return fill(_TEMPLATE, "The report page", **context).strip()


def charts(content: Mapping[str, Any]) -> Table:
    """Return one row a chart: bars, trades alike, and the largest differences."""
    head = ("Chart", "Bars", "Bars with a signal alike", "Trades identical", "Probability", "Features")
    return Table(head, [_row(case) for case in content["charts"]])


def _row(case: Mapping[str, Any]) -> tuple[str, ...]:
    trades, features = case["trades"], case["features"]
    return (
        capital(case["chart"]),
        count(case["bars"]),
        f"{case['signals_alike']:,} of {case['bars']:,}",
        f"{trades['identical']:,} of {trades['total']:,}",
        tiny(case["largest_difference"]["prob_up"]),
        tiny(max(features.values(), default=0.0, key=_size)),
    )


def tiny(size: float | None) -> str:
    """Return a difference with two digits, such as 3.6e-12; 0 where there is none, None = no value there."""
    if size is None:
        return "no value"
    return f"{size:.2g}" if size else "0"


def capital(text: str) -> str:
    """Return text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _size(value: float | None) -> float:
    return float("inf") if value is None else value


def _certificate(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("schema") == SCHEMA else {}
