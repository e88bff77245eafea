"""Decoding a hole: draft tokens from masked positions, verified in the next pass, searched by beam."""
