"""What a server is, and how it is asked: by at most four small requests, and one fill to see that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lacuna.engine.families.remote.connection import Connection, RemoteError, Reply, said, shown
from lacuna.engine.families.remote.dialects.chat import Chat
from lacuna.engine.families.remote.dialects.completions import Completions
from lacuna.engine.families.remote.dialects.dialect import Asked, Dialect
from lacuna.engine.families.remote.dialects.fim import Fim
from lacuna.engine.families.remote.dialects.llama_cpp import LlamaCpp
from lacuna.engine.families.remote.dialects.ollama import CONTEXT, Ollama
from lacuna.engine.families.remote.templates import PromptTemplate, template_for

# Hosts whose APIs are known: nothing is tried there with a key.
_FIM_HOSTS = {
    "api.mistral.ai": "/v1/fim/completions",
    "codestral.mistral.ai": "/v1/fim/completions",
    "api.inceptionlabs.ai": "/v1/fim/completions",
    "api.deepseek.com": "/beta/completions",
}
_CHAT_HOSTS = {"integrate.api.nvidia.com": "/v1/chat/completions"}
OWNERS = ("llamacpp", "vllm", "sglang", "lacuna")  # that servers name as the owner of their models
_LEAST = Asked("def add(a, b):\n    return ", "\n", 1)


@dataclass(frozen=True)
class Server:
    """What was found behind an address."""

    kind: str  # for people: "llama.cpp b11669", "vLLM 0.32.0"
    dialect: Dialect
    model: str = ""
    context: int = 0  # tokens; 0 where the server does not say


def detect(connection: Connection, dialect: str = "", model: str = "") -> Server:
    """`dialect` and `model`: as the user has them; "" for what is found. Raises RemoteError, which says what to do."""
    host = connection.address.host
    if dialect:
        return _named(connection, dialect, model)
    if host in _FIM_HOSTS:
        return Server(host, Fim(_wanted(model, host), _FIM_HOSTS[host]), model)
    if host in _CHAT_HOSTS:
        return Server(host, _chat(_wanted(model, host), _CHAT_HOSTS[host]), model)
    listed = _models(connection)
    owner = _text(next(iter(listed.values()), {}).get("owned_by"))
    if owner in ("llamacpp", ""):
        found = _llama_cpp(connection, model)
        if found is not None:
            return found
    if owner not in OWNERS:  # Ollama names the model's namespace
        found = _ollama(connection, model)
        if found is not None:
            return found
    if listed:
        return _openai(connection, listed, owner, model)
    raise RemoteError(f"{connection.address.url} answers, but with no API that is known: name the `engine_dialect`")


def _named(connection: Connection, dialect: str, model: str) -> Server:
    if dialect == "llama.cpp":
        return Server("llama.cpp", LlamaCpp(model), model)
    if dialect == "ollama":
        return Server("Ollama", Ollama(_wanted(model, "Ollama"), template_for(model)), model, CONTEXT)
    if dialect == "fim":
        path = _FIM_HOSTS.get(connection.address.host, Fim.path)
        return Server("fim", Fim(_wanted(model, "the server"), path), model)
    listed = _models(connection)
    name = model or next(iter(listed), "")
    context = _count(listed.get(name, {}).get("max_model_len"))
    if dialect == "chat":
        return Server("chat", _chat(name), name, context)
    template = template_for(name)
    if template is None:
        raise RemoteError(_no_template(name))
    return Server("OpenAI", Completions(name, template), name, context)


def _llama_cpp(connection: Connection, model: str) -> Server | None:
    reply = _asked(connection, "/props", model)
    settings = reply["default_generation_settings"]
    if not reply.is_ok or not isinstance(settings, dict):
        return None
    name = _text(reply["model_alias"]) or _text(reply["model_path"])
    kind = f"llama.cpp {_text(reply['build_info'])}".strip()
    context = _count(settings.get("n_ctx"))
    tried = connection.post("/infill", {**LlamaCpp(model).body(_LEAST), "stream": False})
    if tried.is_ok:
        return Server(kind, LlamaCpp(model, _proven(template_for(model, name), tried)), model or name, context)
    if tried.status == 501:  # the weights' metadata names no markers
        template = template_for(model, name)
        if template is not None:
            return Server(kind, Completions(model or name, template, False), model or name, context)
        raise RemoteError(f"{kind} has a model that was not trained to fill in the middle: serve another one")
    raise RemoteError(f"{kind} answers {tried.status} where it is to fill", tried.status, said=said(tried.values))


def _proven(template: PromptTemplate | None, tried: Reply) -> PromptTemplate | None:
    """A template whose markers stand in the prompt that the server has made: a model may have any name."""
    prompt = tried["prompt"] if isinstance(tried["prompt"], str) else ""
    is_known = template is not None and all(marker in prompt for marker in template.form_markers)
    return template if is_known else None


def _ollama(connection: Connection, model: str) -> Server | None:
    version = _text(_asked(connection, "/api/version")["version"])
    if not version:
        return None
    listed = _asked(connection, "/api/tags")["models"]
    names = [_text(one.get("name")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    chosen = model or next((name for name in names if template_for(name)), "")
    if not chosen:
        raise RemoteError(
            f"Ollama {version} has no model that fills in the middle: `ollama pull qwen2.5-coder:1.5b-base`"
        )
    template = template_for(chosen)
    if template is None and "insert" not in (connection.post("/api/show", {"model": chosen})["capabilities"] or ()):
        raise RemoteError(_no_template(chosen))
    return Server(f"Ollama {version}", Ollama(chosen, template), chosen, CONTEXT)


def _openai(connection: Connection, found: Mapping[str, Mapping[str, Any]], owner: str, model: str) -> Server:
    if model and model not in found:
        raise RemoteError(f"the server has no model {model!r}: it has {', '.join(sorted(found)[:5])}")
    name = model or next(iter(found))
    told = found[name]
    if owner == "lacuna":
        return Server("Lacuna", Fim(name), name)
    kind = {"vllm": f"vLLM {_text(_asked(connection, '/version')['version'])}".strip(), "sglang": "SGLang"}.get(owner)
    context = _count(told.get("max_model_len"))
    template = template_for(name, _text(told.get("root")))
    if template is not None:
        return Server(kind or "an OpenAI server", Completions(name, template), name, context)
    if "diffusiongemma" in f"{name} {_text(told.get('root'))}".lower().replace("-", ""):
        return Server(kind or "an OpenAI server", _chat(name), name, context)
    raise RemoteError(_no_template(name))


def _models(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """What the server says of its models, by name."""
    reply = _asked(connection, "/v1/models")
    if reply.status == 503:
        raise RemoteError("the server is still loading its model", 503)
    listed = reply["data"]
    some = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {_text(one["id"]): one for one in some if _text(one.get("id"))}


def _asked(connection: Connection, path: str, model: str = "") -> Reply:
    """Raises RemoteError where the key is not taken: nothing else is tried with it."""
    reply = connection.get(path, model)
    if reply.status in (401, 403):
        raise RemoteError("the server wants a key: name the environment variable that holds it", reply.status)
    return reply


def _chat(model: str, path: str = Chat.path) -> Chat:
    """vLLM refuses a temperature with DiffusionGemma."""
    return Chat(model, path, is_bare="diffusiongemma" in model.lower().replace("-", ""))


def _wanted(model: str, whom: str) -> str:
    if not model:
        raise RemoteError(f"{whom} serves several models: name one as `engine_model`")
    return model


def _no_template(name: str) -> str:
    return (
        f"nothing is known of how {name[:80]!r} fills in the middle: serve a model that was trained for it, or name "
        'the `engine_dialect` "chat" for one that follows instructions'
    )


def _text(found: object) -> str:
    return shown(found) if isinstance(found, str) else ""


def _count(found: object) -> int:
    return found if isinstance(found, int) and 0 < found < 10_000_000 else 0
