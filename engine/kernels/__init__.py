"""Products on NVIDIA GPUs, in Triton: one operation a file, with what it computes in torch beside it."""
