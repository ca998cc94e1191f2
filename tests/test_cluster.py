"""Windows fitted on a real Dask cluster of two worker processes: the same bits, and errors in sentences."""

import json
import os
import signal

import numpy as np
import pytest

from mlstrat import cluster
from mlstrat.cluster import OnCluster
from mlstrat.config import parse_config
from mlstrat.errors import ClusterError, MissingExtraError, ModelError
from mlstrat.pipeline import Watcher, run
from mlstrat.sentiment.align import neutral

distributed = pytest.importorskip("distributed", reason="needs dask and distributed (extra cluster)")

ROWS = ("prob_up", "magnitude", "votes", "score", "win_prob", "win_se", "payoff", "threshold", "fold")


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


def test_the_command_line_gives_the_same_files(two_workers, tmp_path):
    from typer.testing import CliRunner

    from mlstrat.cli.main import app

    sections = {
        "data": {"start": "2023-01-01", "end": "2023-04-10"},
        "features": {"names": ["ret_1", "rsi_14", "hour"]},
        "splits": {"training_days": 40, "retrain": "month", "max_windows": 2},
        "models": {"bins": 8, "rf_n_estimators": 5, "gb_n_estimators": 5, "lstm_units": 2, "lstm_epochs": 1},
    }
    parse_config(sections)
    toml = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in content.items())
        for name, content in sections.items()
    )
    (tmp_path / "run.toml").write_text(toml)
    command = ["backtest", str(tmp_path / "run.toml"), "--engine", "kernel", "--no-cache"]
    for name, more in (("here", []), ("there", ["--cluster", two_workers.scheduler_address])):
        result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / name), *more])
        assert result.exit_code == 0, result.output
    for name in ("predictions.parquet", "decisions.parquet", "trades.csv", "report.html", "purged.csv"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


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
