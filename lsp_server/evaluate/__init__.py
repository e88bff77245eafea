"""Evaluation as a user sees it: the server's question, selection and post-processing on held-out files."""
