"""The flags that the built binaries know, by their own --help."""

import functools
import os
import pathlib
import re
import subprocess


def project_root() -> pathlib.Path:
    return pathlib.Path(os.environ.get("DIPTYCH_SOURCE_DIR", pathlib.Path(__file__).parents[2]))


@functools.cache
def known_flags(binary: str) -> set[str] | None:
    """None where `binary` has not been built."""
    path = pathlib.Path(os.environ.get("DIPTYCH_BINARY_DIR", project_root() / "build/release/bin")) / binary
    if not path.exists():
        print(f"{binary} is not built: its flags are not compared")
        return None
    help_text = subprocess.run([path, "--help"], capture_output=True, text=True, check=True, timeout=110).stdout
    return set(re.findall(r"--[a-z][a-z0-9-]*", help_text))


def unknown_flags(binary: str, arguments: list[str]) -> list[str]:
    """Those of `arguments` that `binary` does not know; none where it has not been built."""
    known = known_flags(binary)
    if known is None:
        return []
    given = (argument.split("=", 1)[0] for argument in arguments)
    return [flag for flag in given if flag.startswith("--") and flag not in known]
