"""Public contract suites: call them in your own tests on what you plug in.

Each raises `AssertionError` with one sentence, and says nothing where all is well.
"""

from mlstrat.testing.features import check_feature
from mlstrat.testing.labels import check_label
from mlstrat.testing.models import check_model
from mlstrat.testing.sentiment import check_scorer, check_source
from mlstrat.testing.sizing import check_sizer

__all__ = ["check_feature", "check_label", "check_model", "check_scorer", "check_sizer", "check_source"]
