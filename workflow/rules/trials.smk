# In: trials (trial_plans.smk) and what the run has already. Out: everything in which they differ.
#
# trials/STEP/KEY/: a result of a step; its key is that of the options and inputs that decide it.


use rule inspect_tomogram as inspect_trial with:
    input:
        volume=trial_volume("info"),
    output:
        info=RESULTS / "trials/inspect_tomogram/{variant}/{tomogram}.json",
    log:
        RESULTS / "logs/trials/inspect_tomogram/{variant}/{tomogram}.log",
    benchmark:
        RESULTS / "benchmarks/trials/inspect_tomogram/{variant}/{tomogram}.tsv"
    params:
        volume=trial_volume("info"),
        seen=None,
        pixel_size=lambda w: flags({"pixel_size_angstrom": trial_tomogram("info", w).pixel_size}),
        flags=trial_flags("info", "inspect_tomogram"),


use rule sample_points as sample_trial with:
    input:
        info=trial_input("points", "info", ".json"),
        masks=batch_masks,
    output:
        points=RESULTS / "trials/sample_points/{variant}/{tomogram}/{batch}.npz",
        status=RESULTS / "trials/sample_points/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/sample_points/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/sample_points/{variant}/{tomogram}/{batch}.tsv"
    params:
        pixel_size=lambda w: trial_box(trial_of("points", w).options)[2],
        seed=lambda w: trial_of("points", w).options["seed"],
        flags=trial_flags("points", "sample_points"),


use rule extract_subvolumes as extract_trial with:
    input:
        info=trial_input("boxes", "info", ".json"),
        points=trial_input("boxes", "points", ".npz"),
        volume=trial_volume("boxes"),
    output:
        subvolumes=temp(RESULTS / "trials/extract_subvolumes/{variant}/{tomogram}/{batch}.npy"),
        points=RESULTS / "trials/extract_subvolumes/{variant}/{tomogram}/{batch}.npz",
        status=RESULTS / "trials/extract_subvolumes/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/extract_subvolumes/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/extract_subvolumes/{variant}/{tomogram}/{batch}.tsv"
    params:
        volume=trial_volume("boxes"),
        pixel_size=lambda w: trial_box(trial_of("boxes", w).options)[2],
        box=lambda w: flags(trial_box_of(w), ("box_shape", "box_centre")),
        contrast=lambda w: trial_box_of(w)["contrast"],
        flags=trial_flags("boxes", "extract_subvolumes"),


use rule label_points as label_trial with:
    input:
        info=trial_input("labels", "info", ".json"),
        points=trial_input("labels", "boxes", ".npz"),
        annotations=batch_annotations,
        maps=lambda w: label_maps(trial_of("labels", w).options),
    output:
        labels=RESULTS / "trials/label_points/{variant}/{tomogram}/{batch}.npz",
        status=RESULTS / "trials/label_points/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/label_points/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/label_points/{variant}/{tomogram}/{batch}.tsv"
    params:
        pixel_size=lambda w: trial_box(trial_of("labels", w).options)[2],
        classes=lambda w: json.dumps(trial_of("labels", w).options["label_points"]["classes"]),
        ambiguous=lambda w: trial_of("labels", w).options["evaluate_particles"]["ambiguous_classes"],
        flags=lambda w: label_flags(trial_of("labels", w).options),


rule try_training:
    """Networks that leave a part out, and what they predict there: nothing else is kept."""
    input:
        labels=training_files("attempt", "labels", ".npz"),
        subvolumes=training_files("attempt", "boxes", ".npy"),
        start=lambda w: start_files(trial_of("attempt", w).options),
    output:
        held_out=RESULTS / "trials/train_model/{variant}/held_out.npz",
        curves=RESULTS / "trials/train_model/{variant}/held_out.csv",
    log:
        RESULTS / "logs/trials/train_model/{variant}_held_out.log",
    benchmark:
        RESULTS / "benchmarks/trials/train_model/{variant}_held_out.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=grow(8000),
        runtime=grow(120),
        gpu=1 if OPTIONS["device"] != "cpu" else 0,
    params:
        code=code("train_model"),
        validation=lambda w: trial_of("attempt", w).validation,
        seed=lambda w: VARIANTS.of("attempt", w.variant).seed,
        device=OPTIONS["device"],
        checkpoint=lambda w: RESULTS / f"trials/train_model/{w.variant}/checkpoint.pt",
        box=lambda w: flags(trial_box(trial_of("attempt", w).options)[0], ("box_shape",)),
        flags=trial_training("attempt"),
    shell:
        "step train_model --labels {input.labels:q} --subvolumes {input.subvolumes:q}"
        " --validation {params.validation} --seed {params.seed} --device {params.device}"
        " {params.box} {params.flags} --threads {threads} --checkpoint {params.checkpoint:q}"
        " --held-out {output.held_out:q} --curves {output.curves:q} > {log:q} 2>&1"


rule write_plan:
    """How the trials of a target are called and where their figures lie."""
    output:
        plan=RESULTS / "{target}/plan.json",
    log:
        RESULTS / "logs/{target}/write_plan.log",
    localrule: True
    params:
        plan=lambda w: plan_text(w.target),
    run:
        Path(output.plan).write_text(params.plan)


rule rank_trials:
    """The trials of the search from best to worst, and the configuration of the best."""
    input:
        plan=RESULTS / "search/plan.json",
        held_out=lambda w: result_files("search"),
    output:
        table=RESULTS / "search/table.tsv",
        picture=RESULTS / "search/table.png",
        best=RESULTS / "search/best.yaml",
    log:
        RESULTS / "logs/search/rank_trials.log",
    benchmark:
        RESULTS / "benchmarks/search/rank_trials.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(60),
    params:
        code=code("rank_trials"),
        seed=OPTIONS["seed"],
        draws=settings("evaluate_particles")["draws"],
    shell:
        "step rank_trials --plan {input.plan:q} --seed {params.seed} --draws {params.draws}"
        " --table {output.table:q} --picture {output.picture:q} --best {output.best:q} > {log:q} 2>&1"
