"""Readers and writers of foreign files, one module per format.

A reader takes a path and a `base.Grid` and returns `base.Annotations`: positions in **zyx** voxels
of the tomogram file, angles as RELION's rot, tilt, psi. Axis order and units of the outside world
(xyz, angstrom, unbinned pixels, corner or centre) end here.
"""
