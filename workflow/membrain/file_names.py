"""Names of volumes, and which tomogram a mask belongs to by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .volumes import SUFFIXES, stem_of

# words that programs add to the name of a tomogram
PROCESSING = re.compile(
    r"[ _.-]+(bin\d*|rec|denoised|deno\w*|dose|filt(ered)?|dosefilt|ctf\w*|deconv\w*|corrected|"
    r"isonet|cryocare|wbp|sirt\w*|full|[\d.]+a(px)?|tomogram|tomo|volume)$",
    re.IGNORECASE,
)


MAX_LENGTH = 100  # of a name: it becomes a part of file names


def is_volume(path: Path) -> bool:
    """Return whether a file is an MRC volume, by its name."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()


def clean_name(text: str) -> str:
    """Return a name that the sheets allow: letters, digits and ``. _ + -``."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-")[:MAX_LENGTH] or "unnamed"


def match_tomogram(mask: Path, tomograms: Mapping[str, Path]) -> list[str]:
    """Return the names of the tomograms that a mask may belong to; one is an answer.

    Parameters
    ----------
    mask : Path
    tomograms : mapping of str to Path

    Returns
    -------
    list of str
        By the first rule that finds any: the only tomogram there is; the one whose name, without
        words such as ``bin4_denoised`` at its end, begins the mask's name or that of the mask's
        folder (the longest such name); the one in the same folder; the one whose name begins with
        the same number, as in ``Tomo1`` or ``TS_003``.
    """
    if len(tomograms) == 1:
        return list(tomograms)
    own = stem_of(mask)
    beside = [name for name, path in tomograms.items() if path.parent == mask.parent]
    word = _numbered_word(own)
    alike = [n for n, p in tomograms.items() if word and _numbered_word(stem_of(p)) == word]
    for found in (_by_beginning(own, tomograms), _by_beginning(mask.parent.name, tomograms)):
        if found:
            return found
    return beside if len(beside) == 1 else alike


def _by_beginning(text: str, tomograms: Mapping[str, Path]) -> list[str]:
    """Return the tomograms whose bare name begins a text, those with the longest."""
    lengths = {}
    for name, path in tomograms.items():
        stem = stem_of(path)
        while stem and not re.match(rf"{re.escape(stem)}(?![A-Za-z0-9])", text):
            shorter = PROCESSING.sub("", stem)
            stem = shorter if shorter != stem else ""
        if stem:
            lengths[name] = len(stem)
    return [name for name, length in lengths.items() if length == max(lengths.values())]


def _numbered_word(text: str) -> str:
    """Return a name up to its first number, ``Tomo1`` or ``TS_003``; nothing if it goes on."""
    found = re.match(r"[A-Za-z]*[ _-]?\d+(?![A-Za-z0-9])", text)
    return found.group() if found else ""
