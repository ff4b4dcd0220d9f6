"""What is known of every kind of source, model, annotation and tagger that a config may name.

Rules, checks and plans read these records, and nothing else asks for a kind by its name, but the
script that loads it. Standard library only: the Snakefile imports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dejavu.config import clip_retrieval
from dejavu.config.domains import DOMAINS
from dejavu.config.paths import File

IMAGE, CAPTION, CROP = "image", "caption", "crop"
VLM, VISION = "vlm", "vision"
NAIVE_BAYES = "naive_bayes@"
EXACT_INDEX = "Flat"


@dataclass(frozen=True)
class Source:
    """A kind of source.

    Attributes:
        domain: whose samples it gives.
        rules: the rules that draw it, where it is generated, and read it.
        files: what the rule that reads it takes.
        pictures: the key of the folder with its pictures, or of the file beside which they lie.
        names_pictures: whether that file names the pictures by paths in its column of images.
        later: what later rules take.
        drawn: pattern of the files that the workflow generates, where it does.
        dealt: pattern, below `path`, of the files or folders that are dealt out to its parts.
        dealt_as: what they are called.
        told_by_part: whether a part changes with those that are dealt to it, and no others.
        read_whole: whether each part reads the whole file `path`.
        has_pictures: whether there is something for detectors to look at.
        has_labels: whether its samples name their objects or labels themselves.
        knows_tags: whether it is an embedded world, which knows what its crops show.
        has_columns: whether its samples may have any further columns, which they are grouped by.
        columns: those that they have where the key of that name is not 0.
    """

    domain: str
    rules: tuple[str, ...]
    files: tuple[File, ...] = ()
    pictures: str | None = None
    names_pictures: bool = False
    later: tuple[File, ...] = ()
    drawn: str | None = None
    dealt: str | None = None
    dealt_as: str = ""
    told_by_part: bool = False
    read_whole: bool = False
    has_pictures: bool = True
    has_labels: bool = True
    knows_tags: bool = False
    has_columns: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Attributes:
        domains: where it may stand.
        rules: the rules that make its weights, embed or predict with it, and tell its use.
        embeds: the inputs that it has embeddings of, the one that its facts are read from first.
        measured: whether it may be a target, and a reference of two-model tests.
        baseline: whether it may be a reference of one-model tests, in which it stands for texts.
        trained: whether the workflow trains it.
        files: what its weights are read from.
        trained_on: the key that names the set which it was trained on, where its domain has one.
        loader: the module of `dejavu.encoders` that loads it, where it has one.
        source: the kind of source that its embeddings come with, where they are not in `files`.
        answers: the stage whose results its `files` have, `neighbors` or `predictions`.
    """

    domains: tuple[str, ...]
    rules: tuple[str, ...]
    embeds: tuple[str, ...] = ()
    measured: bool = False
    baseline: bool = False
    trained: bool = False
    files: tuple[File, ...] = ()
    trained_on: str | None = None
    loader: str | None = None
    source: str | None = None
    answers: str | None = None


@dataclass(frozen=True)
class Annotation:
    """A kind of annotations, which name the objects of samples.

    Attributes:
        rules: the rule that reads or computes them.
        detects: whether a model looks for them in pictures; else they are a file.
        files: what they are read from, or the model is.
    """

    rules: tuple[str, ...]
    files: tuple[File, ...]
    detects: bool = False


@dataclass(frozen=True)
class Tagger:
    """A kind of tags of background crops.

    Attributes:
        rules: the rules that fit it, where it is fitted, and tag with it.
        files: what tags are read from, or the model is.
        fitted: whether the workflow fits it to crops first.
        of_world: whether only an embedded world has such tags.
    """

    rules: tuple[str, ...]
    files: tuple[File, ...] = ()
    fitted: bool = False
    of_world: bool = False


_PATH, _VOCABULARY = File("path"), File("vocabulary")
_IMAGES = File("images", is_folder=True)
_CHECKPOINT, _HUB = File("checkpoint"), File("model", is_folder=True, or_name=True)
_ARCHITECTURE = File("architecture", is_folder=True, prefix="local-dir:")
_OPEN_CLIP = (_CHECKPOINT, _ARCHITECTURE)
_OPEN_CLIP_INSIDE = tuple(file.inside("model") for file in _OPEN_CLIP)
_FOLDER = File("path", is_folder=True)
_BOXES = File("annotations", is_folder=True, or_endings=(".json", ".csv", ".parquet"))

SOURCES = {
    "scenes": Source(
        VLM,
        ("generate_scenes", "scan_source"),
        drawn="results/vlm/scenes/{source}/{part}.tar",
        columns=("mislabelled",),
    ),
    "img2dataset": Source(
        VLM,
        ("scan_source",),
        files=(_FOLDER,),
        pictures="path",
        dealt="*.tar",
        dealt_as="*.tar files",
        told_by_part=True,
        has_columns=True,
    ),
    "table": Source(
        VLM,
        ("scan_source",),
        files=(_PATH,),
        pictures="path",
        names_pictures=True,
        has_columns=True,
    ),
    "coco": Source(
        VLM,
        ("scan_source",),
        files=(_PATH, _IMAGES),
        pictures="images",
        read_whole=True,
        has_labels=False,
    ),
    "flickr": Source(
        VLM,
        ("scan_source",),
        files=(_PATH, _IMAGES),
        pictures="images",
        read_whole=True,
        has_labels=False,
    ),
    "clip_retrieval": Source(
        VLM,
        ("read_metadata",),
        files=(File("path", is_folder=True, below="metadata"),),
        dealt=clip_retrieval.METADATA,
        dealt_as=f"{clip_retrieval.METADATA} files",
        has_pictures=False,
    ),
    "foregrounds": Source(
        VISION,
        ("generate_foregrounds", "scan_images"),
        drawn="results/vision/pictures/{source}/{part}.tar",
        knows_tags=True,
    ),
    "imagenet": Source(
        VISION,
        ("scan_images",),
        files=(_FOLDER, _BOXES),
        pictures="path",
        later=(
            *(File(f"split.{name}") for name in DOMAINS[VISION].sets),
            File("class_names"),
        ),
        dealt="*/",
        dealt_as="class folders",
    ),
}

MODELS = {
    "clip": Model(
        (VLM,),
        ("train_clip", "embed_clip", "zero_shot", "probe_embeddings"),
        embeds=(IMAGE, CAPTION),
        measured=True,
        trained=True,
        trained_on="train_on",
        loader="clip",
    ),
    "open_clip": Model(
        (VLM,),
        ("embed_clip", "zero_shot", "probe_embeddings"),
        embeds=(IMAGE, CAPTION),
        measured=True,
        files=_OPEN_CLIP,
        loader="clip",
    ),
    "transformers": Model(
        (VLM, VISION),
        ("embed_transformers", "zero_shot", "probe_embeddings", "vote_labels"),
        embeds=(IMAGE, CAPTION, CROP),
        measured=True,
        files=(_HUB,),
        trained_on="trained_on",
        loader="transformers",
    ),
    "sentence_transformers": Model(
        (VLM,),
        ("embed_text",),
        embeds=(CAPTION,),
        baseline=True,
        files=(_HUB,),
        loader="text",
    ),
    "clip_retrieval": Model(
        (VLM,),
        ("import_embeddings",),
        embeds=(IMAGE, CAPTION),
        measured=True,
        baseline=True,
        files=(File("path", is_folder=True, of_source=True),),
        source="clip_retrieval",
    ),
    "random": Model(
        (VLM, VISION),
        ("embed_random", "vote_labels"),
        embeds=(IMAGE, CAPTION, CROP),
        measured=True,
        loader="untrained",
    ),
    "ssl": Model(
        (VISION,),
        ("train_ssl", "embed_ssl", "vote_labels", "linear_probe"),
        embeds=(IMAGE, CROP),
        measured=True,
        trained=True,
        trained_on="train_on",
        loader="ssl",
    ),
    "checkpoint": Model(
        (VISION,),
        ("import_checkpoint", "embed_ssl", "vote_labels", "linear_probe"),
        embeds=(IMAGE, CROP),
        measured=True,
        files=(_CHECKPOINT,),
        trained_on="trained_on",
        loader="ssl",
    ),
    "timm": Model(
        (VISION,),
        ("embed_timm", "vote_labels"),
        embeds=(IMAGE, CROP),
        measured=True,
        files=(_CHECKPOINT,),
        trained_on="trained_on",
        loader="timm_models",
    ),
    "embeddings": Model(
        (VISION,),
        ("import_vectors", "vote_labels"),
        embeds=(IMAGE, CROP),
        measured=True,
        files=(File("images", of_source=True), File("crops", of_source=True)),
        trained_on="trained_on",
    ),
    "classifier": Model(
        (VISION,),
        ("train_classifier", "classify_crops"),
        baseline=True,
        trained=True,
        trained_on="train_on",
    ),
    "neighbors": Model(
        (VLM, VISION),
        ("import_neighbors", "vote_labels"),
        measured=True,
        baseline=True,
        files=(File("path", of_source=True, of_query=True),),
        trained_on="trained_on",
        answers="neighbors",
    ),
    "predictions": Model(
        (VLM, VISION),
        ("import_objects", "count_objects", "import_predictions"),
        measured=True,
        baseline=True,
        files=(File("path", of_source=True, of_query=True),),
        trained_on="trained_on",
        answers="predictions",
    ),
    "pixels": Model((VLM, VISION), ("embed_pixels",), embeds=(IMAGE, CROP), loader="pixels"),
}

ANNOTATIONS = {
    "coco": Annotation(("read_annotations",), (_PATH,)),
    "table": Annotation(("read_annotations",), (_PATH,)),
    "detic": Annotation(("read_annotations",), (_PATH, _VOCABULARY, File("order"))),
    "detector": Annotation(("detect_objects",), (_VOCABULARY, _HUB), detects=True),
    "clip": Annotation(("detect_objects",), (_VOCABULARY, *_OPEN_CLIP_INSIDE), detects=True),
}

TAGGERS = {
    "world": Tagger(("tag_crops",), of_world=True),
    "table": Tagger(("tag_crops",), files=(_PATH,)),
    "clip": Tagger(("tag_crops",), files=(_VOCABULARY, *_OPEN_CLIP_INSIDE)),
    "visual_words": Tagger(("fit_words", "tag_crops"), fitted=True),
}


def all_records() -> Iterator[tuple[str, str, Source | Model | Annotation | Tagger]]:
    """Group, kind and record of all that there are."""
    for group, records in (
        ("sources", SOURCES),
        ("models", MODELS),
        ("annotations", ANNOTATIONS),
        ("tags", TAGGERS),
    ):
        for kind, record in records.items():
            yield group, kind, record
