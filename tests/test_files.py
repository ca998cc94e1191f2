"""Writes are whole or absent, and a folder has one owner."""

import os
import subprocess
import sys

import pytest

from mlstrat.errors import RunFolderError
from mlstrat.files import (
    drop_unfinished,
    locked,
    make_folder,
    new_folder,
    sha256_of,
    write_bytes,
    write_json,
    write_together,
)


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a.txt"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, call):
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"mlstrat.files.{call}", fail)
    with pytest.raises(
        RunFolderError, match=r"a\.txt cannot be written \(No space left on device\): free space"
    ):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_files_appear_together_or_not_at_all(tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("first", "second", "third")]
    contents = {path: path.name.encode() for path in places}
    places[1].write_bytes(b"old")
    replace, done = os.replace, []

    def fail_at_the_third(source, target):
        if len(done) == 2:
            raise OSError(13, "Permission denied")
        done.append(target.name)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("mlstrat.files.os.replace", fail_at_the_third)
        with pytest.raises(RunFolderError, match=r"first cannot be written \(Permission denied\)"):
            write_together(contents)
    assert done == ["third", "second"]
    assert os.listdir(tmp_path) == ["second"]
    write_together(contents)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "first": b"first",
        "second": b"second",
        "third": b"third",
    }


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("folder", "folder is a folder: give a file name"),
        ("none/a", "the folder .*none is not there: make it"),
        ("file/a", "file is a file: give a name in a folder"),
    ],
)
def test_a_place_that_takes_no_file_is_said_before_anything_is_written(tmp_path, place, told):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunFolderError, match=told):
        write_together({tmp_path / "good": b"1", tmp_path / place: b"2"})
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_json_is_strict(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with new_folder(tmp_path / "done") as place:
        (place / "x").write_text("1")
        assert not (tmp_path / "done").exists()
    assert (tmp_path / "done" / "x").read_text() == "1"
    with pytest.raises(RuntimeError, match="half way"), new_folder(tmp_path / "never") as place:
        raise RuntimeError("half way")
    assert sorted(os.listdir(tmp_path)) == ["done"]


def test_a_writer_that_comes_second_leaves_the_first_ones_folder(tmp_path, monkeypatch):
    place = tmp_path / "done"
    monkeypatch.setattr("mlstrat.files.shutil.rmtree", lambda *args, **kept: None)
    with new_folder(place) as mine:
        (mine / "x").write_text("mine")
        place.mkdir()
        (place / "x").write_text("theirs")
    assert (place / "x").read_text() == "theirs"


def test_what_an_interrupted_writer_left_is_removed(tmp_path):
    (tmp_path / ".000.abc").mkdir()
    (tmp_path / "000").mkdir()
    drop_unfinished(tmp_path)
    assert os.listdir(tmp_path) == ["000"]


def test_a_folder_under_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"cannot be written .* choose another with --out"):
        make_folder(tmp_path / "file" / "run")


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mlstrat.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(RunFolderError, match=f"is in use by process {holder.pid}: wait for it"),
        locked(tmp_path),
    ):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path):  # a dead holder holds nothing
        assert (tmp_path / ".owner").read_text() == str(os.getpid())


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")
