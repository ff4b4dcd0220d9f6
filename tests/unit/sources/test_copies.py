"""Pictures that stand in their set several times."""

from dejavu.sources.copies import ids, picture_of


def test_copies_have_ids_of_their_own_and_one_picture():
    assert ids(12, 1) == ["000000012"]
    several = ids(12, 3)
    assert several[0] == "000000012" and len(set(several)) == 3
    assert {picture_of(each) for each in several} == {"000000012"}
    # The key of a member ends at the first dot.
    assert not any("." in each for each in several)
