"""What the command `plan` tells beside its tables."""

from __future__ import annotations

from plan import tell_load


def test_busy_machine_is_told():
    assert tell_load(0.9, 2) == []
    (note,) = tell_load(13.6, 2)
    assert note.startswith("This machine is busy (14 programs want its 2 cores)")
