"""Lifts: how much more often than elsewhere a tag is on crops of a label."""

import polars as pl

LEAST_CROPS = 5


def typical_tags(crops: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Tags on at least five crops of one of some labels, the highest lift first.

    The lift is P(tag | label) / P(tag) over the crops. A crop counts once for a tag, however often
    it has it.

    Args:
        crops: with `label` and `tags`, lists of structs with `tag`.
        labels: whose tags are asked for.

    Returns:
        `label`, `tag`, `crops` (int64, of the label with the tag), `p_tag_given_label` and `lift`;
        ties by label and tag.
    """
    tagged = (
        crops.with_row_index("crop")
        .explode("tags")
        .select("crop", "label", tag=pl.col("tags").struct.field("tag"))
        .drop_nulls("tag")
        .unique()
    )
    overall = tagged.group_by("tag").agg(rate=pl.len() / len(crops))
    sizes = crops.group_by("label").agg(size=pl.len())
    return (
        tagged.filter(pl.col("label").is_in(labels))
        .group_by("label", "tag")
        .agg(crops=pl.len().cast(pl.Int64))
        .filter(pl.col("crops") >= LEAST_CROPS)
        .join(sizes, on="label")
        .join(overall, on="tag")
        .with_columns(p_tag_given_label=pl.col("crops") / pl.col("size"))
        .with_columns(lift=pl.col("p_tag_given_label") / pl.col("rate"))
        .sort("lift", "label", "tag", descending=[True, False, False])
        .select("label", "tag", "crops", "p_tag_given_label", "lift")
    )
