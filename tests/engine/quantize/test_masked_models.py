"""`lacuna quantize` on masked diffusion models in the layouts of Dream and LLaDA: what is written, and for whom."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from command import lacuna
from safetensors.torch import load_file, save_file
from test_quantize import dequantized, quiet, tensors
from torch import nn
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from lacuna.engine import load
from lacuna.engine.device.runtime import Runtime
from lacuna.engine.layers import weight_files
from lacuna.engine.quantize import masked
from lacuna.engine.quantize.run import MOST_LOST, REPORT, Options, quantize
from lacuna.engine.untrusted.load_error import LoadError

KINDS = ("int4", "nvfp4", "fp8")
CODE = b"raise SystemExit('executed')\n"
HIDDEN, INNER, WORDS, PAIRS = 128, 192, 96, 64

# Of the published config.json, what says sizes.
PUBLISHED: dict[str, dict[str, Any]] = {
    "Dream": {
        "model_type": "Dream",
        "architectures": ["DreamModel"],
        "auto_map": {"AutoConfig": "configuration_dream.DreamConfig", "AutoModel": "modeling_dream.DreamModel"},
        "hidden_act": "silu",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "mask_token_id": 151666,
        "max_position_embeddings": 32768,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": 152064,
    },
    "LLaDA": {
        "model_type": "llada",
        "architectures": ["LLaDAModelLM"],
        "auto_map": {"AutoModelForCausalLM": "modeling_llada.LLaDAModelLM"},
        "activation_type": "silu",
        "block_type": "llama",
        "d_model": 4096,
        "embedding_size": 126464,
        "include_bias": False,
        "include_qkv_bias": False,
        "layer_norm_type": "rms",
        "mask_token_id": 126336,
        "max_sequence_length": 4096,
        "mlp_hidden_size": 12288,
        "multi_query_attention": None,
        "n_heads": 32,
        "n_kv_heads": 32,
        "n_layers": 32,
        "rms_norm_eps": 1e-05,
        "rope_theta": 500000.0,
        "vocab_size": 126464,
        "weight_tying": False,
    },
}
TINY: dict[str, dict[str, Any]] = {
    "Dream": {
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "vocab_size": WORDS,
    },
    "LLaDA": {
        "d_model": HIDDEN,
        "mlp_hidden_size": INNER,
        "n_heads": 4,
        "n_kv_heads": 2,
        "n_layers": 2,
        "embedding_size": WORDS,
        "vocab_size": WORDS,
    },
}
MATRICES = {  # of a layer, as its code names them
    "Dream": {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (PAIRS, HIDDEN),
        "self_attn.v_proj": (PAIRS, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    },
    "LLaDA": {
        "q_proj": (HIDDEN, HIDDEN),
        "k_proj": (PAIRS, HIDDEN),
        "v_proj": (PAIRS, HIDDEN),
        "attn_out": (HIDDEN, HIDDEN),
        "ff_proj": (INNER, HIDDEN),
        "up_proj": (INNER, HIDDEN),
        "ff_out": (HIDDEN, INNER),
    },
}
LAYER = {"Dream": "model.layers.", "LLaDA": "model.transformer.blocks."}
HEAD = {"Dream": "lm_head", "LLaDA": "model.transformer.ff_out"}


def rest(model: str) -> dict[str, tuple[int, ...]]:
    """What stays as it is."""
    if model == "LLaDA":
        outside: dict[str, tuple[int, ...]] = {"wte": (WORDS, HIDDEN), "ln_f": (HIDDEN,), "ff_out": (WORDS, HIDDEN)}
        found = {f"model.transformer.{name}.weight": shape for name, shape in outside.items()}
        return found | {
            f"{LAYER[model]}{at}.{norm}.weight": (HIDDEN,) for at in (0, 1) for norm in ("attn_norm", "ff_norm")
        }
    found = {
        "model.embed_tokens.weight": (WORDS, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (WORDS, HIDDEN),
    }
    for at in (0, 1):
        found |= {f"{LAYER[model]}{at}.{part}_layernorm.weight": (HIDDEN,) for part in ("input", "post_attention")}
        sizes = {"q": HIDDEN, "k": PAIRS, "v": PAIRS}
        found |= {f"{LAYER[model]}{at}.self_attn.{part}_proj.bias": (size,) for part, size in sizes.items()}
    return found


def matrices(model: str) -> dict[str, tuple[int, int]]:
    return {f"{LAYER[model]}{at}.{name}": shape for at in (0, 1) for name, shape in MATRICES[model].items()}


@pytest.fixture(params=PUBLISHED)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(model: str, tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(PUBLISHED[model] | TINY[model]))
    (directory / f"modeling_{model.lower()}.py").write_bytes(CODE)
    numbers = torch.Generator().manual_seed(0)
    shapes = rest(model) | {f"{name}.weight": shape for name, shape in matrices(model).items()}
    weights = {name: torch.randn(shape, generator=numbers) * 0.1 for name, shape in shapes.items()}
    save_file(weights, directory / "model.safetensors")
    return directory


@pytest.mark.parametrize("kind", KINDS)
def test_projections_are_quantized_under_their_own_names(model: str, source: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    errors = quantize(source, target, Options(kind), quiet)
    original, stored = load_file(source / "model.safetensors"), tensors(target)
    for name in rest(model):
        assert torch.equal(stored.pop(name), original[name]), name
    assert {name.rpartition(".")[0] for name in stored} == set(matrices(model))
    exact = load_file(dequantized(target, source, tmp_path / "floats") / "model.safetensors")
    lost: dict[str, list[float]] = {}
    for name in matrices(model):
        before, after = original[f"{name}.weight"], exact[f"{name}.weight"]
        squares = float((after - before).square().sum()), float(before.square().sum())
        assert 0.01 < (squares[0] / squares[1]) ** 0.5 < MOST_LOST[kind], name
        part = "self_attn" if name.endswith(("q_proj", "k_proj", "v_proj", "o_proj", "attn_out")) else "mlp"
        both = lost.setdefault(f"layers.{name.removeprefix(LAYER[model]).partition('.')[0]}.{part}", [0.0, 0.0])
        both[0], both[1] = both[0] + squares[0], both[1] + squares[1]
    assert errors == pytest.approx({part: (less / whole) ** 0.5 for part, (less, whole) in lost.items()}, rel=1e-3)


def test_code_is_copied_and_not_executed(model: str, source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "out", Options("fp8"), quiet)
    assert (tmp_path / "out" / f"modeling_{model.lower()}.py").read_bytes() == CODE
    config, before = (json.loads((place / "config.json").read_text()) for place in (tmp_path / "out", source))
    assert config.pop("quantization_config")["ignore"] == [HEAD[model]]
    assert config == before
    assert (tmp_path / "out" / REPORT).exists()


def test_without_an_auto_map_no_code_is_copied(model: str, source: Path, tmp_path: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    del config["auto_map"]
    (source / "config.json").write_text(json.dumps(config))
    quantize(source, tmp_path / "out", Options("fp8"), quiet)
    assert list((tmp_path / "out").glob("*.py")) == []


def test_what_is_said_of_whom_it_is_for(model: str, source: Path, tmp_path: Path) -> None:
    done = lacuna("quantize", str(source), str(tmp_path / "out"), "--to", "fp8")
    assert done.returncode == 0, done.stderr
    assert "Lacuna does not load such a model yet" in done.stdout
    with pytest.raises(LoadError, match=f"model_type '{PUBLISHED[model]['model_type']}' is not supported here"):
        load.load(str(tmp_path / "out"), Runtime("cpu", "float32", 1, "tests"))
    again = lacuna("quantize", str(tmp_path / "out"), str(tmp_path / "again"))
    assert again.returncode != 0 and "is quantized already" in again.stderr


@pytest.mark.parametrize(("name", "count", "weights"), [("Dream", 339, 7_615_616_512), ("LLaDA", 291, 8_015_581_184)])
def test_published_sizes(name: str, count: int, weights: int) -> None:
    """7.6 and 8.0 billion weights, as their cards say."""
    shapes = masked.config(PUBLISHED[name]).shapes()
    assert (len(shapes), sum(map(prod, shapes.values()))) == (count, weights)


def test_other_weights_are_refused_by_name(model: str, source: Path, tmp_path: Path) -> None:
    """Fused projections, say, as LLaDA's code knows them too."""
    stored = load_file(source / "model.safetensors")
    names = [name for name in matrices(model) if name.endswith(("q_proj", "k_proj", "v_proj"))]
    fused = torch.cat([stored.pop(f"{name}.weight") for name in names[:3]])
    save_file(stored | {f"{LAYER[model]}0.att_proj.weight": fused}, source / "model.safetensors")
    with pytest.raises(weight_files.WeightsError, match=r"0\.att_proj\.weight: not expected"):
        quantize(source, tmp_path / "out", Options("int4"), quiet)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["int4", "fp8"])
def test_qwen2_of_another_engine_reads_dream(tmp_path: Path, kind: str) -> None:
    """Its names are Qwen 2's: with that in config.json transformers computes what the stored weights compute."""
    pytest.importorskip("compressed_tensors", reason="`make setup` installs it")
    from compressed_tensors.quantization import disable_quantization

    torch.manual_seed(0)
    sizes = {key: value for key, value in (PUBLISHED["Dream"] | TINY["Dream"]).items() if key != "auto_map"}
    made = Qwen2ForCausalLM(Qwen2Config(**{key: value for key, value in sizes.items() if key != "model_type"})).eval()
    source, target = tmp_path / "source", tmp_path / "out"
    made.save_pretrained(source)
    (source / "config.json").write_text(json.dumps(sizes))
    quantize(source, target, Options(kind), quiet)
    exact = load_file(dequantized(target, source, tmp_path / "floats") / "model.safetensors")
    claimed = json.loads((target / "config.json").read_text())
    said = claimed | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (target / "config.json").write_text(json.dumps(said))
    theirs, ids = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval(), torch.arange(3, 43)[None]
    with torch.no_grad():
        found = theirs.apply(disable_quantization)(ids).logits
        made.load_state_dict(exact)
        expected = made(ids).logits
    assert (found - expected).abs().mean() < 1e-5 * expected.abs().mean()


def test_another_engine_takes_the_blocks_of_llada_and_not_its_head(tmp_path: Path) -> None:
    """By the names of the modules that LLaDA's code makes; its head is called as a block's last matrix is."""
    pytest.importorskip("compressed_tensors", reason="`make setup` installs it")
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config

    from lacuna.engine.quantize.recipe import LLADA

    def block() -> nn.ModuleDict:
        return nn.ModuleDict({name: nn.Linear(*shape[::-1], bias=False) for name, shape in MATRICES["LLaDA"].items()})

    outside = {"wte": nn.Embedding(WORDS, HIDDEN), "ff_out": nn.Linear(HIDDEN, WORDS, bias=False)}
    transformer = nn.ModuleDict(outside | {"blocks": nn.ModuleList([block(), block()])})
    whole = nn.ModuleDict({"model": nn.ModuleDict({"transformer": transformer})})
    apply_quantization_config(whole, QuantizationConfig(**LLADA["int4"].config()))
    taken = {name for name, module in whole.named_modules() if getattr(module, "quantization_scheme", None) is not None}
    assert taken == set(matrices("LLaDA"))
