"""Where a Hugging Face model lies on this machine; nothing is asked of the network."""

from __future__ import annotations

import re
from pathlib import Path

from mlstrat.errors import ConfigError, MissingExtraError

# FinBERT's main revision holds its weights as a pickle, which is not read; this one adds safetensors.
DEFAULT = "ProsusAI/finbert@refs/pr/8"
_NAMED = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def folder_of(model: str) -> Path:
    """Return the folder of a model that is given as one, or by its name on the hub.

    Parameters
    ----------
    model : str
        A folder, or ``owner/name`` or ``owner/name@revision`` in the local cache.

    Raises
    ------
    ConfigError
        There is no such folder and no such model in the cache, or it has no weights as safetensors.
    MissingExtraError
        A name is given and transformers is not installed.
    """
    given = Path(model).expanduser()
    folder = given if given.is_dir() else _cached(model)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} holds no config.json: give the folder of a Hugging Face model.")
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise ConfigError(
            f"{folder} holds no model.safetensors, and weights in other forms are not read: get the model in "
            "that form, or load it where you trust it and write it again with save_pretrained."
        )
    return folder


def _cached(model: str) -> Path:
    named = _NAMED.fullmatch(model)
    if named is None:
        raise ConfigError(
            f"{model} is no folder: give that of a Hugging Face model, or a name such as {DEFAULT}."
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError as error:
        raise MissingExtraError("transformers", "transformers", "The scorer finbert") from error
    name, revision = named["name"], named["revision"]
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (OSError, ValueError) as error:
        option = f" --revision {revision}" if revision else ""
        raise ConfigError(
            f"the model {model} of the scorer finbert is neither a folder nor in {HF_HUB_CACHE}, and nothing "
            f"is downloaded in a run: run `hf download {name}{option}` once, or give a folder that holds it."
        ) from error
