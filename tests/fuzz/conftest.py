"""Atheris has no wheel for every Python and machine that the project runs on; setup.cfg says which."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("atheris") else ["test_*.py"]
