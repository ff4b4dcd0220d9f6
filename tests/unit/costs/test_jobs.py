"""Jobs of a dry-run and their work."""

import pytest

from dejavu.costs import jobs
from dejavu.costs.jobs import Job, Sizes
from dejavu.errors import InputError

PRINTED = """Building DAG of jobs...
[Thu Nov 26 17:10:46 2026]
rule find_neighbors:
    input: results/vlm/embeddings/m/caption/target/1.parquet, results/vlm/lists/index/m/image.json
    output: results/vlm/neighbors/m/t2i/target/0001.parquet
    log: results/logs/find_neighbors/vlm.m.t2i.target.0001.log
    jobid: 92
    benchmark: results/benchmarks/find_neighbors/vlm.m.t2i.target.0001.jsonl
    reason: Missing output files: results/vlm/neighbors/m/t2i/target/0001.parquet
    wildcards: domain=vlm, model=m, votes=, query=t2i, set=target, shard=0001
    resources: tmpdir=/tmp, runtime=<TBD>, mem_mb=<TBD>
[Thu Nov 26 17:10:46 2026]
rule all:
    input: results/report/index.html
    jobid: 0
"""
SIZES = {"vlm": Sizes({"target": [100.0, 120.0], "public": [500.0, 700.0]}, {"w": (2000, 4)})}


def job(rule, inputs=(), outputs=("results/vlm/x",), **wildcards):
    return Job(rule, tuple(inputs), tuple(outputs), "b", wildcards)


def test_a_printed_job_is_read_and_what_only_asks_is_not():
    [found] = jobs.read(PRINTED)
    assert found.rule == "find_neighbors"
    assert found.inputs[1] == "results/vlm/lists/index/m/image.json"
    assert found.outputs == ("results/vlm/neighbors/m/t2i/target/0001.parquet",)
    assert found.benchmark.endswith("vlm.m.t2i.target.0001.jsonl")
    assert (found.wildcards["votes"], found.wildcards["set"]) == ("", "target")


@pytest.mark.parametrize(
    ("path", "samples"),
    [
        ("results/vlm/embeddings/m/caption/target/0001.parquet", 120),
        ("results/vlm/index/m/image/0000.faiss", 500),
        ("results/vlm/lists/index/m/image.json", 1200),
        ("results/vlm/lists/samples/target.json", 220),
        ("results/vlm/sources/w/0003.parquet", 500),
        ("results/vlm/sources/w/0003.rejected.parquet", 0),
        ("results/vlm/sources/w.json", 2000),
        ("results/vlm/lists/sources/w.json", 2000),
        ("results/vlm/gathered/target/0000.parquet", 220),
        ("results/vlm/models/m_s0/training.csv", 0),
        ("results/figures/verdicts.svg", 0),
    ],
)
def test_files_tell_of_samples(path, samples):
    assert jobs.samples_in(path, SIZES) == samples


def test_a_search_meets_every_public_sample_and_holds_one_shard():
    [search] = jobs.read(PRINTED)
    assert jobs.work(search, SIZES, {}) == 120 * 1200
    assert jobs.held(search, SIZES) == 120 + 600


def test_a_training_sees_its_samples_once_an_epoch():
    model = {"kind": "clip", "train_on": "target", "epochs": 10, "train_fraction": 0.5, "extra": 2}
    kept = {**model, "kept_by": "m", "until": 5}
    config = {"vlm": {"models": {"m": model, "m_e5": kept}}}
    given = [f"results/vlm/records/target/{shard}.parquet" for shard in ("0000", "0001")]
    work = [
        jobs.work(job("train_clip", given, model=f"{name}_s0"), SIZES, config)
        for name in ("m", "m_e5")
    ]
    # The second begins with what the first has kept.
    assert work == [10 * (110 + 440), 0]


def config(pictures, fraction, **more):
    source = {"kind": "scenes", "parts": 1, "pictures": pictures}
    sets = {"target": {"source": "w", "fraction": fraction, "shards": 2}}
    sets["public"] = {"source": "w", "fraction": 0.5, "shards": 1}
    return {"sources": {"w": source}, "sets": sets, **more}


def test_sets_grow_with_pictures_and_fractions():
    run = {"config": {"vlm": config(1000, 0.2)}}
    counts = {"target": 190, "public": 510}
    run["sets"] = [{"domain": "vlm", "set": name, "samples": n} for name, n in counts.items()]
    pilot = jobs.measured(run)
    # Seven tenths of the source are 700 samples.
    assert pilot["vlm"].sources["w"][0] == pytest.approx(1000)
    found = jobs.expected({"vlm": config(5000, 0.4)}, run["config"], pilot)
    assert found["vlm"].sets["target"] == pytest.approx([1000, 1000])
    assert found["vlm"].sets["public"] == pytest.approx([2500])


def test_classes_give_their_images_and_public_has_the_rest():
    def vision(pictures, n_per_class, control_per_class):
        names = ("A", "B", "public", "control")
        return {
            "sources": {"f": {"kind": "foregrounds", "parts": 1, "pictures": pictures}},
            "sets": {name: {"source": "f", "shards": 1} for name in names},
            "n_per_class": n_per_class,
            "control_per_class": control_per_class,
        }

    run = {"config": {"vision": vision(1000, 10, 5)}}
    counts = {"A": 100, "B": 100, "control": 50, "public": 700}
    run["sets"] = [{"domain": "vision", "set": name, "samples": n} for name, n in counts.items()]
    found = jobs.expected({"vision": vision(4000, 30, 5)}, run["config"], jobs.measured(run))
    assert found["vision"].sets == {"A": [300], "B": [300], "control": [50], "public": [3150]}


def test_files_of_sources_tell_their_size_by_bytes(tmp_path):
    def table(path):
        found = config(1, 0.5)
        found["sources"]["w"] = {"kind": "table", "parts": 1, "path": str(path)}
        return {"vlm": found}

    for name, size in (("small", 100), ("large", 700)):
        (tmp_path / name).write_bytes(bytes(size))
    sizes = {"vlm": Sizes({"target": [50.0, 50.0], "public": [100.0]}, {"w": (200, 1)})}
    pilot = table(tmp_path / "small")
    found = jobs.expected(table(tmp_path / "large"), pilot, sizes)
    assert sum(found["vlm"].sets["target"]) == 700
    with pytest.raises(InputError, match="does not exist: a source's size is that of its files"):
        jobs.expected(table(tmp_path / "none"), pilot, sizes)


def test_a_source_that_no_pilot_has_is_told():
    sizes = {"vlm": Sizes({}, {})}
    with pytest.raises(InputError, match=r"vlm\.sources\.w: no pilot has a source of that name"):
        jobs.expected({"vlm": config(10, 0.5)}, {"vlm": {"sources": {}}}, sizes)


def test_models_are_alike_by_their_network_and_not_by_their_training():
    base = {"kind": "clip", "model_cfg": {"width": 1}, "epochs": 5}
    others = {"m": base, "longer": {**base, "epochs": 9}, "wider": {**base, "model_cfg": {}}}
    settings = {"vlm": {"models": others}}

    def first(model, part="caption"):
        path = f"results/vlm/embeddings/{model}_s0/{part}/target/0000.parquet"
        return next(jobs.alike(job("embed_clip", outputs=[path], model=f"{model}_s0"), settings))

    assert first("m") == first("longer")
    assert len({first("m"), first("wider"), first("m", "image")}) == 3


def test_detectors_are_alike_by_their_model():
    def first(model):
        annotations = {"kind": "detector", "model": model}
        vlm = {
            "models": {},
            "sets": {"target": {"source": "w"}},
            "sources": {"w": {"annotations": annotations}},
        }
        path = "results/vlm/detections/target/0000.parquet"
        [key] = jobs.alike(job("detect_objects", outputs=[path], set="target"), {"vlm": vlm})
        return key

    assert first("one") == first("one") != first("other")
