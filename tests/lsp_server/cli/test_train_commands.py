"""`lacuna train` and `lacuna eval` as a user runs them, on a tiny model and a small repository."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import platformdirs
import pytest
from command import lacuna
from tiny_model import write_tiny_fim_model, write_tiny_model

from lacuna.engine.train import repository
from lacuna.engine.train.corpus import releases
from lacuna.engine.train.corpus.releases import ChangedFile

CODE = '''\
import os


def area(width, height):
    """The area of a rectangle."""
    return width * height


def volume(width, height, depth):
    """The volume of a box, from the area of its ground."""
    return area(width, height) * depth


def main():
    for width in range(3):
        for height in range(4):
            print(area(width, height), os.getcwd())


if __name__ == "__main__":
    main()
'''


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "shapes"
    root.mkdir()
    for number in range(12):
        (root / f"shape_{number}.py").write_text(CODE.replace("area", f"area_{number}"))
    (root / "secret.py").write_text(CODE + 'TOKEN = "ghp_' + "a1B2" * 9 + '"\n')
    (root / "untracked.py").write_text(CODE)
    (root / "notes.bin").write_bytes(b"\0\1\2" * 200)
    for command in (["init", "-q"], ["add", "."], ["rm", "-q", "--cached", "untracked.py"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return root


def test_a_repository_is_what_git_tracks_without_secrets(repo: Path) -> None:
    train, held_out = repository.read_repository(repo)
    assert len(train) + len(held_out) == 12
    assert held_out and not any("TOKEN" in document.text for document in (*train, *held_out))
    assert {document.language for document in train} == {"python"}


def test_no_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no git repository"):
        repository.read_repository(tmp_path)
    done = lacuna("train", "gap", "--repo", str(tmp_path))
    assert done.returncode == 1 and "no git repository" in done.stderr


def test_train_on_a_repository(repo: Path, tmp_path: Path) -> None:
    model, cache = write_tiny_model(tmp_path / "model"), tmp_path / "cache"
    done = lacuna(
        *("train", "gap", "--repo", str(repo), "--model", str(model), "--start", str(model), "--gaps", "150"),
        *("--device", "cpu"),
        LACUNA_CACHE=str(cache / "lacuna"),
    )
    assert done.returncode == 0, done.stderr
    assert "held-out text: next token right" in done.stdout
    assert "lacuna serve --adapter shapes" in done.stdout
    kept = cache / "lacuna" / "training" / "shapes"
    assert (kept / "training.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((kept / "adapter_config.json").read_text())["gap"]["trained_gaps"] >= 150
    again = lacuna(
        "train",
        "gap",
        "--name",
        "shapes",
        "--repo",
        str(repo),
        "--start",
        str(model),
        LACUNA_CACHE=str(cache / "lacuna"),
    )
    assert again.returncode == 1 and "shapes was begun already" in again.stderr


def test_train_an_adapter_for_next_edits_on_pairs_of_releases(tmp_path: Path) -> None:
    model, corpus = write_tiny_fim_model(tmp_path / "model"), tmp_path / "corpus"
    corpus.mkdir()
    after = CODE.replace("area(width, height)", "area(width, height, unit)")
    file = ChangedFile("shapes", "1", "2", "MIT", "python", "s.py", CODE, after)
    for split in ("train", "validation"):
        releases.file_of(corpus, split).write_text(f"{json.dumps(asdict(file))}\n", encoding="utf-8")
    command = ("train", "edits", "--model", str(model), "--directory", str(corpus), "--windows", "8")
    done = lacuna(*command, LACUNA_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "windows that change" in done.stdout and "the adapter is in" in done.stdout
    kept = tmp_path / "cache" / "training" / "edits"
    assert json.loads((kept / "adapter_config.json").read_text())["edits"]["trained_windows"] >= 8
    again = lacuna(*command, "--start", str(kept), LACUNA_CACHE=str(tmp_path / "cache"))
    assert again.returncode == 1 and "was begun already" in again.stderr
    missing = lacuna(*command[:4], "--directory", str(tmp_path), LACUNA_CACHE=str(tmp_path / "cache"))
    assert missing.returncode == 1 and "`lacuna corpus edits` makes it" in missing.stderr


def test_a_missing_corpus_is_said(tmp_path: Path) -> None:
    done = lacuna("train", "gap", "--directory", str(tmp_path))
    assert done.returncode == 1 and "lacuna corpus build" in done.stderr
    assert platformdirs.user_cache_path("lacuna")  # the default place is not touched


@pytest.fixture
def split(tmp_path: Path) -> Path:
    rows = [
        {"package": f"p{number}", "version": "1", "licence": "MIT", "language": "python", "path": "a.py", "text": CODE}
        for number in range(3)
    ]
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_evaluate_a_split(tmp_path: Path, split: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    done = lacuna(
        "eval", "--split", str(split), "--model", str(model), "--limit", "6", LACUNA_CACHE=str(tmp_path / "lacuna")
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    assert summary["gaps"] == 6
    assert {"eol_exact", "shown_exact", "shown_true", "quiet", "saved", "short", "kinds", "reasons"} <= set(summary)
    assert "why nothing is shown" in done.stdout


def test_evaluate_and_fit_another_adapter_on_a_base_in_the_fim_layout(tmp_path: Path, split: Path) -> None:
    base = write_tiny_fim_model(tmp_path / "base", adapter=False)
    adapter = write_tiny_fim_model(tmp_path / "adapter")
    options = ("--split", str(split), "--model", str(base), "--limit", "6")
    done = lacuna("eval", *options, "--adapter", str(adapter), LACUNA_CACHE=str(tmp_path / "lacuna"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1])["gaps"] == 6
    written = (adapter / "adapter_config.json").read_bytes()
    done = lacuna("train", "fit-confidence", str(adapter), *options, LACUNA_CACHE=str(tmp_path / "lacuna"))
    assert done.returncode == 1 and "take more gaps" in done.stderr
    assert (adapter / "adapter_config.json").read_bytes() == written


def test_run_a_benchmark_in_the_fim_layout(tmp_path: Path) -> None:
    model = write_tiny_fim_model(tmp_path / "model", adapter=False)
    task = {
        "task_id": "Double/0",
        "entry_point": "double",
        "prompt": "def double(number):\n    return number",
        "suffix": "\n",
        "canonical_solution": " * 2",
        "test": "def check(candidate):\n    assert candidate(4) == 8\n",
    }
    (tmp_path / "tasks.jsonl").write_text(json.dumps(task) + "\n")
    options = ("--benchmark", str(tmp_path / "tasks.jsonl"), "--model", str(model))
    done = lacuna("eval", *options, LACUNA_CACHE=str(tmp_path / "lacuna"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1])["tasks"] == 1


def test_a_repository_s_own_configuration_runs_nothing(repo: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = repo / "watch.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    for setting in ("core.fsmonitor", "core.pager", "core.sshCommand"):
        subprocess.run(["git", "-C", str(repo), "config", setting, str(script)], check=True)
    train, held_out = repository.read_repository(repo)
    assert len(train) + len(held_out) == 12 and not ran.exists()


def test_links_and_secrets_of_a_repository_are_not_learned_from(repo: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.py").write_text(CODE.replace("area", "OUTSIDE"))
    (repo / "linked.py").symlink_to(outside / "mine.py")
    (repo / "zero.py").symlink_to("/dev/zero")
    (repo / "secrets").mkdir()
    (repo / "secrets" / "values.json").write_text('{"OUTSIDE": 1}\n' * 50)
    (repo / "settings_local.py").write_text(CODE + "OUTSIDE_PASSWORD = 's3cr3t!pw'\n")
    (repo / "folder").mkdir()
    (repo / "folder" / "mine.py").write_text(CODE)
    subprocess.run(["git", "-C", str(repo), "add", "."], check=True)
    (repo / "folder" / "mine.py").unlink()
    (repo / "folder").rmdir()
    (repo / "folder").symlink_to(outside)  # tracked as a folder, and a link by now
    train, held_out = repository.read_repository(repo)
    assert not any("OUTSIDE" in document.text for document in (*train, *held_out))


def test_a_command_that_was_renamed_answers_to_its_old_name_and_does_not_list_it() -> None:
    listed = lacuna("train", "--help").stdout
    assert "fit-confidence" in listed and "fit-gate" not in listed
    missing = [lacuna("train", name, "no adapter", "--split", "no split") for name in ("fit-confidence", "fit-gate")]
    assert missing[0].returncode == missing[1].returncode == 1
    assert missing[0].stderr == missing[1].stderr
