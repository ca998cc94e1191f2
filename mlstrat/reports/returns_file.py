"""`returns.csv` of a run: what `mlstrat evidence`, or any other tool, judges."""

from __future__ import annotations

import numpy as np

from mlstrat.reports.story import Story

FILE_NAME = "returns.csv"


def returns_bytes(story: Story) -> bytes:
    """Return the file: close time (UTC) and simple return after costs of each bar out of sample.

    Numbers have as many digits as it takes to read back the very same ones.
    """
    judged = story.judged
    times = np.datetime_as_string(judged.bars.close_time, unit="s").tolist()
    rows = zip(times, judged.result.returns.tolist(), strict=True)
    return ("time,return\n" + "".join(f"{time}Z,{value!r}\n" for time, value in rows)).encode()
