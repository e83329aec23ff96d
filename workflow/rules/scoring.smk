# In: boxes and a model. Out: the predicted distance of every point to the nearest particle.


rule score_points:
    """Run the network over the boxes of a batch."""
    input:
        points=rules.extract_subvolumes.output.points,
        subvolumes=rules.extract_subvolumes.output.subvolumes,
        model=near(MODEL),
        card=near(Path(MODEL).with_suffix(".json")),
    output:
        scores=RESULTS / "score_points/{tomogram}/{batch}.npz",
        status=RESULTS / "score_points/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/score_points/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/score_points/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(3000, 30),
        runtime=grow_tried(10, 1),
        gpu=1 if OPTIONS["device"] != "cpu" else 0,
    params:
        code=code("score_points"),
        given_up=given_up("score_points"),
        device=OPTIONS["device"],
        flags=flags(settings("score_points")),
    shell:
        "step score_points --points {input.points:q} --subvolumes {input.subvolumes:q}"
        " --weights {input.model:q} --device {params.device} {params.flags} --threads {threads}"
        " --output {output.scores:q} --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"
