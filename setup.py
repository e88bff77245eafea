"""Which packages the wheel has: `lacuna` is its only importable top level, whatever the folders here are called."""

from setuptools import find_packages, setup

setup(
    packages=[f"lacuna.{name}" for name in find_packages(include=["engine", "engine.*", "lsp_server", "lsp_server.*"])],
    package_dir={"lacuna.engine": "engine", "lacuna.lsp_server": "lsp_server"},
)
