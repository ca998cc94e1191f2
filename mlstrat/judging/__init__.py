"""The verdict on a run, on a sweep, or on returns from any other tool."""

from mlstrat.judging.files import judge_returns
from mlstrat.judging.folders import judge_folder
from mlstrat.judging.verdict import Verdict

__all__ = ["Verdict", "judge_folder", "judge_returns"]
