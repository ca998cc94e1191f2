"""`[models.NAME]` of a run file: a model of the user's own, by the class that it names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer


def _dotted(text: str) -> str:
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ValueError("give the full name of a class, such as lightgbm.LGBMClassifier")
    return text


def _plain(value: Any) -> Any:
    for part in value if isinstance(value, tuple) else (value,):
        if not isinstance(part, bool | int | float | str) or (isinstance(part, float) and math.isnan(part)):
            raise ValueError("give text, a number, true or false, or a list of these")
        if isinstance(part, float) and math.isinf(part):
            raise ValueError("give a finite number")
    return value


ClassName = Annotated[str, AfterValidator(_dotted)]
Param = Annotated[Any, AfterValidator(_plain)]


class OwnModel(BaseModel):
    """A model of your own: it votes beside the three, or in place of one of them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=True
    )

    path: Annotated[ClassName, Field(alias="class")]
    params: Mapping[str, Param] = Field(default_factory=dict)
    replaces: Literal["forest", "boosting", "lstm", ""] = ""
    trust: tuple[ClassName, ...] = ()

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        """Return the table as a run file has it."""
        return {
            "class": self.path,
            "params": dict(self.params),
            "replaces": self.replaces,
            "trust": self.trust,
        }


def refuse_names(own: Mapping[str, OwnModel]) -> None:
    """Refuse names that are no column names, and two models in one place.

    Raises
    ------
    ValueError
        The first fault, as words that follow `give`.
    """
    taken: dict[str, str] = {}
    for name, model in own.items():
        if not name.isidentifier() or name in ("forest", "boosting", "lstm"):
            raise ValueError(
                f"give the model {name!r} a name of letters and digits that is none of the three"
            )
        if model.replaces and model.replaces in taken:
            raise ValueError(
                f"give one model that replaces {model.replaces!r}; {taken[model.replaces]} and {name} do"
            )
        taken[model.replaces] = name
