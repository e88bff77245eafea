"""The training corpus, built from made-up packages: no network."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from filelock import FileLock

from lacuna.engine.text.languages import LANGUAGES
from lacuna.engine.train.corpus import apt, clients, licences, split
from lacuna.engine.train.corpus.benchmark_overlap import BenchmarkOverlap
from lacuna.engine.train.corpus.build import build
from lacuna.engine.train.corpus.filters import BIGGEST, SMALLEST, normalised, reason_against
from lacuna.engine.train.corpus.near_duplicates import NearDuplicates
from lacuna.engine.train.corpus.packages import open_package
from lacuna.engine.train.corpus.report import Report
from lacuna.engine.train.corpus.sources import LIST, CorpusError, Source, read_list

NAMES = {"train": "requests", "validation": "sqlalchemy", "test": "click"}  # a real package of each split


def program(seed: int, functions: int = 12) -> str:
    """Python that looks like any other, and like no other seed's."""
    words = random.Random(seed)

    def word() -> str:
        return "".join(words.choice("abcdefghijklmnopqrstuvwxyz") for _letter in range(7))

    blocks = [
        f"def {word()}({(a := word())}, {(b := word())}):\n    {(c := word())} = {a}.{word()}({b})\n    return {c}\n"
        for _function in range(functions)
    ]
    return "\n\n".join(blocks)


def wheel(files: Mapping[str, str | bytes], metadata: str = "License-Expression: MIT") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr("x-1.dist-info/METADATA", f"Metadata-Version: 2.4\nName: x\nVersion: 1\n{metadata}\n\nText\n")
        archive.writestr("x-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("x-1.dist-info/RECORD", "")
    return stream.getvalue()


def tarball(files: Mapping[str, str], kind: str = "gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{kind}") as archive:  # type: ignore[call-overload]
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def put(
    directory: Path,
    registry: str,
    name: str,
    archives: Mapping[str, bytes],
    licence: str = "MIT",
    version: str = "1",
) -> None:
    """As if fetched, and on the list."""
    source = Source(registry, name, version, licence)
    folder = clients.folder_of(source, directory / "downloads")
    folder.mkdir(parents=True)
    for file, content in archives.items():
        (folder / file).write_bytes(content)
    with (directory / "sources.tsv").open("a", encoding="utf-8") as lines:
        lines.write(f"{registry}\t{name}\t{version}\t{licence}\n")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sources.tsv").write_text("registry\tpackage\tversion\tlicence\n", encoding="utf-8")
    return tmp_path


def built(directory: Path, benchmarks: tuple[Path, ...] = ()) -> tuple[Report, dict[str, list[dict[str, str]]]]:
    report = build(directory, lambda line: None, benchmarks=benchmarks, sources=directory / "sources.tsv")
    rows = {
        name: [json.loads(line) for line in (directory / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in split.SPLITS
    }
    return report, rows


def test_a_package_goes_into_its_split_with_what_is_known_of_it(directory: Path) -> None:
    for seed, name in enumerate(NAMES.values()):
        put(directory, "pypi", name, {"x-1-py3-none-any.whl": wheel({f"{name}/a.py": program(seed), "b.txt": "no"})})
    report, rows = built(directory)
    for seed, (where, name) in enumerate(NAMES.items()):
        assert rows[where] == [
            {
                "package": name,
                "version": "1",
                "licence": "MIT",
                "language": "python",
                "path": f"{name}/a.py",
                "text": program(seed),
            }
        ]
    assert json.loads((directory / "corpus.json").read_text())["amounts"]["train"]["python"]["files"] == 1
    assert report.python_percent() == 100


def test_the_same_sources_give_the_same_bytes(directory: Path) -> None:
    for name in NAMES.values():
        files = {f"{name}/{number}.py": program(number + len(name)) for number in range(4)}
        put(directory, "pypi", name, {"x.whl": wheel(files)})
    digests = []
    for _build in range(2):
        built(directory)
        digests.append([hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in WRITTEN])
    assert digests[0] == digests[1]


WRITTEN = ("train.jsonl", "validation.jsonl", "test.jsonl", "corpus.json")


def test_a_file_near_a_held_out_one_leaves_train(directory: Path) -> None:
    text = program(1)
    put(directory, "pypi", NAMES["train"], {"x.whl": wheel({"p/a.py": text + "\nx = 1\n", "p/b.py": program(2)})})
    put(directory, "pypi", NAMES["test"], {"x.whl": wheel({"q/a.py": text})})
    report, rows = built(directory)
    assert [row["path"] for row in rows["test"]] == ["q/a.py"]
    assert [row["path"] for row in rows["train"]] == ["p/b.py"]
    assert report.dropped == {"copy": 1}


def test_a_package_with_another_licence_stays_out_and_is_named(directory: Path) -> None:
    put(directory, "pypi", "changed", {"x.whl": wheel({"a.py": program(1)}, "License-Expression: Apache-2.0")})
    put(directory, "pypi", "copyleft", {"x.whl": wheel({"a.py": program(2)}, "License: GPLv3")}, licence="GPLv3")
    report, rows = built(directory)
    assert list(report.left_out) == ["pypi changed 1", "pypi copyleft 1"]
    assert "Apache-2.0" in report.left_out["pypi changed 1"]
    assert not any(rows.values())


def test_no_package_takes_more_than_its_share(directory: Path) -> None:
    files = {f"{number}.py": program(number, functions=1_000) for number in range(12)}
    put(directory, "pypi", NAMES["train"], {"x.whl": wheel(files)})
    report, rows = built(directory)
    sizes = [len(row["text"].encode()) for row in rows["train"]]
    assert 600_000 < sum(sizes) <= 700_000
    assert report.dropped == {"over the package's share": 12 - len(sizes)}


def test_npm_packages(directory: Path) -> None:
    files = {
        "package/package.json": '{"name": "x", "license": "MIT"}',
        "package/src/a.ts": program(1),
        "package/lib/b.js": program(2),
        "package/dist/c.js": program(3),
        "package/test/d.tsx": program(4),
    }
    put(directory, "npm", NAMES["train"], {"x-1.tgz": tarball(files)})
    report, rows = built(directory)
    assert {row["path"]: row["language"] for row in rows["train"]} == {
        "lib/b.js": "javascript",
        "src/a.ts": "typescript",
        "test/d.tsx": "tsx",
    }
    assert report.dropped == {"generated": 1}


COPYRIGHT = """Format: 1.0
Upstream-Name: x

Files: *
Copyright: 2020 Somebody
License: MIT

Files: src/taken.c
       src/more/*
Copyright: 2020 Somebody else
License: GPL-2+

Files: src/more/kept.c
Copyright: 2020 A third
License: BSD-3-clause~Third

License: MIT
 Permission is hereby granted
"""


def test_debian_source_packages_have_licences_by_path(directory: Path) -> None:
    names = ("src/a.c", "src/b.h", "src/c.h", "src/taken.c", "src/more/gone.c", "src/more/kept.c")
    files = {f"x-1/{name}": program(seed) for seed, name in enumerate(names)}
    files["x-1/src/c.h"] += "\ntemplate <typename T>\nclass Box {\n"
    archives = {
        "x_1.dsc": b"",
        "x_1.orig.tar.xz": tarball(files, "xz"),
        "x_1.orig.tar.xz.asc": b"a signature",
        "x_1-1.debian.tar.xz": tarball({"debian/copyright": COPYRIGHT, "debian/rules": "all:"}, "xz"),
    }
    put(directory, "debian", NAMES["train"], archives)
    report, rows = built(directory)
    assert {row["path"]: (row["licence"], row["language"]) for row in rows["train"]} == {
        "src/a.c": ("MIT", "c"),
        "src/b.h": ("MIT", "c"),
        "src/c.h": ("MIT", "cpp"),
        "src/more/kept.c": ("BSD-3-clause~Third", "c"),
    }
    assert report.dropped == {"licence": 2}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")
def test_debian_dev_packages_have_paths_inside_the_crate(tmp_path: Path) -> None:
    root = "./usr/share/cargo/registry/x-1.0.0/"
    files = {root + "src/lib.rs": program(1), root + "build.rs": program(2)}
    files["./usr/share/doc/librust-x-dev/copyright"] = COPYRIGHT.replace("src/taken.c", "build.rs")
    control = {"./control": "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"}
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": tarball(control, "xz"), "data.tar.xz": tarball(files, "xz")}
    deb = b"!<arch>\n"
    for name, content in parts.items():
        deb += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        deb += b"\n" * (len(content) % 2)
    (tmp_path / "x.deb").write_bytes(deb)
    package = open_package("debian-dev", tmp_path)
    assert {path: package.licence_of(path) for path, _data in package.files} == {
        "src/lib.rs": "MIT",
        "build.rs": "GPL-2+",
    }


def test_pip_fetches_a_package_and_a_missing_one_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = directory / "shelf"
    shelf.mkdir()
    (shelf / "x-1-py3-none-any.whl").write_bytes(wheel({"x/a.py": program(1)}))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setattr(split, "_TEST", {"x"})
    with (directory / "sources.tsv").open("a", encoding="utf-8") as lines:
        lines.write("pypi\tx\t1\tMIT\npypi\ty\t1\tMIT\n")
    report, rows = built(directory)
    assert [row["path"] for row in rows["test"]] == ["x/a.py"]
    assert list(report.left_out) == ["pypi y 1"]
    assert "y==1" in report.left_out["pypi y 1"]
    # What was fetched stays: an interrupted build goes on without the shelf.
    shutil.rmtree(shelf)
    assert built(directory)[1] == rows


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
def test_apt_fetches_a_source_package_from_the_archives_of_the_machine(tmp_path: Path) -> None:
    shelf, etc = tmp_path / "shelf", tmp_path / "etc"
    shelf.mkdir()
    (etc / "sources.list.d").mkdir(parents=True)
    files = {"x_1.orig.tar.xz": tarball({"x-1/a.c": program(1)}, "xz"), "x_1-1.dsc": b"Format: 3.0 (quilt)\n"}
    sums = ""
    for name, content in files.items():
        (shelf / name).write_bytes(content)
        sums += f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
    (shelf / "Sources").write_text(
        f"Package: x\nFormat: 3.0 (quilt)\nVersion: 1-1\nDirectory: .\nChecksums-Sha256:\n{sums}"
    )
    (shelf / "Packages").write_text("")
    (etc / "sources.list.d" / "a.list").write_text(f"deb [trusted=yes] file:{shelf} ./\n")
    state = tmp_path / "state"
    apt.update(state, etc)
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    subprocess.run(apt.source_command(state, "x", "1-1"), cwd=fetched, check=True, capture_output=True, timeout=60)
    assert sorted(path.name for path in fetched.iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("a.py", program(1), None),
        ("tests/test_a.py", program(1), None),
        ("a.py", program(1).replace("\n", "\r\n"), None),
        ("a/_vendor/b.py", program(1), "vendored"),
        ("node_modules/b/c.js", program(1), "vendored"),
        ("a.py", "x = 1\n", "too small"),
        ("a.py", program(1, functions=5_000), "too big"),
        ("a_pb2.py", program(1), "generated"),
        ("lib/a.d.ts", program(1), "generated"),
        ("lib/a.js", program(1) + 'Object.defineProperty(exports, "__esModule", { value: true });\n', "generated"),
        ("a.py", "# Generated by the protocol buffer compiler.  DO NOT EDIT!\n" + program(1), "generated"),
        ("a.min.js", program(1), "generated"),
        ("a.js", program(1).replace("\n", ";"), "minified or data"),
        ("a.py", "TABLE = [\n" + "    0x1f, 0x2e, 0x3d,\n" * 50 + "]\n", "minified or data"),
        ("a.py", "MONTHS = {\n" + '    "january": ["jan", "jan."],\n' * 50 + "}\n", "minified or data"),
        ("a.py", program(1) + 'KEY = "AKIA' + "Z" * 16 + '"\n', "secret"),
        ("a.py", program(1) + 'TOKEN = "ghp_' + "a1" * 18 + '"\n', "secret"),
        ("a.py", program(1) + "-----BEGIN RSA PRIVATE" + " KEY-----\n" + "MIIEpAIBAAKCAQEA" * 8, "secret"),
        ("a.py", program(1) + "\0", "not UTF-8"),
    ],
)
def test_which_files_are_taken(path: str, text: str, reason: str | None) -> None:
    assert reason_against(path, normalised(text.encode())) == reason


def test_text_is_normalised() -> None:
    assert normalised(b"\xef\xbb\xbfa\r\nb\rc\n") == "a\nb\nc\n"
    assert normalised(b"\xff\xfe") is None
    assert reason_against("a.py", None) == "not UTF-8"
    assert SMALLEST < BIGGEST


def test_near_duplicates() -> None:
    kept = NearDuplicates()
    assert kept.add(program(1))
    assert not kept.add(program(1))
    assert not kept.add(program(1).replace("    ", "\t") + "\n# a comment\n")
    assert kept.add(program(2))
    assert kept.add(program(1, functions=6) + program(3, functions=18))
    assert kept.add("x")
    assert kept.add("")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def has_close_elements(numbers, threshold):\n    pass\n", "name"),
        ("function hasClose() {}  // Given a non-empty list of integers lst. Add the even elements", "opening"),
        ('"""Write a python function to find the first repeated character."""', "mention"),
        ("TASKS = load('openai_humaneval')  # HumanEval", "mention"),
        (program(1), None),
        ("def add(a, b):\n    return a + b\n", None),
    ],
)
def test_benchmark_text_by_signature(text: str, kind: str | None) -> None:
    assert BenchmarkOverlap().kind(text) == kind


def test_benchmark_text_by_runs_of_words(directory: Path) -> None:
    benchmark = directory / "tasks.jsonl.gz"
    task = {"prompt": "def p():\n    ", "canonical_solution": program(1, functions=2), "suffix": "\n", "number": 1}
    benchmark.write_bytes(gzip.compress((json.dumps(task) + "\n").encode()))
    texts = {
        "a.py": program(2) + program(1, functions=2),
        "b.py": program(3),
        "c.py": program(4) + program(1, functions=1)[:30],
    }
    put(directory, "pypi", NAMES["train"], {"x.whl": wheel(texts)})
    report, rows = built(directory, (benchmark,))
    assert [row["path"] for row in rows["train"]] == ["b.py", "c.py"]
    assert report.overlaps == {"run": ["requests 1: a.py"]}
    assert report.dropped == {"benchmark text": 1}
    assert "files with text of a benchmark, dropped: 1" in report.summary()
    assert report.benchmarks == ["tasks.jsonl.gz"]


@pytest.mark.parametrize(
    ("licence", "taken"),
    [
        ("MIT", True),
        ("Apache License, Version 2.0", True),
        ("Apache-2.0 OR GPL-2.0-only", True),
        ("Apache-2.0 AND GPL-2.0-only", False),
        ("(MIT OR GPL-3.0) AND BSD-3-Clause", True),
        ("(MIT AND GPL-3.0) OR LGPL-2.1", False),
        ("MIT/Apache-2.0", True),
        ("zlib/libpng", True),
        ("BSD-3-clause~Google", True),
        ("MPL-2.0", False),
        ("GNU Lesser General Public License v3", False),
        ("SEE LICENSE IN LICENSE", False),
        (licences.UNKNOWN, False),
        ("", False),
    ],
)
def test_which_licences_are_taken(licence: str, taken: bool) -> None:
    assert licences.permissive(licence) == taken


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: something", "MIT OR Apache-2.0"),
        ("License: BSD-2-Clause\nClassifier: License :: OSI Approved :: BSD License", "BSD-2-Clause"),
        ("Classifier: License :: OSI Approved :: ISC License (ISCL)", "ISC License"),
        (
            "License: MIT\nClassifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            "GNU General Public License v3",
        ),
        ("License: Copyright (c) 2020\n        All rights reserved", "Copyright (c) 2020"),
        ("Summary: nothing", licences.UNKNOWN),
    ],
)
def test_licence_of_a_wheel(metadata: str, licence: str) -> None:
    assert licences.of_wheel(metadata + "\n") == licence


@pytest.mark.parametrize(
    ("package", "licence"),
    [
        ({"license": "ISC"}, "ISC"),
        ({"license": {"type": "MIT", "url": "x"}}, "MIT"),
        ({"licenses": [{"type": "MIT"}, {"type": "GPL"}]}, "MIT OR GPL"),
        ({}, licences.UNKNOWN),
    ],
)
def test_licence_of_an_npm_package(package: object, licence: str) -> None:
    assert licences.of_npm(json.dumps(package)) == licence


def test_a_broken_archive_is_named(directory: Path) -> None:
    for registry, name, whole in (
        ("pypi", "x.whl", wheel({"a.py": program(1)})),
        ("npm", "x.tgz", tarball({"p/a.js": ""})),
    ):
        shutil.rmtree(directory / "downloads", ignore_errors=True)
        put(directory, registry, NAMES["train"], {name: whole[:-40]})
        with pytest.raises(CorpusError, match=rf"{name} is broken: .*\nRemove its folder"):
            built(directory)
        (directory / "sources.tsv").write_text("registry\tpackage\tversion\tlicence\n")


def test_two_builds_do_not_write_the_same_corpus(directory: Path) -> None:
    with FileLock(directory / ".lock"), pytest.raises(CorpusError, match="another process is building"):
        built(directory)


def test_an_unknown_registry_is_refused(directory: Path) -> None:
    with pytest.raises(CorpusError, match="'cpan' is no registry; there are pypi, npm"):
        build(directory, lambda line: None, only=["cpan"])


def test_a_missing_client_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "sources.tsv").write_text("registry\tpackage\tversion\tlicence\nnpm\tx\t1\tMIT\n")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CorpusError, match="fetched with npm, and it is not installed"):
        build(directory, lambda line: None, sources=directory / "sources.tsv")


def test_the_committed_list_is_permissive_and_holds_out_enough() -> None:
    sources = read_list(LIST)
    assert len({(source.registry, source.package) for source in sources}) == len(sources)
    assert [source for source in sources if not licences.permissive(source.licence)] == []
    python = [split.split_of(source.package) for source in sources if source.registry == "pypi"]
    assert python.count("validation") >= 12
    assert python.count("test") >= 12
    assert {split.split_of(name) for name in ("click", "itsdangerous", "pluggy", "rich")} == {"test"}


def test_languages_are_those_of_the_table(directory: Path) -> None:
    put(directory, "pypi", NAMES["train"], {"x.whl": wheel({"a.py": program(1), "b.pyi": program(2)})})
    _report, rows = built(directory)
    assert {row["language"] for row in rows["train"]} <= set(LANGUAGES)
