"""Data sets with known answers: membranes, proteins on them, and what a microscope sees of them.

A scene is described in **angstrom** and is rendered at a pixel size only at the end, so that one
recipe gives the same scene at any pixel size. Voxel index i of an axis lies at i * pixel size.
Points and normals are zyx as everywhere in the library; xyz is the order of the recipe, of the
tables, of poses, and of a patch's or a particle's own frame.

====================  ==========================================================================
module                holds
====================  ==========================================================================
recipe                the checked recipe with its defaults
patches, vesicles     open and closed surfaces in their own frame: distance, normal, rim
surfaces              a patch that is placed in a tomogram
proteins              the kinds of particles: density, footprint, height
density_map           a user's map as a kind
placement             where particles sit, and their poses
render                bilayers, masks, particles and crowding on a grid of voxels
imaging               missing wedge, coloured noise, Wiener filter
scene                 recipe entry -> surfaces and particles of one tomogram
dataset               scenes -> tomograms, masks, annotations, sheets
====================  ==========================================================================
"""
