"""Lexing without a grammar: brackets, quotes and indentation of half-typed code."""
