# In: particles, annotations and what became of each membrane. Out: figures, and a last check.


rule evaluate_particles:
    """Precision, recall, F1 and angle errors against annotations."""
    input:
        particles=rules.export_particles.output.csv,
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
        annotations=annotation_files(),
        scores=annotated_scores(),
        maps=label_maps(),
    output:
        metrics=RESULTS / "evaluation/metrics.json",
        membranes=RESULTS / "evaluation/membranes.csv",
        details=evaluation_details(),
    log:
        RESULTS / "logs/evaluate_particles.log",
    benchmark:
        RESULTS / "benchmarks/evaluate_particles.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("evaluate_particles"),
        sheet=OPTIONS["membranes"],
        pixel_size=PIXEL_SIZE,
        rows=annotated_rows(MEMBRANES),
        seed=OPTIONS["seed"],
        flags=flags(settings("evaluate_particles")),
        # the model's cap and classes stand in the scores
        labels=flags(settings("label_points"), SHAPE_OPTIONS),
        folder=lambda wildcards, output: Path(output.metrics).parent,
    shell:
        "step evaluate_particles --particles {input.particles:q}"
        " --sheet {params.sheet:q} --infos {input.infos:q}"
        " --pixel-size-angstrom {params.pixel_size} --seed {params.seed} {params.flags}"
        " --scores {input.scores:q} {params.labels} --figures {params.folder:q}"
        " --metrics {output.metrics:q} --membranes {output.membranes:q} > {log:q} 2>&1"


rule collect_status:
    """One table of what became of each membrane in each step."""
    input:
        tables=status_tables(),
    output:
        status=RESULTS / "status.tsv",
    log:
        RESULTS / "logs/collect_status.log",
    benchmark:
        RESULTS / "benchmarks/collect_status.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        code=code("collect_status"),
    shell:
        "step collect_status --status {input.tables:q} --output {output.status:q} > {log:q} 2>&1"


rule check_status:
    """End the run with the list of failures when more membranes failed than allowed."""
    input:
        final_outputs(),
        status=rules.collect_status.output.status,
    output:
        touch(RESULTS / "logs/checked.txt"),
    log:
        RESULTS / "logs/check_status.log",
    benchmark:
        RESULTS / "benchmarks/check_status.tsv"
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        allowed=OPTIONS["allow_failed"],
    shell:
        "step collect_status --status {input.status:q} --check --allow-failed {params.allowed}"
        " > {log:q} 2>&1"


onsuccess:
    # a run for one target alone, as `train`, may end without the tables that are summed up
    is_whole = (RESULTS / "particles.csv").is_file() and (RESULTS / "status.tsv").is_file()
    if is_whole and "MEMBRAIN_NO_SUMMARY" not in os.environ:
        summary.main([str(RESULTS)])


onerror:
    summary.tell_failures(RESULTS, STARTED, log)
