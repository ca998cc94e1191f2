"""What is wrong with a configuration, as sentences: key, value, what is allowed, the nearest spelling."""

import difflib
import json
from collections.abc import Iterable
from typing import Any

# Names that pydantic puts into an error's place for the member of a union; no key of ours.
_UNION_TAGS = {"constrained-float", "constrained-int", "float", "function-before"}


def sentences(origin: str, details: Iterable[Any], model: Any) -> list[str]:
    """Return one sentence for each key that is wrong.

    Parameters
    ----------
    origin : str
        Where the configuration comes from, such as its file.
    details : iterable of pydantic error details
        What validation found.
    model : pydantic model class
        The configuration, for its keys.
    """
    by_key: dict[str, tuple[str, list[str]]] = {}
    found: list[str] = []
    for detail in details:
        path = [part for part in map(str, detail["loc"]) if not _is_union_tag(part)]
        if detail["type"] == "extra_forbidden" or _stray(detail, model):
            found.append(_unknown(origin, path, model))
            continue
        given = json.dumps(detail["input"], default=str)
        by_key.setdefault(".".join(path), (given, []))[1].append(_allowed(detail))
    return found + [
        f"{origin}: {key} is {given}; give {', or '.join(allowed)}."
        for key, (given, allowed) in by_key.items()
    ]


def _is_union_tag(part: str) -> bool:
    return part in _UNION_TAGS or part.startswith("literal[")


def _unknown(origin: str, path: list[str], model: Any) -> str:
    known = _keys(path[:-1], model)
    close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    if close:
        hint = f"did you mean {'.'.join([*path[:-1], close[0]])}?"
    else:
        hint = f"allowed here: {', '.join(sorted(known))}."
    return f"{origin}: unknown key {'.'.join(path)}; {hint}"


def _allowed(detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    match detail["type"]:
        case "literal_error":
            return str(detail["ctx"]["expected"])
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"a number {message}"
        case "float_type" | "float_parsing":
            return "a number"
        case "int_type" | "int_from_float":
            return "a whole number"
        case "missing":
            return "it a value, because it has no default"
        case "finite_number":
            return "a finite number"
        case "string_type":
            return 'text in quotes, such as "BTCUSDT"'
        case "string_pattern_mismatch":
            return "a date such as 2021-10-01"
        case "tuple_type":
            return 'a list, such as ["rsi_14", "ret_5"]'
        case "model_type" | "model_attributes_type":
            return "a section with its own keys"
        case _:
            return message.removeprefix("give ")


def _keys(path: list[str], model: Any) -> list[str]:
    for part in path:
        known = model.model_fields
        model = known[part].annotation if part in known else model.extra_kind
    return [field.alias or name for name, field in model.model_fields.items()]


def _stray(detail: Any, model: Any) -> bool:
    """Return whether a key of a section that takes tables of any name is none, so that it is a slip."""
    section, *key = (str(part) for part in detail["loc"])
    known = model.model_fields.get(section)
    fields = getattr(known.annotation, "model_fields", {}) if known else {}
    return (
        detail["type"] in ("model_type", "model_attributes_type") and len(key) == 1 and key[0] not in fields
    )
