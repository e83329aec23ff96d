"""Tomograms packed by gzip, unpacked for as long as a step reads boxes from them."""

from __future__ import annotations

import contextlib
import gzip
import logging
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from . import volumes
from .errors import InputError
from .scratch import scratch_path

log = logging.getLogger(__name__)


@contextlib.contextmanager
def readable(path: str | Path, output: str | Path) -> Iterator[volumes.Volume]:
    """Yield the header of a volume; one packed by gzip is unpacked beside `output` first.

    Parameters
    ----------
    path : path of the volume
    output : path
        A file of the step: the unpacked volume lies in its folder until the block ends.

    Raises
    ------
    InputError
        When the volume cannot be read, or the packed file is damaged.
    """
    volume = volumes.read_header(path)
    if not volume.is_compressed:
        yield volume
        return
    with scratch_path(Path(output).with_suffix(".mrc")) as unpacked:
        log.info("%s: unpacked for the time of this step", path)
        try:
            with gzip.open(path, "rb") as source, open(unpacked, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                f"{path}: damaged", found=error, remedy="copy the file again"
            ) from None
        yield volumes.read_header(unpacked)
