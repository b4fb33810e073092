"""Clang's thread safety analysis over every file that names a guarded member, with the build's own flags.

Skipped (77) where clang++ or compile_commands.json is missing. GCC, the reference compiler, ignores the annotations.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import source_tree

ANALYSIS = [
    "-fsyntax-only",
    "-Wno-everything",
    "-Wthread-safety",
    "-Werror=thread-safety",
    "-Wno-thread-safety-negative",
    "-Wno-unknown-warning-option",
]
DROPPED = re.compile(r"^-(W|f(stack-clash|sanitize|no-sanitize)|D_FORTIFY_SOURCE|U_FORTIFY_SOURCE|g|O)")
ANNOTATION = re.compile(r"\bABSL_(GUARDED_BY|PT_GUARDED_BY|EXCLUSIVE_LOCKS_REQUIRED|SHARED_LOCKS_REQUIRED)\b")

PLANTED = """
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
class Counter {
 public:
  void Add() { ++value_; }
 private:
  absl::Mutex mutex_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};
void Use() { Counter().Add(); }
"""


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(77)


def flags_of(entry: dict) -> list[str]:
    arguments = entry.get("arguments") or shlex.split(entry["command"])
    compiler = next(i for i, argument in enumerate(arguments) if re.search(r"(\+\+|cc|clang)(-\d+)?$", argument))
    # A launcher such as ccache comes first.
    while re.search(r"ccache$", arguments[compiler]):
        compiler += 1
    kept = []
    waiting = iter(arguments[compiler + 1 :])
    for argument in waiting:
        if argument in ("-o", "-MF", "-MT", "-MQ"):
            next(waiting)
        elif argument not in ("-c", "-MD", "-MMD", entry["file"]) and not DROPPED.match(argument):
            kept.append(argument)
    return kept


def analyse(clang: str, file: str, flags: list[str], folder: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [clang, *flags, *ANALYSIS, file], cwd=folder, capture_output=True, text=True, check=False
    )


def annotated(root: pathlib.Path, file: str) -> bool:
    """Whether the file, or the header of the same name beside it, has an annotation."""
    path = pathlib.Path(file)
    if root not in path.parents or root / "build" in path.parents:
        return False
    header = path.with_suffix(".h")
    return any(ANNOTATION.search(one.read_text(encoding="utf-8")) for one in (path, header) if one.exists())


def main() -> int:
    clang = shutil.which("clang++")
    if clang is None:
        skip("clang++ is not installed (deploy/install-dependencies.sh --lint)")
    root = source_tree.project_root().resolve()
    database = pathlib.Path(os.environ.get("DIPTYCH_BUILD_DIR", root / "build/release")) / "compile_commands.json"
    if not database.exists():
        skip(f"{database} is missing; configure with CMake first")
    entries = [entry for entry in json.loads(database.read_text()) if annotated(root, entry["file"])]

    with tempfile.TemporaryDirectory() as folder:
        planted = pathlib.Path(folder) / "planted.cc"
        planted.write_text(PLANTED)
        result = analyse(clang, str(planted), ["-std=gnu++20"], folder)
        if "requires holding mutex 'mutex_'" not in result.stderr:
            print(f"a planted race was not found:\n{result.stderr}")
            return 1

    failed = 0
    for entry in entries:
        result = analyse(clang, entry["file"], flags_of(entry), entry["directory"])
        if result.returncode != 0:
            failed += 1
            print(result.stderr)
    print(f"{len(entries)} files analysed, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
