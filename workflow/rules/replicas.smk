# In: boxes, annotations and tomogram of training membranes. Out: simulated ones, to train on too.


rule replicate_membranes:
    """Labelled boxes of simulated membranes, each like an annotated one with shuffled particles."""
    input:
        info=rules.inspect_tomogram.output.info,
        points=rules.extract_subvolumes.output.points,
        volume=tomogram_file,
        masks=tomogram_masks,
        annotations=batch_annotations,
        maps=label_maps(),
    output:
        subvolumes=temp(RESULTS / "replicate_membranes/{tomogram}/{batch}.npy"),
        labels=RESULTS / "replicate_membranes/{tomogram}/{batch}.npz",
        status=RESULTS / "replicate_membranes/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/replicate_membranes/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/replicate_membranes/{tomogram}/{batch}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        mem_mb=grow(3000),
        runtime=grow(10, 5),
        disk_mb=lambda wildcards: 200 * batch_size(wildcards) * n_replicas(),
    params:
        code=code("replicate_membranes"),
        sheet=OPTIONS["membranes"],
        pixel_size=PIXEL_SIZE,
        seed=OPTIONS["seed"],
        rows=lambda wildcards: annotated_rows(labelled_rows(wildcards)),
        classes=json.dumps(settings("label_points")["classes"]),
        ambiguous=settings("evaluate_particles")["ambiguous_classes"],
        labels=label_flags(),
        flags=flags(settings("replicate_membranes")),
    shell:
        "step replicate_membranes --points {input.points:q} --sheet {params.sheet:q}"
        " --tomogram {wildcards.tomogram} --info {input.info:q} --path {input.volume:q}"
        " --pixel-size-angstrom {params.pixel_size} --seed {params.seed} --classes {params.classes:q}"
        " --ambiguous-classes {params.ambiguous:q} {params.labels} {params.flags}"
        " --threads {threads} --output-subvolumes {output.subvolumes:q}"
        " --output {output.labels:q} --status {output.status:q} > {log:q} 2>&1"
