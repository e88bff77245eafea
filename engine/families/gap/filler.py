"""The gap family's filler: one loaded model, and a session for each of the documents used last."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from threading import Event

from torch import Tensor

from lacuna.engine.api import NEAR, Frame, Gap, Infill, Passage, Patch, Patched, Surprise
from lacuna.engine.device.memory import Memory
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.families.gap import lora
from lacuna.engine.families.gap.denoiser import GapConfig, GapDenoiser
from lacuna.engine.families.gap.edits import patcher, surprise_scorer, two_versions
from lacuna.engine.families.gap.edits.patcher import Patcher
from lacuna.engine.families.gap.edits.surprise_scorer import Scorer
from lacuna.engine.families.gap.edits.two_versions import TwoVersions
from lacuna.engine.families.gap.kv_context import PREFIX_TOKENS, SUFFIX_TOKENS, TAIL_TOKENS
from lacuna.engine.families.gap.session import CONTEXTS, Session
from lacuna.engine.families.shared.per_document import Checks, PerDocument
from lacuna.engine.layers import int4_linear, weight_files
from lacuna.engine.layers.linear import Linear
from lacuna.engine.models.llama import ROPE_POSITIONS, Layer, Llama, LlamaConfig
from lacuna.engine.store import model_store
from lacuna.engine.text.byte_bpe import Tokenizer
from lacuna.engine.untrusted import config_file
from lacuna.engine.untrusted.load_error import LoadError

ADAPTERS = Path(__file__).parents[2] / "adapters"
EMBEDDING = "model.embed_tokens.weight"
SESSIONS = 4  # documents whose KV caches are kept, 20 MB a context in bfloat16


class GapFiller:
    """Fills gaps, one at a time: it is used from one thread."""

    extent = NEAR

    def __init__(self, denoiser: GapDenoiser, tokenizer: Tokenizer, threads: int) -> None:
        """`threads`: CPU threads to use at most; 0 where the passes run elsewhere."""
        self.denoiser = denoiser
        self.tokenizer = tokenizer
        self._checks = Checks(threads)
        self._sessions = PerDocument(lambda: Session(self.denoiser, self.tokenizer), SESSIONS)
        versions = TwoVersions(denoiser, tokenizer)
        self._patcher = Patcher(denoiser, tokenizer, versions)
        self._scorer = Scorer(denoiser, tokenizer, versions)

    def infill(
        self,
        gap: Gap,
        *,
        document: str = "",
        num_candidates: int = 1,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> list[Infill]:
        """With the document's session."""
        return self._sessions.of(document).infill(gap, num_candidates, self._checks.until(stop), on_frame)

    def patch(
        self,
        patch: Patch,
        *,
        stop: Event | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
        budget: float | None = None,
    ) -> Patched:
        """Without a budget within `patcher.SECONDS`."""
        seconds = patcher.SECONDS if budget is None else budget
        return self._patcher.patch(patch, self._checks.until(stop), on_frame, seconds)

    def surprises(
        self, passage: Passage, *, stop: Event | None = None, budget: float | None = None
    ) -> tuple[Surprise, ...]:
        """Without a budget within `surprise_scorer.SECONDS`."""
        seconds = surprise_scorer.SECONDS if budget is None else budget
        return self._scorer.surprises(passage, self._checks.until(stop), seconds)

    def close(self, document: str) -> None:
        """Its KV caches are freed."""
        self._sessions.forget(document)


def load(model: str, runtime: Runtime, adapter_at: Path | None = None) -> GapFiller:
    """A base by name or directory, with its adapter, or with that of the directory `adapter_at`. Raises ModelMissing
    or LoadError."""
    directory = model_store.find(model)
    config = _config(directory)
    adapted = lora.load(adapter_at or adapter_directory(model), config)
    gap = _gap(adapted, config)
    found = weight_files.checked(
        directory, config.shapes()
    )  # first: no tokenizer is larger than the matrix of its tokens
    tokenizer = Tokenizer(directory / "tokenizer.json", config.vocab_size)
    tensors = {
        # Norms are copied, or in float32 they would keep the whole checkpoint mapped.
        name: tensor.to(runtime.device, runtime.torch_dtype, copy=tensor.dim() == 1)
        for name, tensor in found
    }
    base_layers, canvas_layers = [], []
    for number in range(config.num_hidden_layers):
        layer = {name: tensors.pop(f"model.layers.{number}.{name}.weight") for name in config.layer_shapes()}
        base_layers.append(Layer(layer, int4_linear.smallest))
        canvas_layers.append(Layer(adapted.merged(number, layer)))
    lm_head = Linear(tensors[EMBEDDING])
    if runtime.device == "cpu":
        tensors[EMBEDDING] = _mapped_again(directory, EMBEDDING).to(runtime.torch_dtype)
    base = Llama(config, base_layers, tensors[EMBEDDING], tensors["model.norm.weight"], lm_head)
    # Copied, or it would keep the whole adapter mapped, 19 MB.
    mask_embedding: Tensor = adapted.mask_embedding.to(runtime.device, runtime.torch_dtype, copy=True)
    return GapFiller(GapDenoiser(gap, base, canvas_layers, mask_embedding), tokenizer, runtime.threads)


def adapter_directory(model: str) -> Path:
    """Where a model's adapter is: with us for a model we know by name, else beside the model. Raises ModelMissing."""
    return ADAPTERS / model if model in model_store.WHEEL_MODELS else model_store.find(model)


def needed(model: str, runtime: Runtime) -> Memory:
    """What `load` and the sessions will take at most: the base may fit into 4 bits a weight (int4_linear.py). Raises
    ModelMissing, or ValueError for a config that can't be run."""
    config, size = _config(model_store.find(model)), runtime.torch_dtype.itemsize
    layers = config.num_hidden_layers * sum(map(prod, config.layer_shapes().values()))
    embedding = config.vocab_size * config.hidden_size
    # On CPU it is there twice: packed for the head's product, and as it is to look tokens up.
    heads = 2 if runtime.device == "cpu" else 1
    slots = (CONTEXTS * SESSIONS + two_versions.CONTEXTS) * (SUFFIX_TOKENS + PREFIX_TOKENS + TAIL_TOKENS)
    cache = 2 * slots * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    logits = TAIL_TOKENS * config.vocab_size * 4
    return Memory((2 * layers + heads * embedding) * size, cache * size, 2 * logits)  # logits and probabilities


def _mapped_again(directory: Path, name: str) -> Tensor:
    """A tensor in a mapping of its own: rows that are never read take no memory, although packing has read them all."""
    return next(tensor for found, tensor in weight_files.stream(directory) if found == name)


def _config(directory: Path) -> LlamaConfig:
    return LlamaConfig.from_hf(config_file.read(directory / "config.json").values)


def _gap(adapted: lora.Adapter, base: LlamaConfig) -> GapConfig:
    gap = GapConfig.from_adapter(adapted.config, base.vocab_size)
    known = min(base.max_position_embeddings, ROPE_POSITIONS)
    if known < gap.positions:
        raise LoadError.of(
            "config.json", f"max_position_embeddings is {known:,}, and with this adapter {gap.positions:,} are needed"
        )
    return gap
