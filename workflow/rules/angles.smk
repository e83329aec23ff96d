# In: particles, tomograms, and a density map or annotated particles. Out: new in-plane angles.


rule gather_annotations:
    """The annotated particles of the training membranes, as a table of particles."""
    input:
        infos=training_infos(),
        annotations=training_annotations(),
    output:
        particles=RESULTS / "gather_annotations/annotations.csv",
    log:
        RESULTS / "logs/gather_annotations.log",
    benchmark:
        RESULTS / "benchmarks/gather_annotations.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("gather_annotations"),
        sheet=OPTIONS["membranes"],
        pixel_size=PIXEL_SIZE,
        rows=annotated_rows(MEMBRANES),
    shell:
        "step gather_annotations --sheet {params.sheet:q} --infos {input.infos:q}"
        " --pixel-size-angstrom {params.pixel_size} --output {output.particles:q} > {log:q} 2>&1"


rule average_annotations:
    """Averages of the annotated particles by class, the templates where no map is given."""
    input:
        particles=rules.gather_annotations.output.particles,
        infos=training_infos(),
        volumes=training_volumes(),
    output:
        folder=directory(RESULTS / "average_annotations"),
    log:
        RESULTS / "logs/average_annotations.log",
    benchmark:
        RESULTS / "benchmarks/average_annotations.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 4
    resources:
        mem_mb=grow(3000),
        runtime=grow(15),
    params:
        code=code("average_subvolumes"),
        sheet=OPTIONS["tomograms"],
        pixel_size=PIXEL_SIZE,
        contrast=settings("extract_subvolumes")["contrast"],
    shell:
        "step average_subvolumes --particles {input.particles:q} --tomograms {params.sheet:q}"
        " --infos {input.infos:q} --pixel-size-angstrom {params.pixel_size}"
        " --contrast {params.contrast} --threads {threads} --output-dir {output.folder:q}"
        " > {log:q} 2>&1"


rule refine_angles:
    """In-plane angles of a batch's particles by correlation with a map or an average."""
    input:
        particles=rules.orient_particles.output.particles,
        scores=rules.score_points.output.scores,
        info=rules.inspect_tomogram.output.info,
        templates=template_files(),
    output:
        particles=RESULTS / "refine_angles/{tomogram}/{batch}.tsv",
        matches=RESULTS / "refine_angles/{tomogram}/{batch}.matches.tsv",
        status=RESULTS / "refine_angles/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/refine_angles/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/refine_angles/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1500, 20),
        runtime=grow_tried(10, 1),
    params:
        code=code("refine_angles"),
        given_up=given_up("refine_angles"),
        volume=tomogram_file,
        pixel_size=PIXEL_SIZE,
        seed=OPTIONS["seed"],
        flags=refining_flags(),
    shell:
        "step refine_angles --particles {input.particles:q} --scores {input.scores:q}"
        " --path {params.volume:q} --info {input.info:q} --pixel-size-angstrom {params.pixel_size}"
        " --seed {params.seed} {params.flags} --threads {threads} --output {output.particles:q}"
        " --matches {output.matches:q} --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"
