"""The files of a source tree, as the architecture tests see them."""

import os
import pathlib
import subprocess

SKIPPED_FOLDERS = {".git", ".quickstart", "__pycache__", "build", "node_modules"}


def project_root() -> pathlib.Path:
    return pathlib.Path(
        os.environ.get("DIPTYCH_SOURCE_DIR", pathlib.Path(__file__).parents[2])
    )


def files(root: pathlib.Path) -> list[str]:
    """Paths relative to `root` of what is or would be committed; of everything where `root` is no git checkout."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    ) if (root / ".git").exists() else None
    if listed is not None and listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        return sorted({name for name in names if name and (root / name).is_file()})
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)
