"""The explanation shows how a keep probability comes from its parts."""

from spark_jobs.balancing.explanation import Explanation, MatchedEntry

CAT = MatchedEntry(7, "cat", 100, 10)  # 10 / 100
DOG = MatchedEntry(9, "dog", 1_000, 20)  # 20 / 1,000


def test_each_part_stands_in_the_lines() -> None:
    lines = Explanation("u1", [CAT, DOG], seed=3, draw=0.113).lines()  # 1 - 0.9 x 0.98 = 0.118
    assert lines == [
        "uid u1",
        "entry_id  entry                         captions        t  t / max(captions, t)",
        "       7  cat                                100       10              0.100000",
        "       9  dog                              1,000       20              0.020000",
        "keep probability: 1 - (1 - 0.100000) x (1 - 0.020000) = 0.118000",
        "draw: 0.113000 (fixed by the uid and seed 3)",
        "kept, since 0.113000 < 0.118000",
    ]
    assert max(map(len, lines)) <= 80


def test_a_draw_that_is_not_below_drops_unless_a_floor_keeps() -> None:
    assert Explanation("u1", [CAT], 0, 0.2).lines()[-1] == "dropped, since 0.200000 >= 0.100000"
    lifted = Explanation("u1", [CAT], 0, 0.5, in_output=True).lines()[-1]
    assert lifted == "kept for the floor of an entry, though 0.500000 >= 0.100000"


def test_numbers_that_look_alike_get_all_their_digits() -> None:
    last = Explanation("u1", [CAT], 0, 0.1 - 1e-9).lines()[-1]
    assert last == "kept, since 0.099999999000000006 < 0.099999999999999978"


def test_each_text_of_a_record_that_matches_an_entry_counts() -> None:
    twice = MatchedEntry(7, "cat", 100, 10, n_texts=2)
    explanation = Explanation("u1", [twice], 0, 0.15)
    assert explanation.is_kept  # 1 - 0.9^2 = 0.19
    assert "1 - (1 - 0.100000)^2 = 0.190000" in explanation.lines()[3]


def test_a_long_product_is_shortened() -> None:
    entries = [MatchedEntry(i, "e", 100, 10) for i in range(9)]
    product = "(1 - 0.100000) x (1 - 0.100000) x ... x (1 - 0.100000)"
    line = Explanation("u1", entries, 0, 0.0).lines()[11]
    assert line == f"keep probability: 1 - {product} = 0.612580"  # 1 - 0.9^9


def test_a_caption_without_entries_is_dropped() -> None:
    assert Explanation("u1", [], 0, 0.0).lines() == [
        "uid u1",
        "dropped: it matches no entry",
    ]
