"""The engine for other editors' plugins: HTTP APIs that they know."""
