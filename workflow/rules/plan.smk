# In: the sheets, headers and masks. Out: what a run will take, told before it starts.


rule plan:
    """Jobs, points, time, memory and disk that a run will take; nothing else is made."""
    log:
        RESULTS / "logs/plan.log",
    localrule: True
    conda:
        "../../envs/core.yaml"
    params:
        python=shlex.quote(sys.executable),  # the one that has Snakemake
        script=ROOT / "workflow/plan.py",
        options=json.dumps(OPTIONS),
        folder=RESULTS,
    shell:
        "{params.python} {params.script:q} --options {params.options:q}"
        " --output-dir {params.folder:q} 2>&1 | tee {log:q}"
