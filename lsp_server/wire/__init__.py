"""Bytes in and out: LSP's framing, JSON-RPC, stdio and TCP."""
