"""The fixtures of `../../python`, for as long as these tests wait here; this file stays behind when they move."""

import importlib.util
from pathlib import Path

import support

HERE = Path(__file__).parent
SUITE = HERE.parent.parent / "python"

# `support/` here goes into `support/` there.
support.__path__.append(str(HERE / "support"))

_spec = importlib.util.spec_from_file_location("conftest_of_the_suite", SUITE / "conftest.py")
_suite = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_suite)
globals().update({name: value for name, value in vars(_suite).items() if not name.startswith("__")})
