"""One job that needs more memory than its first attempt gets, by the memory of all other rules."""

import os
import sys

ROOT = os.path.join(workflow.basedir, "../..")
sys.path.insert(0, os.path.join(ROOT, "scripts"))


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
