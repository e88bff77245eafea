"""The gap family: an autoregressive base with a LoRA adapter fills between two KV caches."""
