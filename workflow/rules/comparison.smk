# In: own particles and lists of other programs. Out: all lists in one table, and what each pair shares.


rule compare_picks:
    """Own particles and lists of other programs against the same annotations."""
    input:
        own=rules.export_particles.output.csv,
        lists=list_files(),
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
        annotations=annotation_files(),
        scores=annotated_scores()[:1],
    output:
        [RESULTS / "comparison" / name for name in COMPARISON_FILES],
    log:
        RESULTS / "logs/compare_picks.log",
    benchmark:
        RESULTS / "benchmarks/compare_picks.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("compare_picks"),
        lists=lambda wildcards: list_flags(),
        sheet=OPTIONS["membranes"],
        rows=annotated_rows(MEMBRANES),
        pixel_size=PIXEL_SIZE,
        seed=OPTIONS["seed"],
        flags=flags(settings("evaluate_particles")),
        own_flags=flags(settings("compare_picks"), ("near_voxel", "classes")),
        folder=RESULTS / "comparison",
    shell:
        "step compare_picks --lists membrain-flow={input.own:q} {params.lists}"
        " --sheet {params.sheet:q} --infos {input.infos:q}"
        " --pixel-size-angstrom {params.pixel_size} --seed {params.seed} {params.flags}"
        " {params.own_flags} --scores {input.scores:q} --output-dir {params.folder:q} > {log:q} 2>&1"


rule intersect_picks:
    """What own particles and a list share, near the membranes of the sheet."""
    input:
        own=rules.export_particles.output.csv,
        lists=lambda wildcards: list_files(wildcards.list),
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
    output:
        [RESULTS / "comparison/{list}" / name for name in CONSENSUS_FILES],
    log:
        RESULTS / "logs/intersect_picks/{list}.log",
    benchmark:
        RESULTS / "benchmarks/intersect_picks/{list}.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("intersect_picks"),
        second=lambda wildcards: list_flags(wildcards.list, "--second"),
        sheet=OPTIONS["membranes"],
        pixel_size=PIXEL_SIZE,
        flags=flags(settings("evaluate_particles"), ("radius_voxel", "symmetry")),
        near=settings("compare_picks")["near_voxel"],
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "step intersect_picks --first membrain-flow={input.own:q} {params.second}"
        " --infos {input.infos:q} --sheet {params.sheet:q} --near-voxel {params.near}"
        " --pixel-size-angstrom {params.pixel_size} {params.flags}"
        " --output-dir {params.folder:q} > {log:q} 2>&1"
