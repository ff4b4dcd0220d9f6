"""What every rule and script has in common."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted((ROOT / "rules").rglob("*.smk"))
OTHER_OPENS = ("Image.open", "tarfile.open", "os.open", "archive.open")
RULES = {
    match[1]: match[0]
    for path in RULE_FILES
    for match in re.finditer(r"^rule (\w+):\n(?:(?: +.*)?\n)+", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_all_that_a_rule_should_have(name):
    text = RULES[name]
    assert re.match(r'rule \w+:\n    """', text), "a docstring"
    for directive in (
        "output",
        "log",
        "benchmark",
        "threads",
        "resources",
        "params",
        "script",
        "conda",
    ):
        assert f"    {directive}:" in text, directive
    for resource in ("mem_mb=", "runtime="):
        assert resource in text
    assert f'code=code_version("{name}.py")' in text
    assert f"scripts/{name}.py" in text
    assert (ROOT / f"scripts/{name}.py").is_file()


def test_no_rule_runs_code_whose_edits_would_go_unseen():
    for path in [ROOT / "Snakefile", *RULE_FILES]:
        assert not re.search(r"^\s+(shell|run|notebook|wrapper):", path.read_text(), re.MULTILINE)
        assert not re.search(r"^checkpoint ", path.read_text(), re.MULTILINE)
        # A job behind an ancient input is not looked at when the job that makes the input must run:
        # its own changed parameters would go unseen until the next call.
        assert "ancient(" not in path.read_text()


def test_no_file_of_the_config_is_read_where_another_rules_job_loads_the_rules():
    # Every job loads all rule files: only what a function gives is taken for the job's own rule.
    for name, text in RULES.items():
        for line in text.splitlines():
            if re.search(r"\bcontent_of\(|\bcontents\.|\bpaths\.told\(", line):
                assert "lambda" in line, f"{name}: {line}"


def test_places_of_files_are_parameters_that_rerun_nothing():
    # Snakemake takes what asks for the output for derived from it.
    for name, text in RULES.items():
        for line in text.splitlines():
            assert "from_base(" not in line or "lambda wildcards, output:" in line, name


def test_every_script_belongs_to_a_rule():
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} == set(RULES)


def test_the_core_knows_nothing_of_snakemake_and_no_script():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    for path in (ROOT / "scripts/dejavu").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.split(".")[0] in {"snakemake", *scripts} for name in names), path


def test_imports_are_absolute():
    # The hash of what code does follows no others.
    for path in (ROOT / "scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_parquet_between_stages_is_read_and_written_in_one_place():
    # There it is sealed and checked. The other modules that are named read what users bring.
    core = ROOT / "scripts/dejavu"
    known = {
        *(core / f"files/{name}.py" for name in ("parquet", "arrays")),
        *(core / f"labels/{name}.py" for name in ("annotations", "table")),
        *(core / "sources").iterdir(),
    }
    other_ways = re.compile(r"\bpq\.|\.write_parquet|\bpl\.(read|scan)_parquet")
    for path in (ROOT / "scripts").rglob("*.py"):
        assert path in known or not other_ways.search(path.read_text()), path


def test_every_text_file_is_utf_8_whatever_the_locale():
    for path in [*(ROOT / "scripts").rglob("*.py"), *(ROOT / "docs").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or any(
                each.arg == "encoding" for each in node.keywords
            ):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in ("read_text", "write_text"), f"{path}:{node.lineno}"
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if name == "open" and ast.unparse(node.func) not in OTHER_OPENS:
                assert any("b" in str(text) for text in texts), f"{path}:{node.lineno}"
    for path in [ROOT / "Snakefile", *RULE_FILES]:
        assert not re.search(
            r"(read|write)_text\((?!.*encoding=)", path.read_text(encoding="utf-8")
        )
