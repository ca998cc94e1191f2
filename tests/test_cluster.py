"""Windows fitted on a real Dask cluster of two worker processes: the same bits, and errors in sentences."""

import os
import signal

import numpy as np
import pytest

from mlstrat import cluster
from mlstrat.cluster import OnCluster
from mlstrat.errors import ClusterError, MissingExtraError, ModelError
from mlstrat.pipeline import Watcher, run
from mlstrat.sentiment.align import neutral

distributed = pytest.importorskip("distributed", reason="needs dask and distributed (extra cluster)")

ROWS = (
    "prob_up",
    "magnitude",
    "votes",
    "score",
    "win_prob",
    "win_se",
    "payoff",
    "threshold",
    "fold",
    "novelty",
)


@pytest.fixture(scope="module")
def two_workers():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as local:
        yield local


def assert_same(a, b):
    for name in ROWS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.windows == b.windows


def test_a_cluster_gives_the_same_bits(walk, tiny_config, tiny_run, two_workers):
    done = []

    class Log(Watcher):
        def windows(self, *counted):
            done.append(counted)

    fits = OnCluster(two_workers.scheduler_address)
    far = run(tiny_config, bars=walk, mood=neutral(walk), fits=fits, watcher=Log())
    assert_same(far.predictions, tiny_run.predictions)
    windows = len(far.predictions.windows)
    assert done == [(k, windows, 0) for k in range(windows + 1)]


def test_a_window_whose_worker_is_killed_is_fitted_by_another(
    walk, tiny_config, tiny_run, two_workers, tmp_path, monkeypatch
):
    marker = str(tmp_path / "killed")

    def killed_once(*given):
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            from mlstrat.cluster import fit_on_worker

            return fit_on_worker(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(cluster, "fit_on_worker", killed_once)
    fits = OnCluster(two_workers.scheduler_address)
    far = run(tiny_config, bars=walk, mood=neutral(walk), fits=fits)
    assert os.path.exists(marker)
    assert_same(far.predictions, tiny_run.predictions)


def test_an_error_on_a_worker_keeps_its_class_and_sentence(walk, tiny_config, two_workers, monkeypatch):
    def failing(*given):
        raise ModelError("the labels are all alike: move the dates.")

    monkeypatch.setattr(cluster, "fit_on_worker", failing)
    with pytest.raises(ModelError, match=r"^the labels are all alike: move the dates"):
        run(tiny_config, bars=walk, mood=neutral(walk), fits=OnCluster(two_workers.scheduler_address))


def test_workers_of_other_code_are_refused(walk, tiny_config, two_workers, monkeypatch):
    monkeypatch.setattr(cluster, "code_sha256", lambda: "0" * 64)
    with pytest.raises(
        ClusterError, match=r"a worker has mlstrat's code \w{12} and this process 0{12}: install"
    ):
        run(tiny_config, bars=walk, mood=neutral(walk), fits=OnCluster(two_workers.scheduler_address))


@pytest.mark.parametrize("command", ["backtest", "demo"])
def test_the_command_line_hands_the_address_on(monkeypatch, tmp_path, command):
    from typer.testing import CliRunner

    from mlstrat import backtest as backtesting
    from mlstrat.cli.main import app

    given = {}

    def caught(config, folder, **more):
        given.update(more)
        raise ClusterError("caught.")

    monkeypatch.setattr(backtesting, "backtest", caught)
    (tmp_path / "run.toml").write_text("")
    file = [str(tmp_path / "run.toml")] if command == "backtest" else []
    for more, fits in (([], None), (["--cluster", "tcp://10.0.0.5:8786"], OnCluster("tcp://10.0.0.5:8786"))):
        result = CliRunner().invoke(app, [command, *file, *more])
        assert result.exit_code == 1
        assert "error: caught." in result.stderr
        assert given["fits"] == fits


def test_no_scheduler_and_no_worker_are_said(walk, tiny_config):
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .* give its"):
        run(tiny_config, bars=walk, mood=neutral(walk), fits=OnCluster("tcp://127.0.0.1:9", patience=1))
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at nonsense:x"):
        run(tiny_config, bars=walk, mood=neutral(walk), fits=OnCluster("nonsense:x", patience=1))
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as empty,
        pytest.raises(ClusterError, match="has no worker: start one with `dask worker"),
    ):
        run(tiny_config, bars=walk, mood=neutral(walk), fits=OnCluster(empty.scheduler_address, patience=0.5))


def test_a_missing_extra_is_said_before_any_work(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"A cluster needs the package distributed: run `pip install"):
        OnCluster("tcp://127.0.0.1:8786")
