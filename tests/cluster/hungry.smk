"""One job that needs more memory than its first attempt gets, by the memory of all other rules."""

import sys
from pathlib import Path

# As the Snakefile has it.
BASE = Path(workflow.basedir).parents[1]
sys.path.insert(0, str(BASE / "scripts"))


include: "../../rules/common.smk"


rule hungry:
    output:
        "hungry.txt",
    threads: 1
    resources:
        mem_mb=megabytes(450),
        runtime=minutes(5),
    script:
        "hungry.py"
