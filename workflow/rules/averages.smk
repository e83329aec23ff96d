# In: particles (the run's, or any list) and the tomograms. Out: averages of boxes around them.


rule average_subvolumes:
    """Averages in the particles' frame: all, per class and per list, as volumes and pictures."""
    input:
        particles=averaged_particles(),
        lists=list(averaged_lists().values()),
        infos=per_tomogram("inspect_tomogram/{tomogram}.json"),
        volumes=[near(TOMOGRAMS[name].path) for name in USED_TOMOGRAMS],
    output:
        folder=directory(RESULTS / "average_subvolumes"),
    log:
        RESULTS / "logs/average_subvolumes.log",
    benchmark:
        RESULTS / "benchmarks/average_subvolumes.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 4
    resources:
        mem_mb=grow(3000),
        runtime=grow(15 + len(USED_TOMOGRAMS)),
    params:
        code=code("average_subvolumes"),
        sheet=OPTIONS["tomograms"],
        seed=OPTIONS["seed"],
        contrast=settings("extract_subvolumes")["contrast"],
        flags=averaging_flags(),
    shell:
        "step average_subvolumes --particles {input.particles:q} --tomograms {params.sheet:q}"
        " --infos {input.infos:q} --seed {params.seed} --contrast {params.contrast} {params.flags}"
        " --threads {threads} --output-dir {output.folder:q} > {log:q} 2>&1"
