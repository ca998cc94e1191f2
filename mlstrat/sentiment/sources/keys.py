"""Keys of the sources: from the environment or a file that nobody else can read."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator

from mlstrat.errors import ConfigError

FILE_VARIABLE = "MLSTRAT_KEYS"
VARIABLES = {
    "newsapi_key": "MLSTRAT_NEWSAPI_KEY",
    "cryptopanic_key": "MLSTRAT_CRYPTOPANIC_KEY",
    "x_bearer": "MLSTRAT_X_BEARER",
    "reddit_client_id": "MLSTRAT_REDDIT_CLIENT_ID",
    "reddit_client_secret": "MLSTRAT_REDDIT_CLIENT_SECRET",
    "reddit_user_agent": "MLSTRAT_REDDIT_USER_AGENT",
}
# Shorter ones would be common words, which redaction would then take out of every text.
_SHORTEST = 8


class Keys(BaseModel):
    """Keys by source; None = not set. Printing shows stars.

    Raises
    ------
    ValidationError
        A key is shorter than 8 characters, or has blanks or characters that no HTTP header carries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    newsapi_key: SecretStr | None = None
    cryptopanic_key: SecretStr | None = None
    x_bearer: SecretStr | None = None
    reddit_client_id: SecretStr | None = None
    reddit_client_secret: SecretStr | None = None
    reddit_user_agent: str = ""

    @field_validator("*")
    @classmethod
    def _sendable(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        if isinstance(value, SecretStr):
            key = value.get_secret_value().strip()
            if not key:
                return None
            if len(key) < _SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
                raise ValueError("is no key: copy it whole, without quotes and blanks")
            return SecretStr(key)
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError("has characters that no HTTP header carries: write it in ASCII")
        return value


def load_keys(environ: Mapping[str, str], path: Path | None = None, home: Path | None = None) -> Keys:
    """Read the keys; a variable of the environment wins over the file.

    Parameters
    ----------
    environ : mapping
        The environment.
    path : Path, optional
        A TOML file with the names of `Keys`; default: the one that MLSTRAT_KEYS names, else
        `.config/mlstrat/keys.toml` in the home folder where it is there.
    home : Path, optional
        The home folder; default: the user's.

    Raises
    ------
    ConfigError
        The file is missing, can be read by others, is no TOML or holds other names; or a value is no key.
    """
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    file = named or (home or Path.home()) / ".config" / "mlstrat" / "keys.toml"
    values = _from_file(file) if named or file.exists() else {}
    values |= {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable)}
    try:
        return Keys(**values)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(told["loc"][0])
        ours = told["type"] == "value_error"
        what = told["msg"].removeprefix("Value error, ") if ours else "is no text: put it in quotes"
        problem = f"{VARIABLES[name]} or {name} of {file} {what}."
    raise ConfigError(problem)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            if os.name == "posix" and os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"the keys in {file} can be read by others: run `chmod 600 {file}`.")
            values = tomllib.loads(opened.read().decode())
    except OSError as error:
        raise ConfigError(
            f"the keys in {file} cannot be read ({error.strerror or error}): give the path of a file with "
            "lines such as newsapi_key = '...'."
        ) from error
    except ValueError:  # tomllib's error and UnicodeDecodeError; the latter holds the file's bytes
        values = None
    if values is None:
        raise ConfigError(f'{file} is no TOML: write lines such as newsapi_key = "...", in quotes.')
    unknown = sorted(set(values) - set(VARIABLES))
    if unknown:
        raise ConfigError(f"{file} holds {', '.join(unknown)}: use {', '.join(VARIABLES)}.")
    return values
