# In: what Snakemake tells of its jobs. Out: a record of them for plans; how far the run is.

import job_events
import progress
from snakemake.logging import logger

STEP_JOBS = {
    **{step: len(BATCHES) for step in STATUS_STEPS},
    "inspect_tomogram": len(USED_TOMOGRAMS),
    "label_points": len([b for b in BATCHES if is_training(b[1])]) if TRAINING else 0,
    "replicate_membranes": len(batches_to_replicate()),
    "train_model": len(MEMBERS) if TRAINING else 0,
    "join_models": int(len(MEMBERS) > 1),
    "gather_annotations": int(refines() == "average"),
    "average_subvolumes": int(refines() == "average"),
    "refine_angles": len(BATCHES) if refines() else 0,
    "export_heatmaps": len(USED_TOMOGRAMS) * settings("export_particles")["heatmaps"],
    "export_particles": 1,
    "evaluate_particles": int(has_annotations()),
    "collect_status": 1,
    "check_status": 1,
}


def run_facts():
    """Return what a plan has to know of the run beside its jobs."""
    box = (CARD or NEW_BOX)["box_shape"]
    return {
        "options": OPTIONS,
        "results": str(RESULTS),
        "pixel_size_angstrom": PIXEL_SIZE,
        "box_shape": box,
        "training_box_shape": widened(NEW_BOX, OPTIONS)["box_shape"] if TRAINING else box,
        "n_networks": len(MEMBERS),
        "n_jobs": STEP_JOBS,
    }


if os.environ.get("MEMBRAIN_JOBS_FILE") and workflow.is_main_process:
    jobs_file = os.environ.get("MEMBRAIN_JOBS_FILE")
    logger.addHandler(job_events.JobRecorder(jobs_file, run_facts()))


def is_quiet():
    """Say whether Snakemake prints nothing of its jobs."""
    quiet = workflow.output_settings.quiet or ()
    return bool({"all", "rules", "progress"} & {str(word).lower().split(".")[-1] for word in quiet})


if workflow.is_main_process and "MEMBRAIN_NO_PROGRESS" not in os.environ:
    logger.addHandler(
        progress.ProgressHandler(
            lambda: progress.track_jobs(workflow.dag, BATCHES, RESULTS),
            len(MEMBRANES),
            RESULTS / "logs/progress.log",
            is_quiet,
            name="" if Path(workflow.main_snakefile) == ROOT / "Snakefile" else str(RESULTS),
        )
    )
