"""The model store: fetches a model once into the user's cache, and finds it there.

A model is a directory with config.json, tokenizer.json and safetensors, and with lacuna.json, the manifest of them.
It is built in a hidden directory beside its place and renamed at the end, so what `find` finds is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from lacuna.engine.store import named_models, named_path, paths
from lacuna.engine.store.fetch import disk_space, fetch_repository, require_sha256, require_wanted, sha256
from lacuna.engine.store.named_fetch import fetch_named
from lacuna.engine.store.named_models import NamedModel
from lacuna.engine.store.progress import Report, Stage, silent
from lacuna.engine.store.pull_error import PullError
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.config_file import Fields
from lacuna.engine.untrusted.load_error import LoadError

EMBEDDED, DEFAULT_PULL = named_models.EMBEDDED, named_models.DEFAULT_PULL
NAMED_MODELS = named_models.NAMED_MODELS
NAMES = ", ".join(NAMED_MODELS)
MANIFEST = "lacuna.json"
LOOK_SECONDS = 0.2  # who waits for another pull looks so often whether it is still wanted
MANIFEST_FORMAT = 1  # raise it when the conversion changes: what was pulled before is then pulled anew


class ModelMissing(Exception):
    """A model is not in the store, or not whole; the message says what to do."""


def find(model: str) -> Path:
    """The directory of a model that was pulled, by its name, or of any model directory, by its path or that of its
    GGUF file.

    Raises ModelMissing. Checks the sizes of the files, not their contents: that is `verify`.
    """
    place = _place(model)
    if place is None:
        return _directory(model)
    if not place.exists():
        raise ModelMissing(f"the model {model} is not on this machine: run `lacuna pull {model}`")
    faults = verify(place, contents=False)
    if faults:
        raise ModelMissing(f"{place} is damaged ({'; '.join(faults)}): run `lacuna pull {model}`")
    return place


def pull(model: str = DEFAULT_PULL, report: Report = silent, stop: Event | None = None) -> Path:
    """Fetch a model into the store unless it is there already, and return its directory.

    `model` is one of NAMED_MODELS or a repository of the Hugging Face hub, as owner/name or owner/name@revision.
    `report` is told how far it is. Raises PullError, and PullStopped soon after `stop` is set; whatever happens, a
    half-made model is never left in the model's place.
    """
    place = _place(model)
    if place is None:
        raise PullError(f"{model!r} is no model name: use {NAMES}, or owner/name[@revision] of the Hugging Face hub")
    if _whole(place):
        return place
    stop = stop or Event()
    try:
        with _locked(place, report, stop):
            if not _whole(place):  # another process may just have pulled it
                _build(model, place, report, stop)
    except LoadError as error:
        raise PullError(f"the model {model} cannot be converted: {error}") from error
    except OSError as error:
        raise PullError(f"cannot write the model {model} into {place.parent}: {error}") from error
    return place


def verify(directory: Path, *, contents: bool = True) -> list[str]:
    """What is wrong with the files of a pulled model, by its manifest; empty when nothing is.

    `contents` compares SHA-256 too (a second per gigabyte or so), not only sizes.
    """
    try:
        manifest = _manifest(directory)
    except (OSError, LoadError) as error:
        return [f"{MANIFEST} cannot be read: {error}"]
    if manifest.values.get("format") != MANIFEST_FORMAT:
        return ["it was pulled by another version of Lacuna"]
    faults = []
    try:
        for name in manifest.part("files").values:
            faults += _file_faults(directory, name, manifest.part("files").part(name), contents)
    except LoadError as error:
        return [str(error)]
    return faults


def source(directory: Path) -> str | None:
    """Where a model was pulled from; None for a directory that was not pulled. Raises LoadError."""
    if not (directory / MANIFEST).exists():
        return None
    return str(_manifest(directory).values.get("source"))


def stored() -> dict[str, Path]:
    """The directories of all models that were pulled, by name; some of them may be damaged."""
    manifests = sorted(paths.models().glob(f"[!.]*/{MANIFEST}"))
    return {_name(manifest.parent): manifest.parent for manifest in manifests}


def is_stored(model: str) -> bool:
    """Whether a model was pulled, by its name; it may be damaged."""
    place = _place(model)
    return place is not None and place.exists()


def is_missing(model: str) -> bool:
    """Whether a model is not on this machine and has a name by which it could be pulled."""
    place = _place(model)
    return place is not None and not place.exists()


def _name(place: Path) -> str:
    """The model whose `_place` this is."""
    if place.name in NAMED_MODELS:
        return place.name
    owner, _, rest = place.name.partition("--")
    repository, at, revision = rest.partition("@")
    return f"{owner}/{repository}{at}{revision.replace('--', '/')}"


def _place(model: str) -> Path | None:
    """The model's directory in the store; None for what cannot be a name there."""
    if model in NAMED_MODELS:
        return paths.models() / model
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?", model):
        return paths.models() / model.replace("/", "--")
    return None


def _directory(model: str) -> Path:
    """A model directory by its path. Raises ModelMissing."""
    try:
        path = named_path.path(model)
    except ValueError as error:
        raise ModelMissing(str(error)) from error
    if path is None:
        raise ModelMissing(
            f"{model[:200]!r} is no model name: use {NAMES}, or owner/name of the Hugging Face hub; {named_path.HOW}"
        )
    if path.suffix == ".gguf" and path.is_file():
        path = path.parent
    if not path.is_dir():
        raise ModelMissing(f"there is no model directory {path}")
    if not os.path.lexists(path / "config.json"):
        beside = any(path.glob("*.gguf"))
        missing = "config.json and tokenizer.json of the original model beside its GGUF file" if beside else ""
        raise ModelMissing(
            f"{path} is not a model directory: it has no config.json{missing and f'; put the {missing}'}"
        )
    return path


def _manifest(directory: Path) -> Fields:
    return config_file.read(directory / MANIFEST)


def _file_faults(directory: Path, name: str, entry: Fields, contents: bool) -> list[str]:
    """Raises LoadError for an entry of another form than `_finish` writes."""
    size, digest = entry.integer("bytes", 0, 1 << 60), entry.values.get("sha256")
    if Path(name).name != name or not isinstance(digest, str):
        entry.refuse(f"{MANIFEST} does not say what {name[:80]!r} is")
    file = directory / name
    found = file.stat().st_size if file.is_file() else 0
    if found != size:
        return [f"{name} has {found:,} bytes instead of {size:,}"]
    if contents and file.is_file() and sha256(file) != digest:
        return [f"{name} does not have the SHA-256 it was stored with"]
    return []


def _whole(place: Path) -> bool:
    return place.exists() and not verify(place)


@contextmanager
def _locked(place: Path, report: Report, stop: Event) -> Iterator[None]:
    """One pull at a time builds a model; the lock goes with its process, however that ends. Raises PullStopped."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        report(Stage.WAITING, 0, 0)
        _wait(lock, stop)
    try:
        yield
    finally:
        lock.release()


def _wait(lock: FileLock, stop: Event) -> None:
    """Until the lock is ours. Raises PullStopped."""
    while not lock.is_locked:
        require_wanted(stop)
        with suppress(Timeout):
            lock.acquire(timeout=LOOK_SECONDS)


def _build(model: str, place: Path, report: Report, stop: Event) -> None:
    staging = place.with_name(f".pulling-{place.name}")
    if model in NAMED_MODELS:
        shutil.rmtree(staging, ignore_errors=True)
        try:
            _build_named(NAMED_MODELS[model], staging, place, report, stop)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    else:
        _build_from_repository(model, staging, place, report, stop)


def _build_named(model: NamedModel, staging: Path, place: Path, report: Report, stop: Event) -> None:
    # Here, because it imports torch, and finding a model must not.
    from lacuna.engine.store import gguf

    def stoppable(stage: Stage, done: int, total: int) -> None:
        require_wanted(stop)
        report(stage, done, total)

    download = staging / "download"
    download.mkdir(parents=True)
    with disk_space(staging, model.disk_bytes):
        file, source = fetch_named(model, download, report, stop)
        gguf.convert(file, staging, stoppable)
        shutil.rmtree(download)
        _finish(staging, place, {"source": source}, {}, stoppable)


def _build_from_repository(model: str, staging: Path, place: Path, report: Report, stop: Event) -> None:
    """What an interruption leaves in `staging` is kept: gigabytes should not be fetched twice."""
    staging.mkdir(exist_ok=True)
    repository, _, revision = model.partition("@")
    try:
        snapshot = fetch_repository(repository, revision or None, staging, MANIFEST, report, stop)
        origin = {"source": repository, "commit": snapshot.commit}
        _finish(staging, place, origin, snapshot.sha256, report)
    finally:
        if staging.exists() and not any(staging.iterdir()):
            staging.rmdir()


def _finish(staging: Path, place: Path, origin: Mapping[str, str], pinned: Mapping[str, str], report: Report) -> None:
    """Hash the files, compare with the hashes that are `pinned`, write the manifest, move `staging` to its place."""
    files = {}
    found = sorted(staging.iterdir())
    for done, file in enumerate(found, 1):
        digest = sha256(file)
        require_sha256(file, digest, pinned.get(file.name, digest))
        files[file.name] = {"bytes": file.stat().st_size, "sha256": digest}
        report(Stage.CHECKING, done, len(found))
    manifest = {"format": MANIFEST_FORMAT, **origin, "files": files}
    (staging / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if place.exists():  # it was damaged, or of another format
        shutil.rmtree(place)
    staging.rename(place)
