"""Checks a source tree against include_rules.py. Every function returns violations as lines "path: what is wrong"."""

import pathlib
import posixpath
import re

import include_rules
import source_tree

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
HEADER = (".h", ".hpp", ".cuh")
SOURCE = (".cc", ".cpp", ".cu")


class Tree:
    """The C++ files below `root` with their include lines, read once."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.all_files = source_tree.files(root)
        self.files = {
            path: (root / path).read_text(encoding="utf-8")
            for path in self.all_files
            if path.endswith(HEADER + SOURCE)
        }
        self.includes = {path: [name for _, name in INCLUDE.findall(text)] for path, text in self.files.items()}
        self._reached: dict[str, dict[str, str]] = {}

    def resolve(self, path: str, name: str) -> str | None:
        """The file of ours that `#include name` in `path` means, or None where it is not ours."""
        folders = [posixpath.dirname(path), *include_rules.INCLUDE_ROOTS]
        candidates = (posixpath.normpath(posixpath.join(folder, name)) for folder in folders)
        return next((candidate for candidate in candidates if candidate in self.files), None)

    def reached(self, path: str) -> dict[str, str]:
        """Every foreign header that `path` includes, directly or through files of ours -> the file naming it."""
        if path not in self._reached:
            found: dict[str, str] = {}
            seen = {path}
            waiting = [path]
            while waiting:
                current = waiting.pop()
                for name in self.includes[current]:
                    target = self.resolve(current, name)
                    if target is None:
                        found.setdefault(name, current)
                    elif target not in seen:
                        seen.add(target)
                        waiting.append(target)
            self._reached[path] = found
        return self._reached[path]


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def folder_rule(path: str) -> include_rules.Folder | None:
    matching = [rule for rule in include_rules.FOLDERS if _inside(path, rule.path)]
    return max(matching, key=lambda rule: len(rule.path), default=None)


def layers(tree: Tree) -> list[str]:
    violations = []
    for path in tree.files:
        rule = folder_rule(path)
        if rule is None:
            violations.append(f"{path}: its folder has no rule; add one, with its reason, to include_rules.py")
            continue
        for name in tree.includes[path]:
            target = tree.resolve(path, name)
            if target is None or any(_inside(target, folder) for folder in (rule.path, *rule.may_include)):
                continue
            violations.append(f"{path}: includes {target}, but {rule.path} {rule.reason}")
    return violations


def libraries(tree: Tree) -> list[str]:
    violations = []
    for library in include_rules.LIBRARIES:
        for path in tree.files:
            if any(_inside(path, folder) for folder in library.allowed):
                continue
            for name, via in tree.reached(path).items():
                if library.header.search(name) and (library.through_headers or via == path):
                    through = "" if via == path else f" through {via}"
                    violations.append(
                        f"{path}: reaches {name}{through}; {library.name} belongs to {library.allowed[0]}: "
                        f"{library.reason}"
                    )
    return violations


def include_form(tree: Tree) -> list[str]:
    """Headers start with #pragma once; includes of ours are full paths from the include root, in quotes."""
    violations = []
    for path, text in tree.files.items():
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL).lstrip()
        if path.endswith(HEADER) and not code.startswith("#pragma once"):
            violations.append(f"{path}: its first line of code is not #pragma once")
        for quote, name in INCLUDE.findall(text):
            if ".." in name.split("/"):
                violations.append(f"{path}: includes {name}; write the path from the include root")
            if quote == "<" and tree.resolve(path, name) not in (None, path) and "/" in name:
                violations.append(f"{path}: includes <{name}>; files of ours are included in quotes")
        if re.search(r"\bstd::string_view\b", code):
            violations.append(f"{path}: std::string_view; absl::string_view is the one that both Abseils convert to")
    return violations


def ownership(tree: Tree) -> list[str]:
    """Every header and source is listed by a target in its own folder's CMakeLists.txt or in one above it."""
    listed = set()
    for path in tree.all_files:
        if posixpath.basename(path) != "CMakeLists.txt":
            continue
        text = re.sub(r"#[^\n]*", "", (tree.root / path).read_text(encoding="utf-8"))
        for token in re.findall(r"[^\s()\"]+", text):
            token = re.sub(r"^\$\{CMAKE_CURRENT_SOURCE_DIR\}/", "", token)
            listed.add(posixpath.normpath(posixpath.join(posixpath.dirname(path), token)))
    return [f"{path}: no CMake target lists it" for path in tree.files if path not in listed]


CHECKS = (layers, libraries, include_form, ownership)


def check(root: pathlib.Path) -> list[str]:
    tree = Tree(root)
    return [violation for one in CHECKS for violation in one(tree)]
