"""Pages of an unfinished download, on disk as soon as they have come: a kill loses at most one."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from mlstrat.arrays import FloatArray
from mlstrat.data.remote.pages import WIDTH, Page, empty
from mlstrat.errors import RunFolderError


@dataclass(frozen=True, eq=False)
class Kept:
    """What an unfinished download has left.

    Parameters
    ----------
    request : mapping
        What was being downloaded; empty where nothing is left.
    rows : (n, 6) float64
        The bars of its pages, as in `Page`.
    reached : int or None
        `Page.reached` of the last page.
    size : int
        Bytes up to the end of the last whole page.
    """

    request: Mapping[str, Any]
    rows: FloatArray
    reached: int | None
    size: int


def kept(path: Path) -> Kept:
    """Read a journal up to its first line that is not whole; no file is an empty journal."""
    if not path.exists():
        return Kept({}, empty(), None, 0)
    size, told = 0, []
    with path.open("rb") as file:
        for line in file:
            if not _whole(line):
                break
            size += len(line)
            told.append(json.loads(line[9:]))
    if not told:
        return Kept({}, empty(), None, 0)
    pages = [np.array(page["rows"], np.float64).reshape(-1, WIDTH) for page in told[1:]]
    reached = told[-1]["reached"] if pages else None
    return Kept(told[0], np.concatenate([empty(), *pages]), reached, size)


class Journal:
    """A journal that pages are added to.

    Parameters
    ----------
    path : Path
        Its file; a line of JSON behind a checksum for the request and for each page.
    request : mapping
        What is being downloaded.
    size : int
        Bytes of an earlier journal of the same request to go on behind; 0 = begin anew.
    """

    def __init__(self, path: Path, request: Mapping[str, Any], size: int = 0) -> None:
        self._path, self._request, self._size = path, request, size

    def __enter__(self) -> Journal:
        try:
            self._file: BinaryIO = self._path.open("r+b" if self._size else "wb")
            self._file.truncate(self._size)
            self._file.seek(self._size)
        except OSError as error:
            raise self._refused(error) from error
        if not self._size:
            self._write(dict(self._request))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, page: Page) -> None:
        """Write a page and wait until the disk has it.

        Raises
        ------
        RunFolderError
            The system refused.
        """
        self._write({"rows": page.rows.tolist(), "reached": page.reached})

    def _write(self, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        try:
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RunFolderError:
        reason = error.strerror or error
        return RunFolderError(
            f"{self._path} cannot be written ({reason}): free space or choose another folder."
        )


def _whole(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:8] == b"%08x" % zlib.crc32(line[9:-1])
