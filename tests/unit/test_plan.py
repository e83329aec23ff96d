"""What the command `plan` tells beside its tables."""

from __future__ import annotations

import subprocess

import pytest

from membrain.errors import InputError
from plan import dry_run, tell_load


def test_busy_machine_is_told():
    assert tell_load(0.9, 2) == []
    (note,) = tell_load(13.6, 2)
    assert note.startswith("This machine is busy (14 programs want its 2 cores)")


@pytest.mark.parametrize(
    ("printed", "told"),
    [("Building DAG\nerror: my.yaml: no such key\n", "^my.yaml: no such key$"), ("", "no message")],
)
def test_what_snakemake_refuses_is_told(tmp_path, monkeypatch, printed, told):
    def refuse(command, **how):
        return subprocess.CompletedProcess(command, 1, "", printed)

    monkeypatch.setattr("plan.subprocess.run", refuse)
    with pytest.raises(InputError, match=told):
        dry_run(tmp_path / "my.yaml", [], tmp_path)
