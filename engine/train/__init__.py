"""The trainer: gaps cut from code, gradients to LoRA factors over a frozen base, checkpoints."""
