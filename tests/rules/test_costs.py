"""The plan of a config from pilots whose jobs took what is known."""

import csv
import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from snakemake.utils import update_config

from dejavu.costs import __main__ as costs
from dejavu.costs import configs, fits, jobs
from dejavu.errors import InputError
from dejavu.files.facts import write_json
from tests.conftest import SMOKE, snakemake, written


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The smoke-test config at a number of pictures, by a function: its file."""
    folder = tmp_path_factory.mktemp("configs")

    def config(pictures, sweeps=False, shards=1):
        smoke = yaml.safe_load(SMOKE.read_text())
        vlm = smoke["vlm"]
        vlm["sources"]["world"]["pictures"] = pictures
        for settings in vlm["sets"].values():
            settings["shards"] = shards
        for key in ("blind", "contamination", "utility", "sweeps"):
            del vlm[key]
        if sweeps:
            both = {"target": "clip_a", "reference": "clip_b"}
            vlm["sweeps"] = {
                "votes": {**both, "k": [1, 10]},
                "longer": {**both, "vary": {"epochs": [20, 60]}},
                "other": {"target": "clip_a", "vary": {"precision": ["fp32", "bf16"]}},
            }
        return written(folder / f"{pictures}_{sweeps}_{shards}.yaml", smoke)

    return config


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Dry-runs by the process that has imported Snakemake, each done once."""
    found = {}

    def dry_run(configs, targets=(), called=""):
        (config,) = configs
        text = Path(config).read_text()
        if text not in found:
            folder = tmp_path_factory.mktemp("plan")
            path = shutil.copy(config, folder / "config.yaml")
            found[text] = snakemake(folder, "-n", config=path).stdout
        return found[text]

    return dry_run


# Hours by the clock to an hour of the CPU: what such a job waits for is a GPU.
WAITING = {"embed_text": 3}


def seconds(rule, work):
    """What a job takes of the CPU in the made-up runs."""
    rates = {"find_neighbors": 1e-6, "train_clip": 1e-3, "embed_clip": 5e-3}
    return 2 + rates.get(rule, 1e-4) * work


def pilot(folder, config, planned):
    """A run that took what `seconds` says."""
    completed = configs.completed(config)
    vlm = completed["vlm"]
    pictures = vlm["sources"]["world"]["pictures"]
    counts = {name: round(pictures * each["fraction"]) for name, each in vlm["sets"].items()}
    told = [{"domain": "vlm", "set": name, "samples": n} for name, n in counts.items()]
    run = {"config": yaml.safe_load(config.read_text()), "sets": told}
    run["config"]["vlm"]["sources"]["world"] = vlm["sources"]["world"]
    run["config"]["vlm"]["sets"] = vlm["sets"]
    write_json(folder / "results/run.json", run)
    sizes = jobs.measured(run)
    for job in jobs.read(planned([config])):
        path = folder / job.benchmark
        path.parent.mkdir(parents=True, exist_ok=True)
        time = seconds(job.rule, jobs.work(job, sizes, completed))
        memory = 100 + 0.1 * jobs.held(job, sizes)
        # Long jobs are looked at for the last time before they end.
        clock = time * WAITING.get(job.rule, 1)
        cpu = time * fits.looked_at(clock) / clock
        path.write_text(json.dumps({"s": clock, "cpu_time": cpu, "max_rss": memory}) + "\n")
    return folder


@pytest.fixture(scope="module")
def pilots(tmp_path_factory, asked, planned):
    """Two pilots of different sizes."""
    folders = (tmp_path_factory.mktemp(name) for name in ("small", "smaller"))
    return [
        pilot(folder, asked(size), planned)
        for folder, size in zip(folders, (3000, 900), strict=True)
    ]


@pytest.fixture
def told(monkeypatch, capsys, planned):
    """What the command prints."""
    monkeypatch.setattr(jobs, "dry_run", planned)

    def run(*words):
        costs.main(list(map(str, words)))
        return capsys.readouterr().out

    return run


def test_a_plan_gives_back_what_the_made_up_run_takes(told, tmp_path, asked, pilots, planned):
    path = asked(30000, shards=3)
    text = told(*pilots, "--configfile", path, "--cores", 4, "--csv", tmp_path / "plan.csv")
    whole = pilot(tmp_path / "whole", path, planned)
    took = {}
    for file in (whole / "results/benchmarks").rglob("*.jsonl"):
        rule = file.relative_to(whole / "results/benchmarks").parts[0]
        took.setdefault(rule, []).append(json.loads(file.read_text()))
    rows = {row["rule"]: row for row in csv.DictReader((tmp_path / "plan.csv").open())}
    assert rows.keys() == took.keys()
    for rule, row in rows.items():
        expected = sum(each["s"] for each in took[rule]) / WAITING.get(rule, 1)
        assert int(row["jobs"]) == len(took[rule])
        assert row["source"] == "pilot", rule
        assert 3600 * float(row["hours"]) == pytest.approx(expected, rel=0.02), rule
        assert float(row["peak_mb"]) == pytest.approx(
            max(each["max_rss"] for each in took[rule]), rel=0.02
        )
    hours = sum(float(row["hours"]) for row in rows.values())
    line = text.splitlines()[-1]
    assert line.startswith(f"{sum(map(len, took.values()))} jobs, {hours:.2g} hours of jobs")
    assert "on 4 cores at least" in line


def test_several_configs_are_merged_as_snakemake_does(asked, tmp_path, monkeypatch):
    one = asked(3000)
    other = written(
        tmp_path / "own.yaml",
        {"vlm": {"sources": {"world": {"pictures": 50}}, "k": [7], "models": {"m": {}}}},
    )
    expected = yaml.safe_load(one.read_text())
    update_config(expected, yaml.safe_load(other.read_text()))
    read = [yaml.safe_load(path.read_text()) for path in (one, other)]
    assert configs.merged(*read) == expected != read[0]
    # The run is planned from the same files.
    commands = []

    def run(command, **_):
        commands.append(command)
        return CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setattr(jobs.subprocess, "run", run)
    jobs.dry_run([one, other])
    assert commands[0][-3:] == ["--configfile", str(one), str(other)]


def test_rules_on_gpus_take_hours_by_the_clock(asked, pilots, planned, monkeypatch):
    monkeypatch.setattr(jobs, "dry_run", planned)
    path = asked(30000, shards=3)
    assert "embed_text" in costs.gpu_rules() and "vlm_ppg" not in costs.gpu_rules()
    hours = [
        {row["rule"]: row["hours"] for row in costs.by_rule(found)}
        for found in (
            costs.costs(pilots, configs.completed(path), [path], [], on_gpu)
            for on_gpu in (frozenset(), costs.gpu_rules())
        )
    ]
    for rule, alone in hours[0].items():
        assert hours[1][rule] == pytest.approx(alone * WAITING.get(rule, 1), rel=0.02)


def test_the_longest_chain_bounds_what_cores_save(asked, pilots, planned, monkeypatch):
    monkeypatch.setattr(jobs, "dry_run", planned)
    path = asked(30000, shards=3)
    found = costs.costs(pilots, configs.completed(path), [path], [], frozenset())
    hours = {job.job.rule: job.hours for job in found}
    chain = costs.chain(found)
    trained = max(each.hours for each in found if each.job.rule == "train_clip")
    assert trained + hours["embed_clip"] + hours["report_page"] < chain
    assert chain < sum(each.hours for each in found)


def test_sweeps_tell_what_they_add_and_what_no_pilot_tells(told, asked, pilots):
    text = told(*pilots, "--configfile", asked(3000, sweeps=True))
    votes, longer, other = text.splitlines()[-3:]
    assert votes == "vlm.sweeps.votes adds 0 models and 0 jobs, 0 hours"
    # Two trainings of thrice the epochs, and what measures them.
    assert longer.startswith("vlm.sweeps.longer adds 2 models and ")
    assert "no pilot" not in longer
    assert "without" in other and other.endswith("jobs that no pilot tells of")
    assert "no pilot for 1 jobs" in next(row for row in text.splitlines() if "train_clip" in row)


def test_one_pilot_says_where_its_sizes_tell_no_growth(told, asked, pilots):
    text = told(pilots[0], "--configfile", asked(30000, shards=3))
    row = next(row for row in text.splitlines() if row.startswith("train_clip"))
    assert row.endswith("pilot, one size")


def test_a_config_that_cannot_run_is_told_as_the_workflow_tells_it(tmp_path):
    smoke = yaml.safe_load(SMOKE.read_text())
    smoke["vlm"]["sources"]["world"] = {"kind": "table", "path": "nowhere.csv"}
    with pytest.raises(
        InputError, match=r"c.yaml can't be planned: Config key vlm\.sources\.world"
    ):
        jobs.dry_run([written(tmp_path / "c.yaml", smoke)])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "--configfile", str(SMOKE)], "nowhere/results/run.json does not exist"),
        (["nowhere", "--configfile", "none.yaml"], "none.yaml does not exist: name the config"),
    ],
)
def test_mistakes_are_told_in_a_sentence(words, sentence):
    with pytest.raises(SystemExit, match=sentence):
        costs.main(words)
