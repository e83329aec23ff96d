# In: scores of points. Out: particles with position and orientation, in the field's formats.


rule cluster_points:
    """Particle positions by mean shift of the well-scored points."""
    input:
        scores=rules.score_points.output.scores,
    output:
        clusters=RESULTS / "cluster_points/{tomogram}/{batch}.npz",
        status=RESULTS / "cluster_points/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/cluster_points/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/cluster_points/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1500, 10),
        runtime=grow_tried(10, 1),
    params:
        code=code("cluster_points"),
        given_up=given_up("cluster_points"),
        pixel_size=PIXEL_SIZE,
        flags=flags(settings("cluster_points")),
    shell:
        "step cluster_points --scores {input.scores:q} --pixel-size-angstrom {params.pixel_size}"
        " {params.flags} --threads {threads} --output {output.clusters:q} --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"


rule orient_particles:
    """Normal, in-plane axis and Euler angles of each particle."""
    input:
        scores=rules.score_points.output.scores,
        clusters=rules.cluster_points.output.clusters,
    output:
        particles=RESULTS / "orient_particles/{tomogram}/{batch}.tsv",
        status=RESULTS / "orient_particles/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/orient_particles/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/orient_particles/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1000, 5),
        runtime=grow_tried(10, 1),
    params:
        code=code("orient_particles"),
        given_up=given_up("orient_particles"),
        pixel_size=PIXEL_SIZE,
        flags=flags(settings("orient_particles")),
    shell:
        "step orient_particles --scores {input.scores:q} --clusters {input.clusters:q}"
        " --pixel-size-angstrom {params.pixel_size} {params.flags}"
        " --output {output.particles:q} --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"


rule export_heatmaps:
    """Scored points and particles of one tomogram for ParaView."""
    input:
        particles=lambda w: particle_tables(w.tomogram),
        scores=lambda w: per_batch("score_points/{tomogram}/{batch}.npz", w.tomogram),
        info=rules.inspect_tomogram.output.info,
    output:
        heatmaps=directory(RESULTS / "heatmaps/{tomogram}"),
    log:
        RESULTS / "logs/export_heatmaps/{tomogram}.log",
    benchmark:
        RESULTS / "benchmarks/export_heatmaps/{tomogram}.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("export_particles"),
    shell:
        "step export_particles --particles {input.particles:q} --infos {input.info:q}"
        " --scores {input.scores:q} --vtp-dir {output.heatmaps:q} > {log:q} 2>&1"


EXPORT_OPTIONS = ("coordinates", "centre", "prior", "tilt_series_pixel_size_angstrom")


rule export_particles:
    """All particles in one table and one STAR file, and a STAR file of each tomogram."""
    input:
        particles=particle_tables(),
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
    output:
        csv=RESULTS / "particles.csv",
        star=RESULTS / "particles.star",
        list=RESULTS / "import.star",
        stars=per_tomogram("particles/{tomogram}.star"),
    log:
        RESULTS / "logs/export_particles.log",
    benchmark:
        RESULTS / "benchmarks/export_particles.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("export_particles"),
        folder=lambda wildcards, output: Path(output.stars[0]).parent,
        flags=flags(settings("export_particles"), EXPORT_OPTIONS),
    shell:
        "step export_particles --particles {input.particles:q} --infos {input.infos:q}"
        " {params.flags} --csv {output.csv:q} --star {output.star:q} --import-list {output.list:q}"
        " --star-dir {params.folder:q} > {log:q} 2>&1"
