# A user's own images as smaller files in another folder, as jobs over parts of their listing.
#
# Requires: images=PATH to=PATH and quality=N or store=NAME on the command line, and
#           config/convert.yaml.
# Gives: the folder `to`, with the record of the conversion in it; results/conversions/<name>/ with
#        the listing in parts.
from jpegprep.shards.conversion_parts import divide, divided, part_name, watch, conversion_name


localrules:
    convert,


if CONVERSION:

    localrules:
        record_conversion,

    CONVERTED = {
        key: CONVERSION[key]
        for key in ("images", "to", "quality", "store", "allow_larger", "columns")
    }
    CONVERSION_NAME = conversion_name(
        **{
            key: value
            for key, value in CONVERSION.items()
            if key != "job_minutes" and value is not None
        }
    )
    CONVERSION_FOLDER = f"results/conversions/{CONVERSION_NAME}"
    try:
        # Its jobs see the listing of the process that started them.
        if workflow.is_main_process:
            PARTS = divide(**CONVERSION, folder=CONVERSION_FOLDER)
        else:
            PARTS = divided(CONVERSION_FOLDER)
    except UserError as error:
        sys.exit(f"error: {error}")
    CONVERTED["given"] = PARTS.given
    PART = f"{CONVERSION_FOLDER}/{part_name('{part}')}"

    rule convert_part:
        input:
            listing=PART,
        output:
            done=temp(f"{CONVERSION_FOLDER}/part-{{part}}.done"),
        log:
            f"<logs>/convert_part/{CONVERSION_NAME}/{{part}}.log",
        benchmark:
            f"<benchmarks>/convert_part/{CONVERSION_NAME}/{{part}}.tsv"
        wildcard_constraints:
            part=r"\d+",
        conda:
            "../../envs/shards.yaml"
        params:
            **calls("shards.conversion_parts:convert_part", "shards.yaml"),
            given=CONVERTED,
        script:
            "../scripts/call.py"

    # Where the user wants it, and not under results/: what was made before is what it goes on from.
    rule record_conversion:
        input:
            parts=expand(PART, part=range(PARTS.parts)),
            done=expand(rules.convert_part.output.done, part=range(PARTS.parts)),
        output:
            update(CONVERSION_RECORD),
        log:
            f"<logs>/record_conversion/{CONVERSION_NAME}.log",
        benchmark:
            f"<benchmarks>/record_conversion/{CONVERSION_NAME}.tsv"
        conda:
            "../../envs/shards.yaml"
        params:
            **calls("shards.conversion_parts:record_conversion", "shards.yaml"),
            given=CONVERTED,
        script:
            "../scripts/call.py"

    rule convert:
        input:
            rules.record_conversion.output,

else:

    rule convert:
        input:
            lambda wildcards: sys.exit(
                "error: name images, folder and quality: snakemake --cores 8 convert --config "
                "images=PATH to=PATH quality=50"
            ),
