# In: boxes, or several weights. Out: networks of several seeds, and a model of all of them.


use rule train_model as train_member with:
    output:
        model=RESULTS / "train_model/member{member}/model.safetensors",
        card=RESULTS / "train_model/member{member}/model.json",
        held_out=RESULTS / "train_model/member{member}/model.held_out.npz",
        curves=RESULTS / "train_model/member{member}/curves.csv",
        picture=RESULTS / "train_model/member{member}/curves.png",
    log:
        RESULTS / "logs/train_model/member{member}.log",
    benchmark:
        RESULTS / "benchmarks/train_model/member{member}.tsv"
    params:
        seed=lambda w: OPTIONS["seed"] + int(w.member) - 1,
        checkpoint=lambda w: RESULTS / f"train_model/member{w.member}/checkpoint.pt",
        flags=lambda w: training_flags(f"train_model/member{w.member}"),


rule join_models:
    """One model of several networks, whose predictions are averaged; its thresholds."""
    input:
        weights=MEMBERS,
        cards=[path.with_suffix(".json") for path in MEMBERS],
        held_out=held_out_files(),
    output:
        model=JOINED,
        card=JOINED.with_suffix(".json"),
    log:
        RESULTS / "logs/join_models.log",
    benchmark:
        RESULTS / "benchmarks/join_models.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=grow(4000),
        runtime=grow(30),
    params:
        code=code("join_models"),
        flags=flags(settings("train_model") if TRAINING else {}, ("threshold_voxel",) * TRAINING),
    shell:
        "step join_models --weights {input.weights:q} --held-out {input.held_out:q} {params.flags}"
        " --output {output.model:q} > {log:q} 2>&1"
