# In: boxes and annotations of the membranes with split 'train' or 'validation'. Out: a model.


rule label_points:
    """Distance of each training point to the nearest annotated particle."""
    input:
        info=rules.inspect_tomogram.output.info,
        points=rules.extract_subvolumes.output.points,
        annotations=batch_annotations,
        maps=label_maps(),
    output:
        labels=RESULTS / "label_points/{tomogram}/{batch}.npz",
        status=RESULTS / "label_points/{tomogram}/{batch}.status.tsv",
    log:
        RESULTS / "logs/label_points/{tomogram}/{batch}.log",
    benchmark:
        RESULTS / "benchmarks/label_points/{tomogram}/{batch}.tsv"
    conda:
        "../../envs/core.yaml"
    resources:
        mem_mb=grow(2000),
        runtime=grow(15),
    params:
        code=code("label_points"),
        sheet=OPTIONS["membranes"],
        pixel_size=PIXEL_SIZE,
        rows=lambda wildcards: annotated_rows(labelled_rows(wildcards)),
        classes=json.dumps(settings("label_points")["classes"]),
        ambiguous=settings("evaluate_particles")["ambiguous_classes"],
        flags=label_flags(),
    shell:
        "step label_points --points {input.points:q} --sheet {params.sheet:q}"
        " --tomogram {wildcards.tomogram} --info {input.info:q}"
        " --pixel-size-angstrom {params.pixel_size} --classes {params.classes:q} {params.flags}"
        " --ambiguous-classes {params.ambiguous:q}"
        " --output {output.labels:q} --status {output.status:q} > {log:q} 2>&1"


rule train_model:
    """Fit the network to the labelled boxes."""
    input:
        labels=training_files(
            "label_points/{tomogram}/{batch}.npz", "replicate_membranes/{tomogram}/{batch}.npz"
        ),
        subvolumes=training_files(
            "extract_subvolumes/{tomogram}/{batch}.npy",
            "replicate_membranes/{tomogram}/{batch}.npy",
        ),
        start=start_files(),
    output:
        model=RESULTS / "train_model/model.safetensors",
        card=RESULTS / "train_model/model.json",
        held_out=RESULTS / "train_model/model.held_out.npz",
        curves=RESULTS / "train_model/curves.csv",
        picture=RESULTS / "train_model/curves.png",
    log:
        RESULTS / "logs/train_model.log",
    benchmark:
        RESULTS / "benchmarks/train_model.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=grow(8000),
        runtime=grow(120),
        gpu=1 if OPTIONS["device"] != "cpu" else 0,
    params:
        code=code("train_model"),
        validation=[f"{r.tomogram}/{r.membrane}" for r in MEMBRANES if r.split == "validation"],
        seed=OPTIONS["seed"],
        device=OPTIONS["device"],
        checkpoint=RESULTS / "train_model/checkpoint.pt",
        box=flags(NEW_BOX, ("box_shape",)),
        flags=training_flags(),
    shell:
        "step train_model --labels {input.labels:q} --subvolumes {input.subvolumes:q}"
        " --validation {params.validation} --seed {params.seed} --device {params.device}"
        " {params.box} {params.flags} --threads {threads} --checkpoint {params.checkpoint:q}"
        " --output {output.model:q} --held-out {output.held_out:q} --curves {output.curves:q}"
        " --curves-png {output.picture:q} > {log:q} 2>&1"
