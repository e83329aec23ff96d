# In: trials (trial_plans.smk), boxes and labels. Out: a model of each, scores and figures of the
# membranes that it is judged by, and their table.


use rule train_model as train_trial with:
    input:
        labels=training_files("network", "labels", ".npz"),
        subvolumes=training_files("network", "boxes", ".npy"),
        start=lambda w: start_files(trial_of("network", w).options),
    output:
        model=RESULTS / "trials/train_model/{variant}/model.safetensors",
        card=RESULTS / "trials/train_model/{variant}/model.json",
        held_out=RESULTS / "trials/train_model/{variant}/model.held_out.npz",
        curves=RESULTS / "trials/train_model/{variant}/curves.csv",
        picture=RESULTS / "trials/train_model/{variant}/curves.png",
    log:
        RESULTS / "logs/trials/train_model/{variant}.log",
    benchmark:
        RESULTS / "benchmarks/trials/train_model/{variant}.tsv"
    params:
        validation=lambda w: trial_of("network", w).validation,
        seed=lambda w: VARIANTS.of("network", w.variant).seed,
        checkpoint=lambda w: RESULTS / f"trials/train_model/{w.variant}/checkpoint.pt",
        box=lambda w: flags(trial_box(trial_of("network", w).options)[0], ("box_shape",)),
        flags=trial_training("network"),


use rule join_models as join_trial with:
    input:
        weights=joined_files(".safetensors"),
        cards=joined_files(".json"),
        held_out=joined_files(".held_out.npz"),
    output:
        model=RESULTS / "trials/join_models/{variant}/model.safetensors",
        card=RESULTS / "trials/join_models/{variant}/model.json",
    log:
        RESULTS / "logs/trials/join_models/{variant}.log",
    benchmark:
        RESULTS / "benchmarks/trials/join_models/{variant}.tsv"
    params:
        flags=trial_flags("joined", "train_model", ("threshold_voxel",)),


use rule score_points as score_trial with:
    input:
        points=trial_input("scores", "boxes", ".npz"),
        subvolumes=trial_input("scores", "boxes", ".npy"),
        model=trial_model,
        card=lambda w: str(Path(trial_model(w)).with_suffix(".json")),
    output:
        scores=RESULTS / "trials/score_points/{variant}/{tomogram}/{batch}.npz",
        status=RESULTS / "trials/score_points/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/score_points/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/score_points/{variant}/{tomogram}/{batch}.tsv"
    params:
        flags=trial_scoring,


use rule cluster_points as cluster_trial with:
    input:
        scores=trial_input("clusters", "scores", ".npz"),
    output:
        clusters=RESULTS / "trials/cluster_points/{variant}/{tomogram}/{batch}.npz",
        status=RESULTS / "trials/cluster_points/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/cluster_points/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/cluster_points/{variant}/{tomogram}/{batch}.tsv"
    params:
        pixel_size=lambda w: trial_box(trial_of("clusters", w).options)[2],
        flags=trial_flags("clusters", "cluster_points"),


use rule orient_particles as orient_trial with:
    input:
        scores=trial_input("particles", "scores", ".npz"),
        clusters=trial_input("particles", "clusters", ".npz"),
    output:
        particles=RESULTS / "trials/orient_particles/{variant}/{tomogram}/{batch}.tsv",
        status=RESULTS / "trials/orient_particles/{variant}/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/trials/orient_particles/{variant}/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/trials/orient_particles/{variant}/{tomogram}/{batch}.tsv"
    params:
        pixel_size=lambda w: trial_box(trial_of("particles", w).options)[2],
        flags=trial_flags("particles", "orient_particles"),


rule evaluate_trial:
    """Figures of the membranes that a trial is judged by."""
    input:
        particles=judged_files("evaluation", "particles", ".tsv"),
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
        annotations=annotation_files(),
        scores=judged_files("evaluation", "scores", ".npz"),
    output:
        metrics=RESULTS / "trials/evaluate_particles/{variant}/metrics.json",
        membranes=RESULTS / "trials/evaluate_particles/{variant}/membranes.csv",
    log:
        RESULTS / "logs/trials/evaluate_particles/{variant}.log",
    benchmark:
        RESULTS / "benchmarks/trials/evaluate_particles/{variant}.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("evaluate_particles"),
        sheet=OPTIONS["membranes"],
        pixel_size=lambda w: trial_box(trial_of("evaluation", w).options)[2],
        seed=OPTIONS["seed"],
        judged=lambda w: trial_of("evaluation", w).judged,
        flags=trial_flags("evaluation", "evaluate_particles"),
        labels=trial_flags("evaluation", "label_points", SHAPE_OPTIONS),
    shell:
        "step evaluate_particles --particles {input.particles:q} --sheet {params.sheet:q}"
        " --infos {input.infos:q} --pixel-size-angstrom {params.pixel_size} --seed {params.seed}"
        " {params.flags} --only {params.judged} --scores {input.scores:q} {params.labels}"
        " --metrics {output.metrics:q} --membranes {output.membranes:q} > {log:q} 2>&1"


rule summarise_trials:
    """Figures of all folds of a cross-validation, and of all together."""
    input:
        plan=RESULTS / "crossval/plan.json",
        membranes=lambda w: result_files("crossval"),
    output:
        table=RESULTS / "crossval/table.tsv",
        picture=RESULTS / "crossval/table.png",
    log:
        RESULTS / "logs/crossval/summarise_trials.log",
    benchmark:
        RESULTS / "benchmarks/crossval/summarise_trials.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(1000),
        runtime=grow(15),
    params:
        code=code("summarise_trials"),
        seed=OPTIONS["seed"],
        draws=settings("evaluate_particles")["draws"],
        how="--overall",
    shell:
        "step summarise_trials --plan {input.plan:q} --seed {params.seed} --draws {params.draws}"
        " {params.how} --table {output.table:q} --picture {output.picture:q} > {log:q} 2>&1"


use rule summarise_trials as summarise_ablation with:
    input:
        plan=RESULTS / "ablation/plan.json",
        membranes=lambda w: result_files("ablation"),
    output:
        table=RESULTS / "ablation/table.tsv",
        picture=RESULTS / "ablation/table.png",
    log:
        RESULTS / "logs/ablation/summarise_trials.log",
    benchmark:
        RESULTS / "benchmarks/ablation/summarise_trials.tsv"
    params:
        how="--lines row n_training",
