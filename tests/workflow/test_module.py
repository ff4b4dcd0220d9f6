"""Another workflow that uses this one as a module."""

import re

from tests.conftest import ROOT, SMALL, SMALL_TABLES, jobs_of, snakemake

MODULE = f"""
import yaml

with open("{SMALL}") as file:
    settings = yaml.safe_load(file)

module dejavu:
    snakefile: "{ROOT / "Snakefile"}"
    config: settings
    prefix: "audit"

use rule * from dejavu as dejavu_*

rule publish:
    default_target: True
    input: "audit/{SMALL_TABLES[0]}"
    output: "published.csv"
    shell: "cp {{input}} {{output}}"
"""


def test_a_module_with_a_prefix_gives_the_same_bytes_below_it(tmp_path, small_run):
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(MODULE)
    snakemake(tmp_path, snakefile=snakefile)
    published = (tmp_path / "published.csv").read_bytes()
    assert published == (small_run[0] / SMALL_TABLES[0]).read_bytes()
    assert not (tmp_path / "results").exists()
    # An edited table is told of where it lies, and what is there is current.
    assert jobs_of(snakemake(tmp_path, "-n", snakefile=snakefile)) == {}
    with (tmp_path / "audit" / SMALL_TABLES[0]).open("a") as table:
        table.write("1\n")
    told = snakemake(tmp_path, "-n", snakefile=snakefile, check=False)
    assert told.returncode
    assert f"audit/{SMALL_TABLES[0]} was edited" in told.stdout + told.stderr


def test_the_documented_module_runs_as_it_is_pasted(tmp_path):
    page = (ROOT / "docs/questions.md").read_text()
    for name, pattern in (("Snakefile", "python\nconfigfile"), ("config.yaml", "yaml\ndejavu")):
        language, _, start = pattern.partition("\n")
        [text] = re.findall(rf"^```{language}\n({start}.*?)^```", page, re.MULTILINE | re.DOTALL)
        (tmp_path / name).write_text(text)
    (tmp_path / "dejavu").symlink_to(ROOT)
    jobs = jobs_of(snakemake(tmp_path, "-n", snakefile=tmp_path / "Snakefile"))
    assert jobs["dejavu_train_clip"] == jobs["dejavu_vlm_ppg"] == jobs["publish"] == 1
    assert "dejavu_report_page" not in jobs


IN_FOLDER = """
def in_folder(path):
    source = {"kind": "img2dataset", "path": path, "objects": "objects", "parts": 1}
    return {"vlm": {**settings["vlm"], "sources": {"world": source}}}
"""
TWICE = """
module {name}:
    snakefile: "{snakefile}"
    config: in_folder("{path}")
    prefix: "{name}"

use rule * from {name} as {name}_*
"""


def test_two_modules_whose_sources_share_a_name_are_told_apart(tmp_path):
    uses = ""
    for name in ("one", "two"):
        (tmp_path / name / "shards").mkdir(parents=True)
        (tmp_path / name / "shards/00000.tar").write_bytes(b"")
        path = tmp_path / name / "shards"
        uses += TWICE.format(name=name, snakefile=ROOT / "Snakefile", path=path)
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(MODULE.split("module dejavu")[0] + IN_FOLDER + uses)
    told = snakemake(tmp_path, "-n", snakefile=snakefile, check=False)
    assert "vlm.sources.world is the name of sources in two folders" in told.stdout + told.stderr
