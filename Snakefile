# membrain-flow: segmented membranes in, positions and orientations of proteins out.
#
#   tomograms.tsv  membranes.tsv  config.yaml
#         |              |
#   inspect_tomogram     |          header, pixel size, grey values           per tomogram
#         |              |
#         +---> sample_points       points and normals on the picked sides    per batch
#                    |
#             extract_subvolumes    boxes aligned to the normals              per batch
#                    |      \
#                    |    label_points -> train_model (-> join_models)      (model: train)
#                    |      |       ^  |
#                    |   replicate_membranes                 (replicas above 0)
#                    |         |
#               score_points <-+    predicted distance of each point          per batch
#                    |
#              cluster_points       mean shift                                per batch
#                    |
#             orient_particles      normal, in-plane axis, Euler angles       per batch
#                    |
#              refine_angles        by a map or an average, where there is    per batch
#                    |
#             export_particles      CSV, RELION 5 STAR, VTP                   per tomogram, all
#                    |
#            evaluate_particles     against annotations                       data set
#
# A batch is up to `membranes_per_job` membranes of one tomogram. The jobs follow from the sheets
# alone, so a dry run is exact.

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/configuration.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/templates.smk"
include: "workflow/rules/training_options.smk"
include: "workflow/rules/points.smk"
include: "workflow/rules/replicas.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/ensemble.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/particles.smk"
include: "workflow/rules/angles.smk"
include: "workflow/rules/averages.smk"
include: "workflow/rules/pick_lists.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/summary.smk"
include: "workflow/rules/events.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/trial_plans.smk"
include: "workflow/rules/trials.smk"
include: "workflow/rules/trial_chains.smk"


rule all:
    """Particles of every membrane, their evaluation, and a check that no membrane failed."""
    default_target: True
    input:
        final_outputs(),
        RESULTS / "logs/checked.txt",


rule train:
    """The trained model alone."""
    input:
        MODEL if TRAINING else [],


rule evaluate:
    """Figures against annotations."""
    input:
        evaluation_outputs(),


rule search:
    """Options of training and clustering, ranked by what was held out."""
    input:
        lambda wildcards: [RESULTS / f"search/{n}" for n in SEARCHED if trials_of("search")],


rule crossval:
    """Every annotated membrane judged by a model that was not trained on it."""
    input:
        lambda wildcards: [RESULTS / f"crossval/{n}" for n in TABLES if trials_of("crossval")],


rule ablation:
    """What each part of the method is worth, as table 2 of the paper."""
    input:
        lambda wildcards: [RESULTS / f"ablation/{n}" for n in TABLES if trials_of("ablation")],


rule compare:
    """Own particles beside the lists of other programs that the config names."""
    input:
        lambda wildcards: comparison_outputs(),


rule export:
    """Particle files for other programs."""
    input:
        particle_outputs(),


rule average:
    """Averages of the boxes around particles, as a check on them."""
    input:
        RESULTS / "average_subvolumes",
