"""Triton kernels: a file for each operation, with its torch reference and its launcher."""
