"""Secrets and edits: none goes from one document to another, and none is put into one."""

from __future__ import annotations

from lacuna.engine.api import RewriteRequest
from lacuna.lsp_server.config import DEFAULTS
from lacuna.lsp_server.documents.store import Document, DocumentStore
from lacuna.lsp_server.documents.text import Place
from lacuna.lsp_server.edits.next_edit.change import change_of
from lacuna.lsp_server.edits.next_edit.objections import objection
from lacuna.lsp_server.edits.next_edit.offers import Quiet
from lacuna.lsp_server.edits.next_edit.recent_edits import difference
from lacuna.lsp_server.edits.next_edit.site import KEY_CHARS, Version, tell_secrets
from lacuna.lsp_server.edits.replacement import Replacement
from lacuna.lsp_server.edits.rewrite import Rewrite, replacement_of
from lacuna.lsp_server.edits.suggestions import EditSuggestions
from lacuna.lsp_server.infill.suggestion import Reason
from lacuna.lsp_server.model.engine_thread import EngineThread
from lacuna.lsp_server.model.loading import load
from lacuna.lsp_server.model.phase import Phase
from lacuna.lsp_server.model.worker import Worker
from lacuna.lsp_server.setup import Setup

KEY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"


def version(before: str, after: str) -> Version:
    edit = difference(before, after)
    assert edit is not None
    return Version("file:///a.py", after, "python", edit)


def test_an_edit_near_a_secret_is_told_to_no_other_document() -> None:
    secret = f'SECRET_KEY = "{KEY}"\n'
    assert any(
        tell_secrets([version(f"def total(x):\n    return x\n{secret}", f"def sum_of(x):\n    return x\n{secret}")])
    )
    near = version(f"def total(x):\n    return x\n{secret}", f"def sum_of(x):\n    return x\n{secret}")
    taken = version(secret, 'SECRET_KEY = os.environ["KEY"]\n')  # what stood there counts, too
    other = version("def total(x):\n    return x\n", "def sum_of(x):\n    return x\n")
    assert tell_secrets([near]) == tell_secrets([taken]) == [True]
    assert tell_secrets([other]) == [False]


def test_a_key_that_an_edit_has_broken_is_told_to_no_other_document() -> None:
    """Its rest says to no scanner what it is."""
    lines = "MIIEowIBAAKCAQEA" * 4 + "\n"
    key = f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{lines * 4}"
    text = "x = 1\n" * KEY_CHARS + key + "y = 2\n" * KEY_CHARS
    broken = text.replace("-----BEGIN", "BEGIN")
    assert tell_secrets([version(text, broken)]) == [True]
    assert tell_secrets([version(broken, broken.replace("y = 2", "y = 3", 1))]) == [False]


def test_a_next_edit_puts_in_no_secret() -> None:
    told = version("def total(x):\n    return x\n\n\ny = 1\n", "def sum_of(x):\n    return x\n\n\ny = 1\n")
    change = change_of(told.edit, told.text)
    assert change is not None
    at = told.text.index("1\n")
    assert objection(told.text, at, at + 1, f'"{KEY}", SECRET_KEY = "{KEY}"', "python", change) is Quiet.SECRET
    assert objection(told.text, at, at + 1, "sum_of(2)", "python", change) is None
    assert objection(told.text, at, at + 1, "1", "python", change) is Quiet.NO_BETTER


def test_a_rewrite_brings_no_secret_and_keeps_the_user_s_own() -> None:
    document = Document("file:///a.py", "python", 1, f'SECRET_KEY = "{KEY}"\nx = 1\n')
    rewrite = Rewrite.of(document, Place(0, 0), Place(1, 5))
    assert rewrite is not None
    assert isinstance(replacement_of(rewrite, f'SECRET_KEY = "{KEY}"\nx = 2'), Replacement)
    other = f'SECRET_KEY = "{KEY}"\nOTHER_KEY_SECRET = "{KEY[::-1]}"\nx = 2'
    assert replacement_of(rewrite, other) is Reason.SECRET


async def test_why_an_edit_is_not_offered_is_counted() -> None:
    documents = DocumentStore()
    documents.open("untitled:a.py", "python", 1, "x = 1\n")
    document = documents.get("untitled:a.py")
    rewrite = Rewrite.of(document, Place(0, 0), Place(0, 5))
    assert rewrite is not None
    worker = Answering([f'SECRET_KEY = "{KEY}"', "x = 1", "x = 2"])
    edits = EditSuggestions(documents, Setup.of(DEFAULTS, worker))
    found = [await edits.rewrite(document.text, rewrite, instruction) for instruction in ("a", "b", "c")]
    assert found[:2] == [Reason.SECRET, Reason.AS_IT_IS]
    assert edits.outcomes() == {"secret": 1, "as_it_is": 1, "found": 1}


class Answering(Worker):
    """Rewrites to one text after the other."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(EngineThread(), None, load)
        self.phase = Phase.READY
        self._answers = iter(answers)

    async def rewrite(self, request: RewriteRequest) -> str:
        return next(self._answers)
