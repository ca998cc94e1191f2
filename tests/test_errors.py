"""Every error comes back whole from a worker process."""

import pickle

import pytest

import mlstrat.data.bars  # RowError
import mlstrat.models.contract  # TrainingDataError
from mlstrat.errors import MissingExtraError, MlstratError, NotEnoughBarsError


def kinds(base=MlstratError):
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def made(kind):
    known = {
        NotEnoughBarsError: (1, 20, "A test"),
        MissingExtraError: ("torch", "torch", "A test"),
        mlstrat.data.bars.RowError: (3, "X", "is wrong", "mend it"),
    }
    by_name = {"Refusal": ("a sentence.", 426, "parameterInvalid")}
    return kind(*known.get(kind, by_name.get(kind.__name__, ("a sentence.",))))


@pytest.mark.parametrize(
    "kind", sorted(set(kinds()), key=lambda kind: kind.__name__), ids=lambda k: k.__name__
)
def test_an_error_survives_pickling(kind):
    error = made(kind)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.exit_code == error.exit_code != 0
