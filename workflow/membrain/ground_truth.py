"""The annotated membranes of a data set, and which picks lie on them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree

from .cases import annotations_by_membrane, mask_points, nearest_membrane, working_voxel
from .errors import InputError
from .evaluation import Case
from .formats.base import Annotations
from .particles import ParticleTable
from .picks import NO_MEMBRANE
from .sheets import MembraneRow

log = logging.getLogger(__name__)


@dataclass
class MaskSet:
    """Masks of membranes, read when they are first asked for.

    Attributes
    ----------
    rows : sequence of MembraneRow
    steps : mapping of tomogram to the length of a working voxel in voxels of its file
    """

    rows: Sequence[MembraneRow]
    steps: Mapping[str, float]
    _trees: dict[str, tuple[list[str], list[cKDTree]]] = field(default_factory=dict, repr=False)

    def _of_tomogram(self, tomogram: str) -> tuple[list[str], list[cKDTree]]:
        """Return the names of a tomogram's membranes and the trees of their voxels."""
        if tomogram not in self._trees:
            members = [row for row in self.rows if row.tomogram == tomogram]
            # annotated first: of two rows with one mask they get the picks
            members.sort(key=lambda row: row.annotations is None)
            trees = [cKDTree(voxels) for voxels in mask_points(members)]
            self._trees[tomogram] = ([row.membrane for row in members], trees)
        return self._trees[tomogram]

    def assign(self, picks: ParticleTable, limit_working_voxel: float) -> ParticleTable:
        """Return the table with the nearest membrane for each pick that has none.

        Parameters
        ----------
        picks : ParticleTable
        limit_working_voxel : float
            Picks farther than this from every mask keep an empty name.
        """
        membrane = picks.membrane.copy()
        for tomogram in dict.fromkeys(picks.tomogram[membrane == NO_MEMBRANE]):
            if tomogram not in self.steps:
                continue
            rows = np.flatnonzero((picks.tomogram == tomogram) & (membrane == NO_MEMBRANE))
            names, trees = self._of_tomogram(tomogram)
            limit = limit_working_voxel * self.steps[tomogram]
            owner = nearest_membrane(picks.voxel[rows], trees, limit)
            membrane[rows] = np.array([*names, NO_MEMBRANE], dtype=object)[owner]
            n_on = int((owner >= 0).sum())
            log.info("%s: %d of %d picks lie on a membrane", tomogram, n_on, len(rows))
        return replace(picks, membrane=membrane)


@dataclass
class GroundTruth:
    """Annotated membranes.

    Attributes
    ----------
    rows : sequence of MembraneRow, those with annotations
    annotations : mapping of (tomogram, membrane) to Annotations
    masks : MaskSet, of every membrane of the tomograms that have an annotated one
    """

    rows: Sequence[MembraneRow]
    annotations: Mapping[tuple[str, str], Annotations]
    masks: MaskSet

    def cases(self, particles: ParticleTable) -> list[Case]:
        """Return one case for each annotated membrane, with the particles that carry its name."""
        cases = []
        for row in self.rows:
            is_own = (particles.tomogram == row.tomogram) & (particles.membrane == row.membrane)
            cases.append(
                Case(
                    row.tomogram,
                    row.membrane,
                    row.split,
                    self.annotations[row.tomogram, row.membrane],
                    particles.select(is_own),
                    self.masks.steps[row.tomogram],
                )
            )
        return cases

    def positions(self) -> dict[str, np.ndarray]:
        """Return the annotated positions (n, 3) zyx voxel of each tomogram."""
        found: dict[str, list[np.ndarray]] = {}
        for (tomogram, _), known in self.annotations.items():
            found.setdefault(tomogram, []).append(known.positions)
        return {tomogram: np.concatenate(parts) for tomogram, parts in found.items()}


def require_info(rows: Sequence[MembraneRow], infos: Mapping[str, Mapping], what: str) -> None:
    """Check that the tomogram of every row has its info.

    Raises
    ------
    InputError
        Names the first that has none, and what it is needed for.
    """
    for row in rows:
        if row.tomogram not in infos:
            raise InputError(
                f"tomogram '{row.tomogram}' has {what} but no info file",
                found=f"info of {', '.join(sorted(infos)) or 'no tomogram'}",
                remedy="give its file with --infos",
            )


def read_ground_truth(
    rows: Sequence[MembraneRow],
    infos: Mapping[str, Mapping],
    working: float = 0.0,
    limit_working_voxel: float = 20.0,
) -> GroundTruth:
    """Return the annotated membranes of a sheet.

    Parameters
    ----------
    rows : sequence of MembraneRow, the whole sheet
    infos : mapping of tomogram to its info
    working : float, angstrom per working voxel; 0: the tomogram's own
    limit_working_voxel : float
        Annotations farther than this from every mask that names their file are left out.

    Raises
    ------
    InputError
        When a tomogram with annotations has no info, or annotations cannot be read.
    """
    annotated = [row for row in rows if row.annotations is not None]
    require_info(annotated, infos, "annotations")
    used = {row.tomogram for row in annotated}
    near = [row for row in rows if row.tomogram in used]
    steps = {name: working_voxel(infos[name], working) for name in used}
    found = annotations_by_membrane(annotated, infos, limit_working_voxel, working)
    return GroundTruth(annotated, found, MaskSet(near, steps))
