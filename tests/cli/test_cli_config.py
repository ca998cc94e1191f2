import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from mlstrat.cli.meanings import MEANINGS
from mlstrat.cli.settings import as_markdown, as_toml, settings
from mlstrat.config import PINE_PROFILE, ModelsConfig, RunConfig, load_config, parse_config
from mlstrat.errors import ConfigError

ROOT = Path(__file__).parents[2]


def keys_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += keys_of(inner, f"{name}.")
        else:
            found.append(prefix + name)
    return found


def test_every_setting_is_listed_and_has_a_meaning():
    assert {s.name for s in settings()} == set(keys_of(RunConfig)) == set(MEANINGS)
    assert all(s.allowed and s.meaning.endswith(".") for s in settings())


def test_a_fresh_file_means_the_defaults():
    assert parse_config(tomllib.loads(as_toml())) == RunConfig()


def test_its_commented_values_are_the_defaults_too():
    text = re.sub(r"^# (\w+ = \S)", r"\1", as_toml(), flags=re.MULTILINE)
    models = tomllib.loads(text)["models"]
    defaults = RunConfig().models.model_dump(mode="json")
    full = {key: value for key, value in defaults.items() if value is not None}
    assert models == full


def test_both_forms_are_plain_enough_for_any_terminal():
    assert as_toml().isascii()
    assert as_markdown().isascii()


def test_the_profile_still_works_in_a_fresh_file():
    text = as_toml().replace('profile = "full"', 'profile = "pine"')
    models = parse_config(tomllib.loads(text)).models
    assert {key: getattr(models, key) for key in PINE_PROFILE} == PINE_PROFILE


@pytest.mark.parametrize(
    ("content", "resolution"),
    [
        ({"models": {"profile": "pine"}}, "1d"),
        ({"models": {"profile": "pine"}, "sentiment": {"source": "none"}}, "1d"),
        ({"models": {"profile": "pine"}, "sentiment": {"resolution": "bar"}}, "bar"),
        ({"models": {"profile": "full"}}, "bar"),
        ({}, "bar"),
    ],
)
def test_the_profile_of_scripts_means_one_value_of_sentiment_a_day(content, resolution):
    config = parse_config(content)
    assert config.sentiment.resolution == resolution
    assert parse_config(config.model_dump(mode="json")) == config


def test_the_profile_means_so_in_models_that_are_made_already():
    assert RunConfig(models=ModelsConfig(profile="pine")).sentiment.resolution == "1d"


@pytest.mark.parametrize("section", ["models", "sentiment"])
def test_a_section_that_is_none_is_still_refused(section):
    content = {"models": {"profile": "pine"}} | {section: 3}
    with pytest.raises(ConfigError, match=rf"{section} is 3; give a section with its own keys"):
        parse_config(content)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kelly.multiplier", "a number above 0, at most 1"),
        ("splits.retrain", '"week" or "month" or "quarter" or "year" or a whole number of at least 1'),
        ("signals.threshold", '"auto" or a number of at least 0.5, below 1'),
        ("models.bins", "a whole number from 2 to 63"),
        ("models.without", 'a list of "forest" or "boosting" or "lstm"'),
        ("data.start", "a date such as 2021-10-01"),
        ("features.names", "a list of text"),
    ],
)
def test_what_is_allowed_is_told_in_words(name, words):
    assert {s.name: s.allowed for s in settings()}[name] == words


def test_init_writes_once_and_overwrites_when_told(mlstrat, tmp_path):
    file = tmp_path / "run.toml"
    assert mlstrat("config", "init", file).exit_code == 0
    assert mlstrat("config", "validate", file).exit_code == 0
    assert load_config(file) == RunConfig()
    file.write_text('name = "mine"\n')
    refused = mlstrat("config", "init", file)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert file.read_text() == 'name = "mine"\n'
    assert mlstrat("config", "init", file, "--force").exit_code == 0
    assert load_config(file) == RunConfig()


def test_validate_names_the_mistake(mlstrat, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[features]\nnames = ["rsi_41"]\n')
    unknown = mlstrat("config", "validate", file)
    assert unknown.exit_code == 2
    assert "rsi_41" in unknown.stderr
    assert mlstrat("config", "validate", file, "--set", 'features.names=["rsi_14"]').exit_code == 0
    assert mlstrat("config", "validate", file, "--set", "kelly.multiplier=2").exit_code == 2


def test_the_reference_page_is_current(mlstrat):
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == as_markdown(), "run: mlstrat config reference > docs/configuration.md"
    assert mlstrat("config", "reference").stdout == page


@pytest.mark.parametrize("value", ["2.5", "true", '"auto"', "0"])
def test_a_trailing_stop_is_refused_with_the_reason(mlstrat, tmp_path, value):
    file = tmp_path / "run.toml"
    file.write_text(f"[stops]\ntrailing = {value}\n")
    result = mlstrat("config", "validate", file)
    assert result.exit_code == 2
    assert "unknown key" not in result.stderr
    assert f"stops.trailing is {value}; give a fixed stop by stops.atr" in " ".join(result.stderr.split())
    assert "because a trailing stop is not in every engine yet" in " ".join(result.stderr.split())
