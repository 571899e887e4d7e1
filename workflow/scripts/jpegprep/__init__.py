"""How far images can be JPEG-compressed before a classifier suffers: the package behind the rules.

Every function takes paths and values and can be used without Snakemake.
"""
