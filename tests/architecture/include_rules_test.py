"""The project's sources keep the include rules, and a violation planted in a small tree is found."""

import pathlib
import tempfile
import unittest

import include_check
import source_tree

HEADER = "#pragma once\n"

# Per case: the files of a tree (their CMakeLists.txt lists them), and what the one violation must say.
PLANTED = {
    "storage includes inference": (
        {
            "storage-service/storage/types/a.h": HEADER + '#include "inference/types/b.h"\n',
            "inference-service/inference/types/b.h": HEADER,
        },
        "storage-service/storage/types/a.h: includes inference-service/inference/types/b.h",
    ),
    "a lower layer includes a higher one": (
        {
            "storage-service/storage/index/a.h": HEADER + '#include "storage/engine/b.h"\n',
            "storage-service/storage/engine/b.h": HEADER,
        },
        "includes storage-service/storage/engine/b.h",
    ),
    "common includes a service": (
        {
            "common/status/a.h": HEADER + '#include "storage/types/b.h"\n',
            "storage-service/storage/types/b.h": HEADER,
        },
        "includes storage-service/storage/types/b.h",
    ),
    "a folder without a rule": ({"surprise/a.h": HEADER}, "its folder has no rule"),
    "LMDB outside its adapter": (
        {"storage-service/storage/engine/a.cc": "#include <lmdb.h>\n"},
        "LMDB belongs to storage-service/storage/record",
    ),
    "hnswlib outside its adapter": (
        {"storage-service/storage/engine/a.cc": "#include <hnswlib/hnswlib.h>\n"},
        "hnswlib belongs to",
    ),
    "CRoaring outside its adapter": (
        {"storage-service/storage/service/a.cc": '#include "roaring/roaring.hh"\n'},
        "CRoaring belongs to",
    ),
    "LibTorch outside its adapter": (
        {"inference-service/inference/pipeline/a.cc": "#include <ATen/ATen.h>\n"},
        "LibTorch belongs to",
    ),
    "libpng outside its adapter": (
        {"inference-service/inference/service/a.cc": '#include <png.h>\n'},
        "libpng belongs to",
    ),
    "cpp-httplib outside its adapter": (
        {"storage-service/storage/service/a.cc": '#include "httplib.h"\n'},
        "cpp-httplib belongs to common/http",
    ),
    "a library that leaks through the adapter's header": (
        {
            "storage-service/storage/record/a.h": HEADER + "#include <lmdb.h>\n",
            "storage-service/storage/engine/b.cc": '#include "storage/record/a.h"\n',
        },
        "storage-service/storage/engine/b.cc: reaches lmdb.h through storage-service/storage/record/a.h",
    ),
    "Protocol Buffers in the engine": (
        {"storage-service/storage/engine/a.h": HEADER + '#include "diptych/storage/v1/value.pb.h"\n'},
        "wire types stop at service/",
    ),
    "gRPC in the pipeline": (
        {"inference-service/inference/pipeline/a.h": HEADER + "#include <grpcpp/grpcpp.h>\n"},
        "wire types stop at service/",
    ),
    "no #pragma once": ({"common/status/a.h": "// A header.\nint x();\n"}, "not #pragma once"),
    "a relative include": (
        {"common/status/a.h": HEADER + '#include "../time/b.h"\n', "common/time/b.h": HEADER},
        "write the path from the include root",
    ),
    "std::string_view": ({"common/status/a.h": HEADER + "void F(std::string_view x);\n"}, "std::string_view"),
}


def plant(root: pathlib.Path, contents: dict[str, str]) -> None:
    for path, text in contents.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        with open(file.parent / "CMakeLists.txt", "a", encoding="utf-8") as cmake:
            cmake.write(f"diptych_cc_library(NAME x HDRS {file.name})\n")


class ProjectTest(unittest.TestCase):
    def test_keeps_the_rules(self):
        violations = include_check.check(source_tree.project_root())
        self.assertFalse(violations, "\n" + "\n".join(violations))

    def test_has_files_to_check(self):
        self.assertGreater(len(include_check.Tree(source_tree.project_root()).files), 20)


class PlantedViolationTest(unittest.TestCase):
    def test_each_is_found_alone(self):
        for name, (contents, expected) in PLANTED.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                plant(pathlib.Path(folder), contents)
                violations = include_check.check(pathlib.Path(folder))
                self.assertEqual(len(violations), 1, violations)
                self.assertIn(expected, violations[0])

    def test_header_without_a_target_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            plant(pathlib.Path(folder), {"common/status/a.h": HEADER})
            (pathlib.Path(folder) / "common/status/b.h").write_text(HEADER, encoding="utf-8")
            self.assertEqual(
                include_check.check(pathlib.Path(folder)), ["common/status/b.h: no CMake target lists it"]
            )

    def test_a_tree_within_the_rules_has_no_violation(self):
        with tempfile.TemporaryDirectory() as folder:
            plant(
                pathlib.Path(folder),
                {
                    "common/status/a.h": HEADER,
                    "storage-service/storage/types/b.h": HEADER + '#include "common/status/a.h"\n',
                    "storage-service/storage/record/c.h": HEADER + '#include "storage/types/b.h"\n',
                    "storage-service/storage/record/c.cc": '#include "storage/record/c.h"\n#include <lmdb.h>\n',
                    "storage-service/storage/engine/d.cc": '#include "storage/record/c.h"\n',
                    "storage-service/storage/service/e.cc": '#include "diptych/storage/v1/value.pb.h"\n',
                },
            )
            self.assertEqual(include_check.check(pathlib.Path(folder)), [])


if __name__ == "__main__":
    unittest.main()
