"""How good the fills are: gaps cut from held-out files, several methods on the same gaps, and what the confidence model
makes of them. Needs the extra `train`."""
