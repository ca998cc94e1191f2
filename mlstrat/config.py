"""One TOML file = one reproducible run, as frozen models that cannot exist wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mlstrat.config_confirm import ConditionText
from mlstrat.config_own import OwnModel, refuse_names
from mlstrat.config_places import resolved, resolved_model
from mlstrat.config_sentences import sentences
from mlstrat.config_sentiment import SentimentConfig
from mlstrat.config_tune import TuneConfig
from mlstrat.errors import ConfigError

Share = Annotated[float, Field(gt=0, le=1)]
ShareOrZero = Annotated[float, Field(ge=0, lt=1)]


def _in_calendar(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("give a date that the calendar has, such as 2021-10-01") from None
    return text


Date = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a date such as 2021-10-01"),
    AfterValidator(_in_calendar),
]
Grade = Literal["A", "B", "C", "D", "F"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataConfig(_Section):
    """Which bars, and how to read them."""

    bars: str = "sample:BTCUSDT_1h"
    symbol: str = ""
    timeframe: str = ""
    tz: str = ""
    start: Date | None = None
    end: Date | None = None


class InstrumentConfig(_Section):
    """Facts that replace the shipped ones; those not set keep them."""

    tick: Annotated[float, Field(gt=0)] | None = None
    step: Annotated[float, Field(gt=0)] | None = None
    min_notional: Annotated[float, Field(ge=0)] | None = None
    fee_share: Annotated[float, Field(ge=0, lt=0.1)] | None = None
    currency: str | None = None
    sessions_per_year: Annotated[float, Field(ge=0, le=366)] | None = None
    session_hours: Annotated[float, Field(gt=0, le=24)] | None = None
    calendar: str | None = None
    funding: str = ""
    borrow: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the facts that are set, by their names in `Instrument`."""
        known = self.model_dump(exclude={"funding", "borrow"})
        return {name: value for name, value in known.items() if value is not None}


class FeaturesConfig(_Section):
    """Which registered features feed the models; empty = every one of the chosen families."""

    names: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    select: Annotated[int, Field(ge=0)] = 0
    select_by: Literal["importance", "cluster"] = "importance"


class LabelsConfig(_Section):
    """What the models learn."""

    target_periods: Annotated[int, Field(ge=1, le=1000)] = 5


class SplitsConfig(_Section):
    """The walk-forward schedule."""

    scheme: Literal["rolling", "expanding"] = "rolling"
    training_days: Annotated[int, Field(ge=10, le=10_000)] = 365
    retrain: Literal["week", "month", "quarter", "year"] | Annotated[int, Field(ge=1)] = "quarter"
    start: Date | None = None
    max_windows: Annotated[int, Field(ge=1)] | None = None
    embargo_bars: Annotated[int, Field(ge=0)] = 5
    calibration_share: Annotated[float, Field(ge=0.1, le=0.5)] = 0.3


Model = Literal["forest", "boosting", "lstm"]
MODELS: tuple[Model, ...] = get_args(Model)


def _in_order(names: tuple[Model, ...]) -> tuple[Model, ...]:
    """Return each name once, in the order of the votes."""
    if len(set(names)) == len(MODELS):
        raise ValueError("give at most two of the three: one has to vote")
    return tuple(name for name in MODELS if name in names)


class ModelsConfig(_Section):
    """Sizes of the three models; a profile fills what is not given. Other tables are models of your own."""

    # Any other table, `[models.NAME]`, is a model of the user's own.
    model_config = ConfigDict(extra="allow")
    extra_kind: ClassVar[type[BaseModel]] = OwnModel
    __pydantic_extra__: dict[str, OwnModel] = Field(init=False)

    profile: Literal["full", "pine"] = "full"
    bins: Annotated[int, Field(ge=2, le=63)] = 63
    characters: Literal[0, 2, 3] = 0
    without: Annotated[tuple[Model, ...], AfterValidator(_in_order)] = ()
    device: Literal["cpu", "auto"] = "cpu"
    transfer: str = ""
    half_life_days: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    calibration: Literal["auto", "platt", "beta", "isotonic"] = "auto"
    rf_n_estimators: Annotated[int, Field(ge=1, le=2000)] = 200
    rf_max_depth: Annotated[int, Field(ge=1, le=20)] = 8
    rf_min_samples_leaf: Annotated[int, Field(ge=1)] = 20
    rf_max_leaves: Annotated[int, Field(ge=2)] | None = None
    gb_n_estimators: Annotated[int, Field(ge=1, le=2000)] = 100
    gb_max_leaves: Annotated[int, Field(ge=2, le=255)] = 15
    gb_learning_rate: Share = 0.05
    lstm_units: Annotated[int, Field(ge=1, le=256)] = 32
    lstm_inputs: Annotated[int, Field(ge=1)] = 32
    lstm_epochs: Annotated[int, Field(ge=1, le=1000)] = 10
    lstm_learning_rate: Share = 0.005

    @model_validator(mode="before")
    @classmethod
    def _fill_profile(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("profile") == "pine":
            return {**PINE_PROFILE, **given}
        return given

    @model_validator(mode="after")
    def _own_have_names(self) -> ModelsConfig:
        refuse_names(self.own)
        return self

    @model_validator(mode="after")
    def _left_out_once(self) -> ModelsConfig:
        for name, model in self.own.items():
            if model.replaces in self.without:
                raise ValueError(
                    f"give {model.replaces!r} in without or as what {name} replaces, not as both"
                )
        return self

    @property
    def own(self) -> dict[str, OwnModel]:
        """The user's own models by name, in the order of their names."""
        return dict(sorted((self.__pydantic_extra__ or {}).items()))

    @property
    def joined(self) -> tuple[str, ...]:
        """Names of those that join the three and replace none, in the order of their votes."""
        return tuple(name for name, model in self.own.items() if not model.replaces)

    @property
    def silent(self) -> frozenset[str]:
        """Names of those of the three that are not fitted: left out, or replaced by one of the user's own."""
        return frozenset({*self.without, *(model.replaces for model in self.own.values())} & {*MODELS})

    @property
    def classes(self) -> tuple[str, ...]:
        """Full names of the classes of the user's own models."""
        return tuple(model.path for model in self.own.values())

    @property
    def trusted(self) -> tuple[str, ...]:
        """Names of the classes that the user named, and so trusts."""
        return tuple(name for model in self.own.values() for name in (model.path, *model.trust))


# One value a day is what a script carries.
PINE_RESOLUTION = "1d"
# Sized so that twelve windows fit one Pine script: about 3,000 characters of model a window.
PINE_PROFILE: dict[str, Any] = {
    "bins": 15,
    "characters": 2,
    "rf_n_estimators": 16,
    "rf_max_depth": 4,
    "rf_min_samples_leaf": 100,
    "rf_max_leaves": 8,
    "gb_n_estimators": 12,
    "gb_max_leaves": 6,
    "gb_learning_rate": 0.1,
    "lstm_units": 4,
    "lstm_inputs": 8,
    "lstm_epochs": 10,
}


class SignalsConfig(_Section):
    """How predictions and sentiment become a side."""

    ml_weight: Annotated[float, Field(gt=0, le=1)] = 0.6
    sentiment_weight: Annotated[float, Field(ge=0, le=1)] = 0.4
    sentiment_gate: bool = True
    threshold: Literal["auto"] | Annotated[float, Field(ge=0.5, lt=1)] = "auto"
    direction: Literal["long", "short", "both"] = "both"
    min_confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    min_grade: Grade = "F"
    conformal: ShareOrZero = 0.0
    confirm: ConditionText = ""
    confirm_long: ConditionText = ""
    confirm_short: ConditionText = ""


class KellyConfig(_Section):
    """How much to hold."""

    multiplier: Share = 0.5
    max_position: Share = 0.08
    min_fraction: ShareOrZero = 0.001
    basis: Literal["equity", "risk"] = "equity"
    shrink: Literal["off", "standard", "strict"] = "standard"


class StopsConfig(_Section):
    """Where a trade ends, in ATR(14) of the deciding bar and in bars."""

    atr: Annotated[float, Field(gt=0)] = 2.5
    target_atr: Annotated[float, Field(gt=0)] = 3.5
    max_bars: Annotated[int, Field(ge=1, le=10_000)] = 24


class ExecutionConfig(_Section):
    """Cash and costs beyond the instrument's fee."""

    cash: Annotated[float, Field(gt=0)] = 10_000.0
    slippage_ticks: Annotated[float, Field(ge=0)] = 0.0
    gap_reserve: ShareOrZero = 0.01


class BreakersConfig(_Section):
    """Circuit breakers on equity; 0 turns one off."""

    max_drawdown: ShareOrZero = 0.25
    max_daily_loss: ShareOrZero = 0.05
    max_losing_streak: Annotated[int, Field(ge=0)] = 0
    cooldown_bars: Annotated[int, Field(ge=1)] = 24


class RiskConfig(_Section):
    """Breakers on data: bars at which no entry is made; 0 turns one off."""

    shock_atr: Annotated[float, Field(ge=0)] = 6.0
    shock_bars: Annotated[int, Field(ge=1)] = 6
    stale_bars: Annotated[int, Field(ge=0)] = 3
    novelty: ShareOrZero = 0.15


class ReportConfig(_Section):
    """Honesty checks that the report shows beside the run."""

    controls: bool = False
    seeds: Annotated[int, Field(ge=1, le=100)] = 3


class RunConfig(_Section):
    """Everything that determines a run."""

    name: str = "run"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 7
    jobs: Annotated[int, Field(ge=1, le=256)] = 2
    plugins: tuple[str, ...] = ()
    data: DataConfig = DataConfig()
    instrument: InstrumentConfig = InstrumentConfig()
    features: FeaturesConfig = FeaturesConfig()
    labels: LabelsConfig = LabelsConfig()
    splits: SplitsConfig = SplitsConfig()
    models: ModelsConfig = ModelsConfig()
    tune: TuneConfig = TuneConfig()
    sentiment: SentimentConfig = SentimentConfig()
    signals: SignalsConfig = SignalsConfig()
    kelly: KellyConfig = KellyConfig()
    stops: StopsConfig = StopsConfig()
    execution: ExecutionConfig = ExecutionConfig()
    breakers: BreakersConfig = BreakersConfig()
    risk: RiskConfig = RiskConfig()
    report: ReportConfig = ReportConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_profile(cls, given: Any) -> Any:
        """A script carries one value of sentiment a day, so the profile of scripts means that one."""
        if not isinstance(given, Mapping):
            return given
        models, sentiment = given.get("models"), given.get("sentiment", {})
        profile = models.get("profile") if isinstance(models, Mapping) else getattr(models, "profile", "")
        if profile != "pine" or not isinstance(sentiment, Mapping):
            return given
        return {**given, "sentiment": {"resolution": PINE_RESOLUTION, **sentiment}}

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not name or name.startswith(".") or any(part in name for part in "/\\\n"):
            raise ValueError("give a plain name, such as demo")
        return name

    def result_content(self) -> dict[str, Any]:
        """Return the settings that can change a result: not the name, the jobs, nor where files lie."""
        elsewhere = {
            "data": {"bars"},
            "instrument": {"funding", "borrow"},
            "features": {"context"},
            "models": {"transfer"},
            "sentiment": {"source", "model"},
        }
        never = {"name": True, "jobs": True, "plugins": True}
        return self.model_dump(mode="json", exclude={**never, **elsewhere})


# Keys that are known and refused: what replaces pydantic's "extra inputs are not permitted".
_REFUSED: Mapping[tuple[int | str, ...], Mapping[str, str]] = {
    ("stops", "trailing"): {
        "type": "refused",
        "msg": "a fixed stop by stops.atr and a time exit by stops.max_bars instead, because a trailing stop "
        "is not in every engine yet, and trades would not be the same in all of them",
    }
}


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run from a TOML file.

    Parameters
    ----------
    path : str or Path
        The TOML file. Relative paths inside it are taken from its folder.
    overrides : iterable of str
        `section.key=value` pairs that replace what the file says; values are TOML, bare words are text.

    Raises
    ------
    ConfigError
        Unreadable file, unknown key, wrong type or impossible value; the message names file, key,
        what was given, what is allowed and the nearest spelling.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path} cannot be read ({reason}): give the path of a TOML run file.") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML ({error}): mend that line.") from error
    config = parse_config(with_overrides(content, overrides), str(path))
    return _anchored(config, path.parent)


def parse_config(content: Mapping[str, Any], origin: str = "the configuration") -> RunConfig:
    """Validate a nested mapping; `origin` names it in error messages."""
    try:
        return RunConfig.model_validate(_plain(content))
    except ValidationError as error:
        details = [{**detail, **_REFUSED.get(detail["loc"], {})} for detail in error.errors()]
        raise ConfigError("\n".join(sentences(origin, details, RunConfig))) from None


def with_overrides(content: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of the mapping with `section.key=value` pairs set."""
    merged = json.loads(json.dumps(content, default=str))
    for pair in overrides:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {pair!r} is not key=value: write for example kelly.shrink=strict.")
        *parents, leaf = key.strip().split(".")
        place = merged
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {pair!r}: {parent} is not a section; write section.key=value.")
        place[leaf] = _value(text.strip())
    return dict(merged)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(content: Any) -> Any:
    """Turn what TOML reads into what the strict models take: lists into tuples, dates into text."""
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, date):
        return content.isoformat()
    return tuple(content) if isinstance(content, list) else content


def _anchored(config: RunConfig, folder: Path) -> RunConfig:
    data, features, models, sentiment = config.data, config.features, config.models, config.sentiment
    context = tuple(resolved(text, folder) for text in features.context)
    transfer = models.transfer and resolved(models.transfer, folder)
    rates = {name: resolved(getattr(config.instrument, name), folder) for name in ("funding", "borrow")}
    return config.model_copy(
        update={
            "plugins": tuple(resolved(text, folder) for text in config.plugins),
            "data": data.model_copy(update={"bars": resolved(data.bars, folder)}),
            "instrument": config.instrument.model_copy(update=rates),
            "features": features.model_copy(update={"context": context}),
            "models": models.model_copy(update={"transfer": transfer}),
            "sentiment": sentiment.model_copy(
                update={
                    "source": resolved(sentiment.source, folder),
                    "model": resolved_model(sentiment.model, folder),
                }
            ),
        }
    )
