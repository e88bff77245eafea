"""Families of models: how each of them fills a gap."""
