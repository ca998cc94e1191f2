"""Windows fitted on a Dask cluster: the same task as in a process of this machine, and the same bits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mlstrat.config import RunConfig
from mlstrat.errors import ClusterError, MissingExtraError
from mlstrat.panel import Panel
from mlstrat.provenance import code_sha256, own_versions, versions
from mlstrat.splits import Fold
from mlstrat.window import FittedModels, fit_models

_PATIENCE = 30  # seconds for the scheduler to answer and for a first worker to be there
# The number of threads and the seed of PyTorch belong to the whole process, so that a worker of several
# threads must not fit two windows at a time.
_ALONE = threading.Lock()


@dataclass(frozen=True)
class OnCluster:
    """Fits windows on the workers of a Dask scheduler; to be given as `fits` to `mlstrat.pipeline.run`.

    Anybody who can reach a Dask scheduler can run code on its workers: keep it on a network that you trust.

    Parameters
    ----------
    address : str
        Of the scheduler, such as tcp://10.0.0.5:8786.
    patience : float
        Seconds for it to answer, and for its first worker to be there.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    """

    address: str
    patience: float = _PATIENCE

    def __post_init__(self) -> None:
        if find_spec("distributed") is None:
            raise MissingExtraError("cluster", "distributed", "A cluster")

    def __call__(
        self, panel: Panel, folds: Sequence[Fold], config: RunConfig
    ) -> Iterator[tuple[int, FittedModels]]:
        """Fit the models of each fold, and yield them as they are ready.

        Raises
        ------
        ClusterError
            The cluster does not answer, has no worker, runs other code, or lost the workers of a window.
        """
        with self._client() as client:
            from distributed import as_completed

            made_of = made_by(config)
            shared = client.scatter(panel, broadcast=True, hash=False)
            waiting = [
                client.submit(fit_on_worker, shared, fold, config, made_of, pure=False) for fold in folds
            ]
            for future in as_completed(waiting, loop=client.loop):
                yield self._result(future)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from distributed import Client

        try:
            client = Client(self.address, timeout=self.patience, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {self.address} ({error}): start one with `dask scheduler` "
                "and give its address, such as --cluster tcp://10.0.0.5:8786."
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=self.patience)
            except TimeoutError as error:
                raise ClusterError(
                    f"the scheduler at {self.address} has no worker: start one with "
                    f"`dask worker {self.address} --nthreads 1`."
                ) from error
            yield client

    def _result(self, future: Any) -> tuple[int, FittedModels]:
        from distributed import KilledWorker

        try:
            index, models = future.result()
        except KilledWorker as error:
            raise ClusterError(
                f"the workers of {self.address} died again and again while they fitted a window: look at "
                "their logs (memory is the usual reason), and run again; finished windows are kept."
            ) from error
        except ImportError as error:
            raise ClusterError(
                f"a worker of {self.address} cannot import {error.name}: install the same mlstrat there, "
                "with its extra torch."
            ) from error
        return int(index), models


def made_by(config: RunConfig) -> dict[str, str]:
    """Return the hash of this package's code and the versions of what a run's models depend on."""
    return {"mlstrat's code": code_sha256()[:12], **versions(), **own_versions(config.models.classes)}


def fit_on_worker(
    panel: Panel, fold: Fold, config: RunConfig, made_of: dict[str, str]
) -> tuple[int, FittedModels]:
    """Fit one window, the only one at a time in this process.

    Raises
    ------
    ClusterError
        This worker has other code or libraries than the process that asks, so that the bits could differ.
    """
    here = made_by(config)
    for name, wanted in made_of.items():
        if here[name] != wanted:
            raise ClusterError(
                f"a worker has {name} {here[name]} and this process {wanted}: install the same versions."
            )
    with _ALONE:
        return fold.index, fit_models(panel, fold, config)
