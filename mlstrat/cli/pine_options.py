"""What the commands that write and verify a script share: which script is asked for, and its hash."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mlstrat.pine.exported import Exported

NO_PUBLISHER = "publisher"
_DIGITS = 12


class ScriptMode(StrEnum):
    """Which of a run's models a script carries."""

    replay = "replay"
    latest = "latest"


PublisherOption = Annotated[
    str, typer.Option("--publisher", metavar="NAME", help="Your TradingView name, for the libraries.")
]


def checked_publisher(name: str) -> str:
    """Return a publisher's name.

    Raises
    ------
    ConfigError
        It has a letter that TradingView's names cannot have.
    """
    from mlstrat.errors import ConfigError

    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ConfigError(
            f"{name!r} cannot be a publisher's name: give letters, digits, _ and - with --publisher."
        )
    return name


def verify_command(run: Path, mode: str, libraries: bool, publisher: str, script: Path) -> str:
    """Return the command line that verifies an exported script."""
    words = ["mlstrat", "pine", "verify", str(run)]
    if mode != ScriptMode.replay:
        words += ["--mode", mode]
    if libraries:
        words.append("--libraries")
        words += [] if publisher == NO_PUBLISHER else ["--publisher", publisher]
    return shlex.join([*words, "--script", str(script)])


def hash_told(script: Exported) -> str:
    """Return the sentence on a script's hash."""
    from mlstrat.parity.script.at_hand import sha256_of_text

    return f"SHA-256 of the script: {sha256_of_text(script.text)[:_DIGITS]}."
