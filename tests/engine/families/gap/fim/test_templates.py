"""The markers of bases that fill in the middle, found by text; and the order in which a prompt has its parts."""

from __future__ import annotations

import pytest

from lacuna.engine.families.gap.fim.templates import markers
from lacuna.engine.families.shared.fim_templates import TEMPLATES
from lacuna.engine.untrusted.load_error import LoadError


@pytest.mark.parametrize("base", TEMPLATES)
def test_every_template_is_found_by_its_own_markers(base: str) -> None:
    template = TEMPLATES[base]
    texts = [text for text in (template.prefix, template.suffix, template.middle, *template.ends) if text]
    assert len(set(texts)) == len(texts)
    found = markers({text: at for at, text in enumerate(texts)}.get)
    assert (found.prefix, found.suffix) == (0, 1)
    assert found.middle == ((2,) if template.middle else ())
    assert len(found.ends) == len(template.ends)
    assert found.file == (texts.index(template.file) if template.file else None)


def test_a_tokenizer_without_markers_is_refused() -> None:
    with pytest.raises(LoadError, match="markers"):
        markers({"<|fim_prefix|>": 1, "<|fim_suffix|>": 2}.get)


def test_prefix_suffix_middle_and_suffix_prefix_middle() -> None:
    qwen = markers({"<|fim_prefix|>": 1, "<|fim_suffix|>": 2, "<|fim_middle|>": 3, "<|endoftext|>": 4}.get)
    assert qwen.prompt([10, 11], [20], [30]) == [1, 10, 11, 2, 20, 3, 30]
    codestral = markers({"[PREFIX]": 1, "[SUFFIX]": 2, "</s>": 4}.get)
    assert codestral.prompt([10, 11], [20], [30]) == [2, 20, 1, 10, 11, 30]
