"""Results are taken for current only where a record tells what made them."""

import shutil

import yaml

from dejavu.files.parquet import read_provenance
from tests.conftest import SMALL, SMALL_TABLES, jobs_of, snakemake, written

TABLE = "results/tables/vlm_ppg.csv"


def copied(small_run, tmp_path):
    """A copy of a finished run, times and all."""
    folder = tmp_path / "copy"
    shutil.copytree(small_run[0], folder, symlinks=True)
    return folder


def edited(tmp_path, **keys):
    """The smallest config, its model edited."""
    config = yaml.safe_load(SMALL.read_text())
    config["vlm"]["models"]["clip_a"] |= keys
    return written(tmp_path / "edited.yaml", config)


def said(done):
    """What Snakemake said, and that it ended as after bad input."""
    assert done.returncode and "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_run_copied_whole_is_current_with_and_without_its_intermediates(small_run, tmp_path):
    folder = copied(small_run, tmp_path)
    assert jobs_of(snakemake(folder, *SMALL_TABLES, "-n", config=SMALL)) == {}
    for name in ("embeddings", "neighbors", "index", "scenes", "models"):
        shutil.rmtree(folder / "results/vlm" / name)
    assert jobs_of(snakemake(folder, *SMALL_TABLES, "-n", config=SMALL)) == {}
    config = edited(tmp_path, epochs=121)
    assert "train_clip" in jobs_of(snakemake(folder, TABLE, "-n", config=config))


def test_results_without_records_stop_a_run_before_any_work(small_run, tmp_path):
    folder = copied(small_run, tmp_path)
    shutil.rmtree(folder / ".snakemake")
    told = said(snakemake(folder, TABLE, config=edited(tmp_path, epochs=121), check=False))
    assert "other files no record tells what made them" in told
    assert "copy the folder .snakemake along" in told and "xargs rm" in told
    # What looks after the folder goes on.
    snakemake(folder, "--delete-all-output", config=SMALL)
    assert jobs_of(snakemake(folder, TABLE, "-n", config=SMALL))["train_clip"] == 1


def test_recovered_objects_carry_the_fingerprint_of_their_model(small_run):
    results = small_run[0] / "results/vlm"
    for model, query in (("clip_a_s0", "t2i"), ("minilm", "t2t")):
        told = read_provenance(results / f"recovered/{model}/{query}/target/0000.parquet")
        embedded = read_provenance(results / f"embeddings/{model}/caption/target/0000.parquet")
        assert told == {"model": model, "query": query, "fingerprint": embedded["fingerprint"]}


def test_touch_makes_no_result_current(small_run, tmp_path):
    folder = copied(small_run, tmp_path)
    told = snakemake(folder, TABLE, "--touch", config=edited(tmp_path, epochs=121), check=False)
    assert "--touch would have the results taken for current" in said(told)


def test_after_a_failed_job_what_it_was_to_change_is_not_current(small_run, tmp_path):
    folder, config = copied(small_run, tmp_path), edited(tmp_path, learning_rate=1e6)
    told = snakemake(folder, TABLE, config=config, check=False)
    assert "The training's loss is not finite" in said(told)
    for again in (config, SMALL):
        jobs = jobs_of(snakemake(folder, TABLE, "-n", config=again))
        assert {"train_clip", "embed_clip", "find_neighbors", "vlm_ppg"} <= set(jobs)


def test_a_table_that_was_edited_is_neither_read_nor_overwritten(small_run, tmp_path):
    folder = copied(small_run, tmp_path)
    table = folder / TABLE
    table.write_text(table.read_text().replace("one_model", "mine"))
    told = said(snakemake(folder, TABLE, config=edited(tmp_path, epochs=121), check=False))
    assert f"{TABLE} was edited, or damaged, since it was made: move your copy away" in told
    assert "mine" in table.read_text()
    table.rename(folder / "mine.csv")
    assert jobs_of(snakemake(folder, TABLE, "-n", config=SMALL)) == {"vlm_ppg": 1}


def test_a_table_of_another_config_is_not_shown(small_run, tmp_path):
    config = yaml.safe_load(SMALL.read_text())
    config["vlm"]["memorized"] = 3
    told = snakemake(
        copied(small_run, tmp_path),
        *("results/galleries/vlm.json", "--rerun-triggers", "mtime"),
        config=written(tmp_path / "edited.yaml", config),
        check=False,
    )
    assert "results/tables/vlm_memorized.csv was made by another config" in said(told)


def test_a_run_ends_with_verdicts_only_where_it_was_asked_for_them(small_run, tmp_path):
    folder = copied(small_run, tmp_path)
    verdict = "one_model, clip_a against minilm: "
    assert verdict in snakemake(folder, "results/tables/vlm_checks.csv", config=SMALL).stdout
    # Of the data that a part of a run reads, the verdict may be an old one.
    (folder / "results/vlm/sets.json").unlink()
    done = snakemake(folder, "results/vlm/sets.json", config=SMALL)
    assert jobs_of(done)["check_sets"] == 1 and verdict not in done.stdout
