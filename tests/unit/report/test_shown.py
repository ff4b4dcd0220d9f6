"""What is shown of names: no character that a terminal, renderer or page would act on."""

from dejavu.report.shown import shown


def test_every_text_of_facts_is_shown_by_codes_and_all_else_stays():
    facts = {"id": "a\x1b[2J", "n": [1, None, 0.5, True], "rows": [{"caption": "é\0\n\u0085"}]}
    assert shown(facts) == {
        "id": r"a\x1b[2J",
        "n": [1, None, 0.5, True],
        "rows": [{"caption": r"é\x00\n\x85"}],
    }
    assert shown("plain – text") == "plain – text"
