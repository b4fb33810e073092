"""The reasons that errors carry are those of the table in docs/api.md, and each with the codes it has there."""

import re
import unittest

import source_tree

# A reason is the last argument of WithReason, or a constant that is.
LITERAL = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"\)')
CONSTANT = re.compile(r'constexpr char k\w+\[\] = "([A-Z]+(?:_[A-Z]+)+)";')
TABLE = re.compile(r"## Errors\n(.*?)\n## ", re.DOTALL)
ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`([A-Z_]+)`)? ?\| ", re.MULTILINE)
SERVICES = ("common/", "inference-service/", "storage-service/")
CODES = {
    "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION", "ABORTED",
    "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "DATA_LOSS", "UNIMPLEMENTED", "INTERNAL",
}


def reasons_in_code() -> set[str]:
    root = source_tree.project_root()
    found = set()
    for name in source_tree.files(root):
        if not name.startswith(SERVICES) or not name.endswith((".cc", ".h")) or name.endswith("_test.cc"):
            continue
        text = (root / name).read_text(encoding="utf-8")
        if "WithReason" in text or "ReasonOf" in text:
            found.update(LITERAL.findall(text), CONSTANT.findall(text))
    return found


class ErrorReasonsTest(unittest.TestCase):
    def setUp(self):
        guide = (source_tree.project_root() / "docs/api.md").read_text(encoding="utf-8")
        self.rows = ROW.findall(TABLE.search(guide).group(1))

    def test_the_table_has_every_code(self):
        self.assertEqual({code for code, _ in self.rows}, CODES)

    def test_the_table_and_the_code_have_the_same_reasons(self):
        documented = [reason for _, reason in self.rows if reason]
        self.assertEqual(len(documented), len(set(documented)), "a reason stands twice in the table")
        self.assertEqual(reasons_in_code(), set(documented))

    def test_finds_reasons(self):
        # So that the other tests cannot pass by finding nothing.
        self.assertLessEqual({"MODEL_MISMATCH", "STORE_FULL", "URI_NOT_ALLOWED", "WRITE_CONFLICT"}, reasons_in_code())


if __name__ == "__main__":
    unittest.main()
