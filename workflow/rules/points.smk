# In: tomograms and masks. Out: points and normals, and boxes aligned to them.


rule inspect_tomogram:
    """Header, pixel size and grey values, streamed."""
    output:
        info=RESULTS / "inspect_tomogram/{tomogram}.json",
    log:
        RESULTS / "logs/inspect_tomogram/{tomogram}.log",
    benchmark:
        RESULTS / "benchmarks/inspect_tomogram/{tomogram}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1000),
        runtime=grow_tried(15),
    params:
        code=code("inspect_tomogram"),
        given_up=given_up("inspect_tomogram"),
        volume=tomogram_file,
        seen=lambda wildcards: see_files([tomogram_file(wildcards)]),
        pixel_size=lambda w: flags({"pixel_size_angstrom": TOMOGRAMS[w.tomogram].pixel_size}),
        flags=flags(settings("inspect_tomogram")),
    shell:
        "step inspect_tomogram --tomogram {wildcards.tomogram} --path {params.volume:q}"
        " {params.pixel_size} {params.flags} --record-failure --output {output.info:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"


rule sample_points:
    """Points and normals on the picked sides of a batch of membranes."""
    input:
        info=rules.inspect_tomogram.output.info,
    output:
        points=RESULTS / "sample_points/{tomogram}/{batch}.npz",
        status=RESULTS / "sample_points/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/sample_points/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/sample_points/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1500, 20),
        runtime=grow_tried(10, 1),
    params:
        code=code("sample_points"),
        given_up=given_up("sample_points"),
        seen=lambda wildcards: see_files(batch_masks(wildcards)),
        sheet=OPTIONS["membranes"],
        sides=batch_sides,
        membranes=batch_names,
        pixel_size=PIXEL_SIZE,
        seed=OPTIONS["seed"],
        flags=flags(settings("sample_points")),
    shell:
        "step sample_points --sheet {params.sheet:q} --tomogram {wildcards.tomogram}"
        " --membranes {params.membranes} --info {input.info:q}"
        " --pixel-size-angstrom {params.pixel_size} --seed {params.seed} {params.flags}"
        " --threads {threads} --output {output.points:q} --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"


rule extract_subvolumes:
    """Boxes aligned to the normals, on the model's grid."""
    input:
        info=rules.inspect_tomogram.output.info,
        points=rules.sample_points.output.points,
    output:
        subvolumes=temp(RESULTS / "extract_subvolumes/{tomogram}/{batch}.npy"),
        points=RESULTS / "extract_subvolumes/{tomogram}/{batch}.npz",
        status=RESULTS / "extract_subvolumes/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/extract_subvolumes/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/extract_subvolumes/{tomogram}/{batch}.tsv"
    retries: TRIES
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        tries_left=tries_left,
        mem_mb=grow_tried(1500, 20),
        runtime=grow_tried(10, 1),
        disk_mb=lambda wildcards: 200 * batch_size(wildcards),
    params:
        code=code("extract_subvolumes"),
        given_up=given_up("extract_subvolumes"),
        volume=tomogram_file,
        pixel_size=PIXEL_SIZE,
        box=lambda w: flags(box_of(w), ("box_shape", "box_centre")),
        contrast=lambda w: box_of(w)["contrast"],
        flags=flags(settings("extract_subvolumes")),
    shell:
        "step extract_subvolumes --points {input.points:q} --path {params.volume:q}"
        " --info {input.info:q} --pixel-size-angstrom {params.pixel_size} {params.box}"
        " --model-contrast {params.contrast} {params.flags} --record-failure --threads {threads}"
        " --output-subvolumes {output.subvolumes:q} --output-points {output.points:q}"
        " --status {output.status:q}"
        " --tries-left {resources.tries_left} --log {log:q} > {log:q} 2>&1"
