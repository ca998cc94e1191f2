"""What the settings that name a place mean: a file, a sample, a store, or nothing."""

from __future__ import annotations

from pathlib import Path

_SQLITE_FILE = "sqlite:///"


def is_store(source: str) -> bool:
    """Whether a source of headlines is the address of a store, not the name of a file.

    Any address is, also of a kind that no store has: it may hold a password, and files are told by name.
    """
    return "://" in source or source.startswith(("sqlite:", "postgresql:", "postgresql+"))


def names_file(text: str) -> bool:
    """Whether what a setting names is a file: no sample, no store, and not none."""
    return text not in ("", "none") and not text.startswith("sample:") and not is_store(text)


def resolved(text: str, folder: Path) -> str:
    """Return a place with relative paths taken from a folder; an absolute one takes the folder's place."""
    if text.lower().startswith(_SQLITE_FILE):
        return _SQLITE_FILE + str(folder / text[len(_SQLITE_FILE) :])
    return str(folder / text) if names_file(text) else text


def resolved_model(text: str, folder: Path) -> str:
    """Return where a scorer's model lies; what is not there may be a name on a hub and is kept."""
    return str(folder / text) if text and (folder / text).exists() else text
