"""Take 500 MB, hold them until the cluster has looked, and tell how much was allowed."""

import time
from pathlib import Path

held = bytearray(500_000_000)
time.sleep(6)
Path(snakemake.output[0]).write_text(f"{snakemake.resources.mem_mb} {len(held)}")
