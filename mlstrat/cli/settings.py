"""Every setting of a run, read from the configuration models, as commented TOML and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlstrat.cli.meanings import MEANINGS
from mlstrat.config import PINE_PROFILE, PINE_RESOLUTION, RunConfig

_WIDTH = 108
# A profile fills the keys of this section that a file leaves out, so a new file must leave them out.
_PROFILED = "models"


@dataclass(frozen=True)
class Setting:
    """One key of a run file.

    Parameters
    ----------
    section, key : str
        Where it stands; the section is empty for keys at the top.
    default : object
        Its value where the file does not give one; None = not set.
    allowed : str
        What may be given.
    meaning : str
        What it does.
    """

    section: str
    key: str
    default: Any
    allowed: str
    meaning: str

    @property
    def name(self) -> str:
        """The dotted name, as `--set` takes it."""
        return f"{self.section}.{self.key}" if self.section else self.key

    @property
    def pine(self) -> Any:
        """The value that the profile `pine` fills in; None where it fills none."""
        if (self.section, self.key) == ("sentiment", "resolution"):
            return PINE_RESOLUTION
        return PINE_PROFILE.get(self.key) if self.section == _PROFILED else None


def sections() -> dict[str, str]:
    """Return each section with its description, the top of the file (empty name) first."""
    schema = RunConfig.model_json_schema()
    described = {"": schema["description"]}
    for name, place in schema["properties"].items():
        if "$ref" in place:
            described[name] = _resolved(place, schema)["description"]
    return described


def settings() -> Iterator[Setting]:
    """Yield every setting in the order of the models."""
    schema = RunConfig.model_json_schema()
    for name, place in schema["properties"].items():
        if "$ref" not in place:
            yield _setting("", name, place)
    for name, place in schema["properties"].items():
        if "$ref" in place:
            for key, detail in _resolved(place, schema)["properties"].items():
                yield _setting(name, key, detail)


def as_toml() -> str:
    """Return a valid run file with every setting; those without a value of their own are commented out."""
    lines = [
        "# A run of mlstrat: bars and headlines in, one report out. Every setting is here, with its default."
    ]
    described = sections()
    by_section: dict[str, list[Setting]] = {name: [] for name in described}
    for setting in settings():
        by_section[setting.section].append(setting)
    for name, members in by_section.items():
        lines += ["", f"# {described[name]}", f"[{name}]"] if name else [""]
        for setting in members:
            lines += _toml_of(setting)
    return "\n".join(lines) + "\n"


def as_markdown() -> str:
    """Return the reference of all settings: one table a section."""
    lines = [
        "# Configuration",
        "",
        "One TOML file is one reproducible run. `mlstrat config init` writes a file with every key,",
        "`mlstrat config validate FILE` checks one, and `--set section.key=value` replaces a value once.",
        "Relative paths in a file are taken from its folder. This page is written by",
        "`mlstrat config reference > docs/configuration.md`.",
    ]
    members = list(settings())
    for name, description in sections().items():
        lines += ["", f"## {f'`[{name}]`' if name else 'At the top'}", "", description, ""]
        lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
        lines += [_markdown_row(setting) for setting in members if setting.section == name]
    return "\n".join(lines) + "\n"


def _resolved(place: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema["$defs"][str(place["$ref"]).rpartition("/")[2]]
    return found


def _setting(section: str, key: str, detail: Mapping[str, Any]) -> Setting:
    name = f"{section}.{key}" if section else key
    return Setting(section, key, detail["default"], allowed(detail), MEANINGS[name])


def allowed(detail: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows, in words."""
    if "anyOf" in detail:
        return " or ".join(allowed(part) for part in detail["anyOf"] if part.get("type") != "null")
    if "enum" in detail or "const" in detail:
        return " or ".join(json.dumps(value) for value in detail.get("enum", [detail.get("const")]))
    if detail["type"] == "array":
        return f"a list of {allowed(detail['items'])}"
    if detail["type"] in ("number", "integer"):
        return " ".join(filter(None, (_KINDS[detail["type"]], _range(detail))))
    return str(detail.get("description", _KINDS[detail["type"]]))


_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "object": "a table",
}


def _range(detail: Mapping[str, Any]) -> str:
    if "minimum" in detail and "maximum" in detail:
        return f"from {detail['minimum']} to {detail['maximum']}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return ", ".join(f"{word} {detail[key]}" for key, word in words.items() if key in detail)


def _toml_of(setting: Setting) -> list[str]:
    comment = f"# {setting.meaning} Allowed: {setting.allowed}."
    value = "" if setting.default is None else _literal(setting.default)
    line = f"{setting.key} = {value}".rstrip()
    if setting.default is None:
        line = f"# {line}"
        comment += " Not set by default."
    elif setting.pine is not None or (setting.section == _PROFILED and setting.key != "profile"):
        line = f"# {line}" + (f"    # pine: {_literal(setting.pine)}" if setting.pine is not None else "")
    return [*_wrapped(comment), line]


def _wrapped(comment: str) -> list[str]:
    import textwrap

    return textwrap.wrap(comment, _WIDTH, subsequent_indent="# ", break_on_hyphens=False)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _markdown_row(setting: Setting) -> str:
    default = "not set" if setting.default is None else f"`{_literal(setting.default)}`"
    if setting.pine is not None:
        default += f" (pine: `{_literal(setting.pine)}`)"
    return f"| `{setting.key}` | {default} | {setting.allowed} | {setting.meaning} |"
