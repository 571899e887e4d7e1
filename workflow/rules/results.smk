# Every table and figure of the catalogue, workflow/scripts/jpegprep/results/catalogue.py; the report.
#
# Requires: what an entry of the catalogue reads.
# Gives: results/<study>/tables/…, results/<study>/figures/…, results/<study>/findings.html and
#        report.html
localrules:
    draw_rulegraph,
    write_report,


for result in RESULTS:
    if result.make:
        per = f"{STUDY.name}/{{dataset}}" if result.datasets else STUDY.name

        rule:
            name:
                result.rule
            input:
                **files_read(result),
            output:
                **outputs(result),
            log:
                f"<logs>/{result.rule}/{per}.log",
            benchmark:
                f"<benchmarks>/{result.rule}/{per}.tsv"
            wildcard_constraints:
                dataset="|".join(result.datasets(STUDY) if result.datasets else []) or "(?!)",
            conda:
                f"../../envs/{result.environment}"
            params:
                **calls(result.make, result.environment),
                shapes=lambda wildcards, result=result: shapes(
                    result.read(STUDY, wildcards.get("dataset", ""))
                ),
                given=lambda wildcards, result=result: result.told(
                    STUDY, wildcards.get("dataset", "")
                ),
                caption=caption_of(result),
            script:
                "../scripts/call.py"


RULEGRAPH = next(result for result in RESULTS if result.name == "rulegraph")


rule draw_rulegraph:
    output:
        **outputs(RULEGRAPH),
    log:
        f"<logs>/draw_rulegraph/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/draw_rulegraph/{STUDY.name}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        **calls("results.figures.rulegraph:rule_graph", "report.yaml"),
        snakefile=lambda wildcards, output: SNAKEFILE,
        config=json.dumps(config),
        rule="all",
        # Written once for each probe, and the same for all.
        families=["train_probe"],
        # Files are no input: a copy of the project has new times, not new rules.
        rules=structure(
            [ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
        ),
        results=[result.rule for result in RESULTS],
        caption=caption_of(RULEGRAPH),
    script:
        "../scripts/call.py"


rule write_findings:
    input:
        results=targets("tables", "figures"),
    output:
        STUDY.file("findings.html"),
    log:
        f"<logs>/write_findings/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/write_findings/{STUDY.name}.tsv"
    conda:
        "../../envs/pages.yaml"
    params:
        **calls("answers.findings:write_findings", "pages.yaml"),
        looks=LOOKS,
        name=STUDY.name,
        entries=[entry for result in RESULTS for entry in result.entries(STUDY)],
    script:
        "../scripts/call.py"


rule write_report:
    input:
        results=targets("tables", "figures"),
        captions=[f"{ROOT}/workflow/report/{name}.rst" for name in ("result", "workflow")],
    output:
        html=STUDY.file("report.html"),
    log:
        f"<logs>/write_report/{STUDY.name}.log",
    benchmark:
        f"<benchmarks>/write_report/{STUDY.name}.tsv"
    conda:
        "../../envs/report.yaml"
    params:
        call="results.report:write_report",
        config=json.dumps(config),
        snakefile=lambda wildcards, output: SNAKEFILE,
        # Captions are no input of the results, but stand in the report.
        shown=[result.caption.format(study=STUDY, dataset="") for result in RESULTS],
    script:
        "../scripts/call.py"
