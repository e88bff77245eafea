"""Which words an edit elsewhere makes less likely."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
import tiny_diffusion_gemma
from embedded import embedded
from tiny_diffusion_gemma import one_thread  # noqa: F401 (a fixture)
from tiny_model import write_tiny_model

from lacuna.engine import load
from lacuna.engine.api import Filler, Passage, Stopped
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.shared.surprise import ScoredToken, surprises

PATIENCE = 60.0  # seconds, for a machine that does much else
TEXT = "    total += item.price  # é\n"


def verified(*tokens: tuple[str, float]) -> list[ScoredToken]:
    return [ScoredToken(text.encode(), value) for text, value in tokens]


def words(text: str, old: list[ScoredToken], new: list[ScoredToken], threshold: float = 1.0) -> dict[str, float]:
    return {text[found.start : found.end]: found.drop for found in surprises(text, old, new, threshold)}


def test_tokens_of_a_word_are_summed_and_signs_are_words() -> None:
    old = verified((" file", -1.0), ("_", -0.5), ("name", -0.5), ("):", -1.0))
    new = verified((" file", -3.0), ("_", -1.0), ("name", -0.5), ("):", -1.5))
    assert words(" file_name):", old, new) == {"file_name": 2.5}
    assert words(" file_name):", old, new, 0.5) == {"file_name": 2.5, "):": 0.5}


def test_versions_may_be_cut_into_tokens_differently() -> None:
    old = verified(("    ", -9.0), ("total", -1.0), (" =", -1.0))
    new = verified(("   ", -1.0), (" to", -2.0), ("tal", -2.0), (" =", -1.0))
    assert words("    total =", old, new) == {"total": 3.0}


def test_white_space_alone_is_no_surprise_and_less_is_none() -> None:
    old, new = verified(("\n", -1.0), ("  ", 0.0), ("a", -5.0)), verified(("\n", -9.0), ("  ", -9.0), ("a", -1.0))
    assert words("\n  a", old, new) == {}


def test_only_words_that_both_versions_hold_whole() -> None:
    old, new = verified(("ab", -1.0), ("c", -1.0)), verified(("ab", -9.0))
    assert words("abc d", old, new) == {}


def test_offsets_are_characters() -> None:
    text = "é = 😀x\n"
    old = verified(("é", -1.0), (" =", -1.0), (" ", -1.0), ("😀", -1.0), ("x", -1.0))
    new = verified(("é", -1.0), (" =", -1.0), (" ", -1.0), ("😀", -1.0), ("x", -4.0))
    (found,) = surprises(text, old, new, 1.0)
    assert (text[found.start : found.end], found.now) == ("x", -4.0)


@pytest.fixture(scope="module", params=["gap", "diffusion_gemma"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filler:
    directory: Path = tmp_path_factory.mktemp(request.param)
    write = write_tiny_model if request.param == "gap" else tiny_diffusion_gemma.write
    return load.load(str(write(directory)), Runtime("cpu", "float32", 1, "tests"))


def test_both_families_find_words_that_fell(filled: Filler) -> None:
    passage = Passage(TEXT, "def f(items):\n", "def g(orders):\n", threshold=-1000.0)
    found = filled.surprises(passage)
    assert [TEXT[word.start : word.end] for word in found] == ["total", "+=", "item", ".", "price", "#", "é"]
    falls = [word.drop for word in found]
    assert any(falls)
    back = filled.surprises(Passage(TEXT, "def g(orders):\n", "def f(items):\n", threshold=-1000.0))
    assert [word.drop for word in back] == pytest.approx([-drop for drop in falls], abs=1e-3)


def test_the_edit_may_stand_in_snippets(filled: Filler) -> None:
    passage = Passage(TEXT, "x = 1\n", "x = 1\n", ("def f(): pass\n",), ("def g(): pass\n",), threshold=-1000.0)
    assert any(word.drop for word in filled.surprises(passage))


def test_of_long_snippets_the_middle_is_read(filled: Filler) -> None:
    around = "".join(f"value_{number} = {number}\n" for number in range(40))
    old, new = f"{around}def f(): pass\n{around}", f"{around}def g(): pass\n{around}"
    passage = Passage(TEXT, "x = 1\n", "x = 1\n", (old,), (new,), threshold=-1000.0)
    assert any(word.drop for word in filled.surprises(passage))


def test_where_nothing_changed_nothing_is_read(filled: Filler) -> None:
    stop = Event()
    stop.set()
    assert filled.surprises(Passage(TEXT, "x = 1\n", "x = 1\n", threshold=-1000.0), stop=stop) == ()
    with pytest.raises(Stopped):
        filled.surprises(Passage(TEXT, "x = 1\n", "x = 2\n"), stop=stop)


HEAD = "import json\n\n\ndef load_config({name}):\n"
BODY = "    with open(path) as f:\n        data = json.load(f)\n    return data\n"


@pytest.mark.weights
def test_a_renamed_parameter_makes_its_use_less_likely() -> None:
    old, new = HEAD.format(name="path"), HEAD.format(name="file_name")
    found = embedded().surprises(Passage(BODY, old, new), budget=PATIENCE)
    assert "path" in [BODY[word.start : word.end] for word in found]
    assert max(found, key=lambda word: word.drop).start == BODY.index("path")
    back = embedded().surprises(Passage(BODY, new, old), budget=PATIENCE)
    assert back == (), "the other way the use becomes likelier"


@pytest.mark.weights
def test_both_versions_are_read_from_the_same_line_on() -> None:
    """An edit far above the window changes what the prefix' characters count to, and nothing that is read."""
    lines = "".join(f"value_{number} = compute({number})\n" for number in range(200))
    passage = Passage("print(value_7)\n", "a = 1\n" + lines, "alpha_beta = 1\n" + lines)
    assert embedded().surprises(passage, budget=PATIENCE) == ()
