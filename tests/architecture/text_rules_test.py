"""Rules for every committed text: its length, what it may not speak of, and links that lead somewhere."""

import pathlib
import re
import tempfile
import unittest

import source_tree

MAX_LINES = 500
CODE = {".h", ".cc", ".cu", ".py", ".sh", ".cmake", ".proto"}
TEXT = CODE | {".md", ".txt", ".yaml", ".yml", ".json", ".toml", ".service", ".html", ".js", ".css", ""}

# Data in another's format, and texts that are copied as they are.
NOT_OURS = re.compile(r"(^|/)(vocab\.json|merges\.txt|tokenizer\.json|LICENSE)$|^proto/(google|grpc)/")

# Put together here, so that this file does not break its own rule.
FORBIDDEN = {
    "TO" + "DO": "what is left to do belongs in an issue",
    "FIX" + "ME": "what is left to do belongs in an issue",
    "/wo" + "rk/": "a path of one machine",
    ".." + "/shared": "a path outside the project",
}
# Continuous integration alone knows where its machines keep the outside test data.
MAY_NAME_OUTSIDE_PATHS = {".ci/run"}

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def check(root: pathlib.Path) -> list[str]:
    violations = []
    for path in source_tree.files(root):
        suffix = pathlib.PurePath(path).suffix
        if suffix not in TEXT or NOT_OURS.search(path):
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if suffix:
                violations.append(f"{path}: not UTF-8")
            continue
        lines = text.count("\n")
        if suffix in CODE and lines > MAX_LINES:
            violations.append(f"{path}: {lines} lines; split what is longer than {MAX_LINES}")
        if path not in MAY_NAME_OUTSIDE_PATHS:
            for word, reason in FORBIDDEN.items():
                if word in text:
                    line = text[: text.index(word)].count("\n") + 1
                    violations.append(f"{path}:{line}: '{word}': {reason}")
        if suffix == ".md":
            for target, _ in LINK.findall(text):
                if not re.match(r"[a-z]+:", target) and not (root / path).parent.joinpath(target).exists():
                    violations.append(f"{path}: links to {target}, which is not there")
    return violations


class ProjectTest(unittest.TestCase):
    def test_keeps_the_rules(self):
        violations = check(source_tree.project_root())
        self.assertFalse(violations, "\n" + "\n".join(violations))


class PlantedViolationTest(unittest.TestCase):
    def test_each_is_found(self):
        for name, text, expected in (
            ("a.cc", "// " + "TO" + "DO: later\n", "belongs in an issue"),
            ("a.md", "see /wo" + "rk/main\n", "a path of one machine"),
            ("a.md", "[there](missing.md#part)\n", "links to missing.md"),
            ("a.cc", "\n" * (MAX_LINES + 1), "split"),
        ):
            with self.subTest(expected), tempfile.TemporaryDirectory() as folder:
                (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")
                violations = check(pathlib.Path(folder))
                self.assertEqual(len(violations), 1, violations)
                self.assertIn(expected, violations[0])

    def test_a_good_text_has_none(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a.md").write_text("[self](a.md) [web](https://example.com)\n", encoding="utf-8")
            self.assertEqual(check(pathlib.Path(folder)), [])


if __name__ == "__main__":
    unittest.main()
