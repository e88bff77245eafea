"""The machine: which device, how many threads, how much memory."""
