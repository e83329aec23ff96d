"""Winding numbers of a surface: where a place lies, and whether the surface encloses a volume."""

from __future__ import annotations

import numba
import numpy as np

PROBE_VOXEL = 6.0  # where the winding number is looked at, off the surface
N_PROBES = 400


@numba.njit(cache=True, parallel=True)
def _add_flux(probes, nodes, flux, out):
    """Sum the solid angle under which each probe sees the nodes, whose `flux` is normal x area."""
    for p in numba.prange(len(probes)):
        total = 0.0
        for k in range(len(nodes)):
            z, y, x = (
                nodes[k, 0] - probes[p, 0],
                nodes[k, 1] - probes[p, 1],
                nodes[k, 2] - probes[p, 2],
            )
            r2 = max(z * z + y * y + x * x, 1.0)
            total += (z * flux[k, 0] + y * flux[k, 1] + x * flux[k, 2]) / (r2 * np.sqrt(r2))
        out[p] = total


def winding_numbers(
    probes: np.ndarray, nodes: np.ndarray, normals: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the winding number of an oriented node cloud at each probe, up to a common factor.

    Parameters
    ----------
    probes : (n_probes, 3) float, zyx, voxel
    nodes, normals : (n_nodes, 3) float, zyx
    weights : (n_nodes,) float, proportional to the area of each node

    Notes
    -----
    Sum over nodes of ``w n.(p - q) / (4 pi |p - q|^3)``: inside a closed surface with outward
    normals 1, outside 0; beside a wide sheet 1/2 behind it and -1/2 before it.

    References
    ----------
    Barill et al. 2018, Fast winding numbers for soups and clouds, equation 4.
    """
    out = np.empty(len(probes))
    arrays = (np.ascontiguousarray(a, dtype=np.float64) for a in (probes, nodes))
    _add_flux(*arrays, normals * np.asarray(weights, dtype=np.float64)[:, None], out)
    return out / (4 * np.pi)


def enclosure_of(nodes: np.ndarray, normals: np.ndarray, weights: np.ndarray) -> float:
    """Return how far a surface encloses a volume: 0 a sheet, 1 closed, negative: normals inward.

    Notes
    -----
    With the winding numbers just behind and just before the surface, (behind + before) / (behind -
    before). Their difference is the same for every surface, so no area has to be known.
    """
    rows = np.unique(np.linspace(0, len(nodes) - 1, min(N_PROBES, len(nodes))).astype(int))
    offset = PROBE_VOXEL * normals[rows]
    behind = winding_numbers(nodes[rows] - offset, nodes, normals, weights).mean()
    before = winding_numbers(nodes[rows] + offset, nodes, normals, weights).mean()
    return float((behind + before) / max(behind - before, 1e-12))
