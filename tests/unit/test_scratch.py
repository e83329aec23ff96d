"""Temporary names, room on the disk, and what is told when it refuses."""

import errno
import os
import socket
import subprocess
import sys
import time
import types

import pytest

from membrain import scratch
from membrain.errors import InputError
from membrain.files import atomic_path, write_json
from membrain.scratch import check_room, reserve, scratch_path


def test_temporary_file_is_gone_afterwards(tmp_path):
    with scratch_path(tmp_path / "a" / "x.mrc") as temporary:
        temporary.write_text("some")
        assert temporary.parent == tmp_path / "a"
        assert temporary.suffix == ".mrc"
    assert os.listdir(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room, or choose a folder on another disk"),
        (errno.EFBIG, "make room"),
        (errno.EROFS, "choose a folder that can be written"),
        (errno.EACCES, "choose a folder that can be written"),
    ],
)
def test_refusal_of_the_disk_is_one_line_and_leaves_the_older_file(tmp_path, number, remedy):
    path = tmp_path / "x.json"
    path.write_text("old")
    message = f"x.json: cannot be written; found {os.strerror(number)}; {remedy}"
    with pytest.raises(InputError, match=message), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise OSError(number, os.strerror(number), str(temporary))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_refusal_names_the_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "x.json"
    with pytest.raises(InputError, match=r"x.json: cannot be written; found .*file; choose"):
        write_json(place, {})


@pytest.mark.parametrize("name", ["", "."])
def test_folder_in_place_of_a_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="'.': cannot be written; found a folder; expected a file"):
        write_json(name, {})


def test_other_errors_of_the_system_pass(tmp_path):
    with pytest.raises(FileNotFoundError), scratch_path(tmp_path / "x"):
        open(tmp_path / "nowhere")


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def part(folder, owner, age_seconds=0.0):
    path = folder / f".x.{owner}.part.npy"
    path.write_text("left")
    os.utime(path, (time.time() - age_seconds,) * 2)
    return path


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(tmp_path, dead):
    host = socket.gethostname()
    left = [part(tmp_path, f"{host}-{dead}"), part(tmp_path, "elsewhere-1", 2 * 86400)]
    left.append(part(tmp_path, f"{host}-{10**30}"))
    kept = [part(tmp_path, f"{host}-{os.getppid()}"), part(tmp_path, "elsewhere-2", 60)]
    kept += [part(tmp_path, "odd"), part(tmp_path, f"{host}-1")]
    kept.append(tmp_path / f".y.{host}-{dead}.part.npy")
    kept[-1].write_text("of another file")
    with scratch_path(tmp_path / "x.npy"):
        assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_part_of_a_process_of_somebody_else_is_kept(tmp_path, monkeypatch, dead):
    def refuse(pid, signal):
        raise PermissionError

    path = part(tmp_path, f"{socket.gethostname()}-{dead}")
    monkeypatch.setattr(os, "kill", refuse)
    with scratch_path(tmp_path / "x.npy"):
        assert path.exists()


def test_room_is_claimed_and_its_lack_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    reserve(path, 10_000)
    assert path.stat().st_size == 10_000
    assert path.read_bytes()[:4] == b"abc\0"
    reserve(path, 0)
    assert path.stat().st_size == 0

    def full(*args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="full"):
        reserve(path, 10)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_disk_that_cannot_claim_room_is_written_to_all_the_same(tmp_path, monkeypatch, number):
    def refuse(*args):
        raise OSError(number, "cannot")

    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    reserve(tmp_path / "x", 10)
    assert (tmp_path / "x").stat().st_size == 10


def test_too_little_room_is_the_error_of_a_full_disk(tmp_path, monkeypatch):
    check_room(tmp_path / "x", 1)
    usage = types.SimpleNamespace(free=9)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda path: usage)
    check_room(tmp_path / "x", 9)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
        check_room(tmp_path / "x", 10)
    assert caught.value.errno == errno.ENOSPC
