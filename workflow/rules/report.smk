# The report: every table and figure of the study with its caption, and how each was made.
#
# Requires: the study's tables and figures, workflow/report/*.rst.
# Gives: results/<study>/report.html, one file that needs no network.
import json


localrules:
    write_report,


rule write_report:
    input:
        results=[*TABLES, *FIGURES],
        captions=sorted(map(str, (ROOT / "workflow/report").glob("*.rst"))),
    output:
        html=result("report.html"),
    log:
        f"results/logs/write_report/{STUDY.name}.log",
    benchmark:
        f"results/benchmarks/write_report/{STUDY.name}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        config=json.dumps(config),
        snakefile=lambda wildcards, output: workflow.main_snakefile,
    script:
        "../scripts/write_report.py"
