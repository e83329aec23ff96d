"""Positions and orientations of membrane-bound proteins in cryo-electron tomograms."""

__version__ = "0.1.0"
