"""An edits adapter of a tiny model: what it is trained on is what it is asked, and what it has learned it offers."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp
from pathlib import Path
from threading import Event

import pytest
import torch
from safetensors.torch import save_file
from tiny_edits import write_tiny_edits_model
from tiny_model import write_tiny_fim_model, write_tiny_model
from torch.nn import functional

from lacuna.engine.api import Gap, Stopped
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.diff_api import WINDOW_LINES, DiffQuestion, Hunk
from lacuna.engine.families.gap import loading, lora
from lacuna.engine.families.gap.decoding.tree_attention import DraftTree
from lacuna.engine.families.gap.edits import edit_prompt, edit_writer
from lacuna.engine.families.gap.edits.edit_prompt import MOST_TOKENS, OPENED_TOKENS, TOLD_TOKENS, EditWindow
from lacuna.engine.families.gap.filler import GapFiller
from lacuna.engine.families.gap.kv_context import FIM_PREFIX_TOKENS, TAIL_TOKENS
from lacuna.engine.families.gap.loading import EDITS
from lacuna.engine.layers import weight_files
from lacuna.engine.train import frozen
from lacuna.engine.train.corpus.releases import ChangedFile
from lacuna.engine.train.edits import edit_batch, edit_lesson, histories, lesson_windows
from lacuna.engine.train.edits.edit_run import EditRun, adapted
from lacuna.engine.train.edits.lesson_windows import Lesson, Wanted
from lacuna.engine.train.fim_pass import FimPass
from lacuna.engine.train.lora import Lora
from lacuna.engine.train.run import Budget
from lacuna.engine.train.trainer import TrainConfig
from lacuna.engine.untrusted.load_error import LoadError

RUNTIME = Runtime("cpu", "float32", 1, "tests")
HUNK = Hunk(1, (), ("old = 1\n",), ("new = 1\n",))
LINES = ("a = 2\n", "b = old\n", "c = 3\n")
QUESTION = DiffQuestion("a.py", (HUNK,), 2, (), LINES)
REPLACED = Lesson(QUESTION, Wanted(1, 2, ("b = new\n",)))
PUT_IN = Lesson(QUESTION, Wanted(2, 2, ("d = new\n", "e = 4\n")))
STAYS = Lesson(DiffQuestion("a.py", (HUNK,), 5, ("\n",), ("x = 1\n", "y = 2\n")), None)


def text_of(batch: edit_batch.EditBatch, base: frozen.Frozen, run: int) -> str:
    return base.tokenizer.decode(batch.tokens[batch.runs == run].tolist()).decode()


@pytest.fixture
def base(tmp_path: Path) -> frozen.Frozen:
    return frozen.load(str(write_tiny_fim_model(tmp_path / "model")), RUNTIME, reads=False)


def test_the_loss_pulls_less_where_nothing_could_be_foreseen() -> None:
    probabilities = torch.tensor([0.9, 0.5, 1e-4], requires_grad=True)
    loss = edit_lesson.robust(-probabilities.log())
    q = edit_lesson.DOUBT
    torch.testing.assert_close(loss, (1 - probabilities**q) / q)
    loss.sum().backward()
    assert probabilities.grad is not None
    pull = -probabilities.grad * probabilities.detach()  # of a logit; cross-entropy has 1 everywhere
    torch.testing.assert_close(pull, probabilities.detach() ** q)


def test_what_is_learned_of_a_window(base: frozen.Frozen) -> None:
    batch = edit_batch.batch([REPLACED, PUT_IN, STAYS], base.tokenizer)
    assert batch is not None and len(batch.rows.runs) == 3
    read = base.tokenizer.decode(batch.rows.prefix.tolist()).decode()
    assert read + "\n" == ("diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,1 @@\n-old = 1\n+new = 1\n"), (
        "its last token begins every run"
    )
    window = "\n@@ -2,3 +2,3 @@\n-a = 2\n-b = old\n-c = 3\n"
    wanted = ["+a = 2\n+b = new\n+c = 3\n@", "+a = 2\n+b = old\n+d = new\n+e = 4\n+c = 3\n@", "+x = 1\n+y = 2\n@"]
    whole = [base.tokenizer.decode(list(run.ids)).decode() for run in batch.rows.runs]
    heads = [window, window, "\n@@ -5,3 +5,3 @@\n \n-x = 1\n-y = 2\n"]
    assert whole == [head + lines for head, lines in zip(heads, wanted, strict=True)]
    assert [text_of(batch, base, run) for run in range(3)] == wanted, (
        "bytes are this model's tokens: one of two ends it"
    )
    assert batch.changes.tolist() == [True, True, False]
    rows = [token for run in batch.rows.runs for token in run.ids]
    assert [rows[row + 1] for row in batch.learned.tolist()] == batch.tokens.tolist()


def test_what_does_not_fit_is_left_out(base: frozen.Frozen) -> None:
    long = Lesson(QUESTION, Wanted(1, 2, ("b" * 300 + "\n",)))
    assert edit_batch.batch([long], base.tokenizer) is None
    beyond = Lesson(DiffQuestion("a.py", (HUNK,), 2, (), ("x" * 120 + "\n", "b = old\n")), Wanted(1, 2, ("b\n",)))
    assert edit_batch.batch([beyond], base.tokenizer) is None, "the window ends before the line"
    untold = DiffQuestion("a.py", (Hunk(1, (), ("x" * 400 + "\n",), ("y\n",)),), 2, (), LINES)
    assert edit_batch.batch([Lesson(untold, None)], base.tokenizer) is None


def copied(filler: GapFiller, question: DiffQuestion) -> float:
    """Log probability that the lines of a question stay as they are."""
    assert filler.edits is not None
    context, window = filler.edits.denoiser.context(), EditWindow.of(question, filler.tokenizer)
    assert window is not None
    context.prefill_prefix([*window.told, *window.opened], lambda: None)
    [rows] = filler.edits.denoiser.score(context, DraftTree([window.copied[:-1]]))
    return sum(float(row[token]) for row, token in zip(rows, window.copied, strict=True))


@torch.no_grad()
def test_the_trained_pass_is_the_one_that_is_asked(tmp_path: Path) -> None:
    """Factors beside merged weights, as the engine has them, and merged, as training has them."""
    model = write_tiny_edits_model(tmp_path / "model")
    base = frozen.load(str(model), RUNTIME, reads=False)
    begun = lora.load(model / EDITS, base.decoder.config, str(model), {})
    factors = Lora(adapted(base, str(model), RUNTIME), begun.config["r"], begun.config["lora_alpha"], begun, {})
    factors.merge()
    batch = edit_batch.batch([REPLACED, STAYS], base.tokenizer)
    assert batch is not None
    rows = functional.linear(FimPass(base, factors)(batch.rows)[batch.learned], base.head).log_softmax(-1)
    filler = loading.load(str(model), RUNTIME)
    assert filler.edits is not None
    learned = rows.gather(1, batch.tokens[:, None])[:, 0]
    for number, lesson in enumerate((REPLACED, STAYS)):
        if lesson.wanted is None:
            expected = float(learned[batch.runs == number].sum())
            assert copied(filler, lesson.question) == pytest.approx(expected, abs=1e-3)


FIRST = tuple(f"{name} = {number}\n" for number, name in enumerate("abcdefgh"))
BEFORE = "".join(FIRST) + "p = stale\nq = 7\nr = stale\ns = 8\n"
FILE = ChangedFile("tiny", "1", "2", "MIT", "python", "a.py", BEFORE, BEFORE.replace("stale", "fresh"))


def one_by_one(filler: GapFiller, question: DiffQuestion, lines: tuple[str, ...]) -> float:
    """The probability of lines, of which every token is the likeliest one, without drafts."""
    assert filler.edits is not None
    context, window = filler.edits.denoiser.context(), EditWindow.of(question, filler.tokenizer)
    assert window is not None
    read, score = [*window.told, *window.opened], 0.0
    for token in edit_prompt.written(lines, filler.tokenizer):
        context.prefill_prefix(read, lambda: None)
        row = context.next_log_probabilities[0]
        assert int(row.argmax()) == token
        score += float(row[token])
        read.append(token)
    return exp(score)


def test_what_was_learned_is_offered_and_what_fills_gaps_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "MADE_UP", 0.0)
    monkeypatch.setattr(histories, "ANY", 0.0)
    monkeypatch.setattr(lesson_windows, "LEAST_LINES", WINDOW_LINES)
    model = write_tiny_fim_model(tmp_path / "model")
    before = loading.load(str(model), RUNTIME)
    assert not before.knows_edits
    config = TrainConfig(windows_per_step=1, warmup_steps=20, learning_rate=3e-3, decay=True)
    run = EditRun(str(model), [FILE], tmp_path / "run", config, threads=1)
    first = run.measure([FILE], 8)
    for _step in run.steps(Budget(gaps=1800)):
        pass
    last = run.measure([FILE], 8)
    assert (last.changed_right, last.kept_right) == (1.0, 1.0)
    assert last.changed < first.changed / 2 and last.kept < first.kept / 2
    (tmp_path / "run").rename(model / EDITS)
    after = loading.load(str(model), RUNTIME)
    assert after.knows_edits
    told = Hunk(6, FIRST[-3:], ("p = stale\n",), ("p = fresh\n",))
    question = DiffQuestion("a.py", (told,), 10, (), ("q = 7\n", "r = stale\n", "s = 8\n"))
    edit = after.next_edit(question, budget=60.0)
    assert edit is not None and (edit.start, edit.end, edit.lines) == (1, 2, ("r = fresh\n",))
    assert edit.probability == pytest.approx(one_by_one(after, question, ("q = 7\n", *edit.lines, "s = 8\n")), rel=1e-3)
    stays = DiffQuestion("a.py", (told,), 1, (), FIRST)
    assert after.next_edit(stays, budget=60.0) is None
    assert after.next_edit(question, budget=0.0) is None
    assert after.next_edit(question, least=edit.probability * 0.99, budget=60.0) == edit
    assert after.next_edit(question, least=edit.probability * 1.01, budget=60.0) is None
    gap = Gap("x = (1, 2\n", "y = 3\n", max_tokens=12)
    assert [fill.text for fill in after.infill(gap)] == [fill.text for fill in before.infill(gap)]


def test_an_adapter_for_another_base_is_refused(tmp_path: Path) -> None:
    model = write_tiny_edits_model(tmp_path / "model")
    (model / EDITS / lora.FILE).write_bytes((model / lora.FILE).read_bytes())
    with pytest.raises(LoadError, match="was made for"):
        loading.load(str(model), RUNTIME)


def test_an_adapter_for_some_of_the_matrices_is_refused(tmp_path: Path) -> None:
    model = write_tiny_edits_model(tmp_path / "model")
    words = json.loads((model / EDITS / lora.CONFIG).read_text(encoding="utf-8"))
    some = {name: tensor for name, tensor in weight_files.stream(model / EDITS / lora.FILE) if "q_proj" in name}
    (model / EDITS / lora.CONFIG).write_text(json.dumps({**words, "target_modules": ["q_proj"]}), encoding="utf-8")
    save_file({name: tensor.clone() for name, tensor in some.items()}, model / EDITS / lora.FILE)
    with pytest.raises(LoadError, match="not for all matrices"):
        loading.load(str(model), RUNTIME)


def test_what_is_read_is_bounded_whatever_is_asked(tmp_path: Path) -> None:
    """By random factors all of it is written anew, up to where it is given up."""
    assert TOLD_TOKENS + OPENED_TOKENS + edit_writer.MOST_TOKENS <= FIM_PREFIX_TOKENS
    assert OPENED_TOKENS + MOST_TOKENS + WINDOW_LINES + 1 <= TAIL_TOKENS, (
        "a line that comes is no longer than one that goes"
    )
    filler = loading.load(str(write_tiny_edits_model(tmp_path / "model")), RUNTIME)
    lines = tuple("x" * 12 + f"{at}\n" for at in range(8))
    told = Hunk(1, ("a" * 90 + "\n",), ("b" * 90 + "\n",), ("c" * 90 + "\n",))
    for path, above in (("p.py", ()), ("p" * 40 + ".py", ("y" * 20 + "\n",)), ("p.py", ("y" * 280 + "\n",) * 2)):
        question = DiffQuestion(path, (told,), 2, above, lines, elsewhere="q/r.py")
        filler.next_edit(question, budget=60.0)
    long = replace(QUESTION, lines=("z" * 2000 + "\n",))
    assert filler.next_edit(long, budget=60.0) is None
    assert filler.next_edit(replace(QUESTION, hunks=()), budget=60.0) is None


def test_a_stop_ends_it_and_does_no_harm(tmp_path: Path) -> None:
    filler, stop = loading.load(str(write_tiny_edits_model(tmp_path / "model")), RUNTIME), Event()
    stop.set()
    with pytest.raises(Stopped):
        filler.next_edit(QUESTION, stop=stop)
    again = loading.load(str(tmp_path / "model"), RUNTIME)
    assert filler.next_edit(QUESTION, budget=60.0) == again.next_edit(QUESTION, budget=60.0)


def test_a_base_that_is_not_in_the_fim_layout_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    with pytest.raises(ValueError, match="FIM layout alone"):
        EditRun(str(model), [FILE], tmp_path / "run", TrainConfig(), threads=1)
