"""One module per verb: `add_arguments` declares its flags, `run` reads, computes and writes."""

VERBS = {
    "simulate": "make a data set with known particles: tomograms, masks, annotations, sheets",
    "init": "write tomograms.tsv and membranes.tsv from a folder",
    "inspect_tomogram": "header, pixel size and grey-value statistics of a tomogram",
    "sample_points": "points and normals on the sides of membranes",
    "extract_subvolumes": "small boxes aligned to the normals",
    "label_points": "distance of each point to the nearest annotated particle",
    "train_model": "fit the network to labelled subvolumes",
    "join_models": "one model of several networks, whose predictions are averaged",
    "import_weights": "turn a published checkpoint into weights of this program",
    "score_points": "predicted distance of each point",
    "cluster_points": "particle positions by mean shift of well-scored points",
    "orient_particles": "normal, in-plane axis and Euler angles of each particle",
    "gather_annotations": "annotated particles of the training membranes in one table",
    "refine_angles": "in-plane angles by correlation with a map or an average",
    "export_particles": "particles.csv, RELION 5 STAR files and VTP for ParaView",
    "evaluate_particles": "precision, recall, F1 and angle errors against annotations",
    "average_subvolumes": "averages of boxes around particles, as a check on picks",
    "compare_picks": "lists of picks of any program against the same annotations, in one table",
    "intersect_picks": "what two lists of picks both hold, and what one holds alone",
    "collect_status": "one table of what became of each membrane",
}
