import io

from rich.console import Console
from rich.progress import Progress, TextColumn

from mlstrat.cli.progress import BarWatcher, Pace, PlainWatcher, minutes


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_left_counts_only_windows_fitted_in_this_run():
    clock = Clock()
    pace = Pace(clock)
    pace.windows(4, 12)
    assert pace.left is None
    clock.now += 10
    pace.windows(6, 12)
    assert (pace.elapsed, pace.left) == (10.0, 30.0)
    clock.now += 12
    assert pace.left == 18.0
    clock.now += 100
    assert pace.left == 0.0


def test_windows_from_the_cache_say_nothing_of_those_to_fit():
    clock = Clock()
    pace = Pace(clock)
    pace.windows(0, 10)
    clock.now += 1
    pace.windows(6, 10, 6)
    assert pace.left is None
    clock.now += 19
    pace.windows(7, 10, 6)
    assert pace.left == 60.0


def test_a_plain_line_tells_how_many_windows_came_from_the_cache():
    lines = []
    watcher = PlainWatcher(lines.append, Pace(Clock()))
    watcher.windows(0, 3, 0)
    watcher.windows(2, 3, 2)
    assert lines[1] == "  2 of 3 windows (2 from the cache), 0:00 elapsed"


def test_plain_lines():
    clock, lines = Clock(), []
    watcher = PlainWatcher(lines.append, Pace(clock))
    watcher.stage("walking forward")
    watcher.windows(0, 2)
    clock.now += 65
    watcher.windows(1, 2)
    watcher.windows(2, 2)
    assert lines == [
        "walking forward ...",
        "  0 of 2 windows, 0:00 elapsed",
        "  1 of 2 windows, 1:05 elapsed, about 1:05 left",
        "  2 of 2 windows, 1:05 elapsed",
    ]


def test_bars_end_full():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Progress(TextColumn("{task.description}"), console=console) as progress:
        watcher = BarWatcher(progress, Pace(Clock()))
        watcher.stage("reading bars")
        watcher.stage("walking forward")
        watcher.windows(1, 3)
        assert [task.finished for task in progress.tasks] == [True, False]
        watcher.windows(3, 3)
        watcher.close()
        assert all(task.finished for task in progress.tasks)
        assert progress.tasks[1].fields["note"] == "3 of 3 windows"


def test_minutes():
    assert [minutes(value) for value in (0, 59.6, 61, 3700)] == ["0:00", "1:00", "1:01", "61:40"]
