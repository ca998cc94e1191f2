"""Portable file code: nothing is ever half-written, and one process at a time owns a run folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlstrat.errors import RunFolderError


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that takes the name of `path`, whole and synced, when the block ends well.

    Raises
    ------
    RunFolderError
        The system refused; the old file is untouched.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror or error}): free space or choose another folder."
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one (see `appearing`)."""
    with appearing(path) as temporary:
        temporary.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files, the first of them last, so that a failure leaves no file that was not there.

    All are written whole under temporary names before the first takes its own.

    Raises
    ------
    RunFolderError
        A place is not there, or is a folder (`check_place`), or the system refused.
    """
    for path in contents:
        check_place(path)
    new = [path for path in contents if not path.exists()]
    try:
        with contextlib.ExitStack() as stack:
            for path, content in contents.items():
                stack.enter_context(appearing(path)).write_bytes(content)
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def check_place(path: Path) -> None:
    """Check that a file can take a name, before work is done for it.

    Raises
    ------
    RunFolderError
        Its folder is not there, or the name is a folder's.
    """
    if path.is_dir():
        raise RunFolderError(f"{path} is a folder: give a file name.")
    if path.parent.is_file():
        raise RunFolderError(f"{path.parent} is a file: give a name in a folder.")
    if not path.parent.is_dir():
        raise RunFolderError(f"the folder {path.parent} is not there: make it.")


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON (no NaN), indented, keys in the given order."""
    text = json.dumps(content, indent=2, allow_nan=False, default=str)
    write_bytes(path, (text + "\n").encode())


def make_folder(path: Path) -> None:
    """Create a folder and check that it can be written to.

    Raises
    ------
    RunFolderError
        It cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise RunFolderError(
            f"the folder {path} cannot be written ({error.strerror or error}): "
            "choose another with --out, or change its permissions."
        ) from error


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends well, and vanishes otherwise.

    Raises
    ------
    RunFolderError
        The system refused.
    """
    make_folder(path.parent)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        _put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    try:
        _sync_folder(temporary)
        if path.exists():
            shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another writer of the same was quicker
            return
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror or error}): free space, or look for another process "
            "that writes there, and run again."
        ) from error


def drop_unfinished(folder: Path) -> None:
    """Remove what interrupted `new_folder` blocks left behind."""
    for path in folder.glob(".*.*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process.

    Raises
    ------
    RunFolderError
        Another process holds it (the message gives its pid), or it cannot be written.
    """
    from filelock import FileLock, Timeout

    lock, owner = FileLock(folder / ".lock", timeout=0), folder / ".owner"
    try:
        lock.acquire()
    except Timeout as error:
        holder = owner.read_text().strip() if owner.exists() else "unknown"
        raise RunFolderError(
            f"{folder} is in use by process {holder}: wait for it, or choose another folder with --out."
        ) from error
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be locked ({error.strerror or error}): choose another folder with --out."
        ) from error
    try:
        owner.write_text(str(os.getpid()))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
