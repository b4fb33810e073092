"""Dockerfiles and compose files, as far as they can be checked without a container engine."""

import fnmatch
import json
import pathlib
import re
import sys
import unittest

import server_flags

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

ROOT = server_flags.project_root()
DOCKERFILES = sorted((ROOT / "deploy").glob("Dockerfile.*"))
INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "VOLUME", "WORKDIR",
}


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continued lines joined and comments dropped."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#[^\n]*\n", "", text, flags=re.MULTILINE))
    return [tuple(line.strip().split(None, 1)) for line in joined.splitlines() if line.strip()]


def last_stage(parsed: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return parsed[max(i for i, (word, _) in enumerate(parsed) if word == "FROM"):]


def in_build_context(path: str) -> bool:
    """Whether .dockerignore lets `path` through, by Docker's rule that the last matching line counts."""
    parts = pathlib.PurePosixPath(path).parts
    candidates = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    included = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        positive = pattern.lstrip("!").removeprefix("**/")
        if any(fnmatch.fnmatch(one if "**/" not in pattern else one.rsplit("/", 1)[-1], positive)
               and (one.count("/") == positive.count("/") or "**/" in pattern) for one in candidates):
            included = pattern.startswith("!")
    return included


class DockerfileTest(unittest.TestCase):
    def each(self):
        self.assertEqual([one.suffix for one in DOCKERFILES], [".inference", ".inference-cuda", ".storage"])
        for file in DOCKERFILES:
            with self.subTest(file.name):
                yield instructions(file.read_text())

    def test_only_known_instructions(self):
        for parsed in self.each():
            self.assertLessEqual({word for word, _ in parsed}, INSTRUCTIONS)

    def test_copied_files_are_there_and_in_the_build_context(self):
        for parsed in self.each():
            for word, arguments in parsed:
                if word != "COPY" or "--from=" in arguments:
                    continue
                for source in arguments.split()[:-1]:
                    self.assertTrue((ROOT / source).exists(), source)
                    if source != ".":
                        self.assertTrue(in_build_context(source.rstrip("/")), source)

    def test_build_context_has_what_cmake_adds(self):
        for folder in re.findall(r"^add_subdirectory\(([\w/-]+)\)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE):
            self.assertTrue(in_build_context(f"{folder}/CMakeLists.txt"), folder)
        for file in ("CMakeLists.txt", "CMakePresets.json", "cmake/CcTargets.cmake"):
            self.assertTrue(in_build_context(file), file)
        for file in ("build/release/bin/diptych", ".git/config", "k8s/README.md"):
            self.assertFalse(in_build_context(file), file)

    def test_copies_from_stages_that_exist(self):
        for parsed in self.each():
            stages = {found.group(1) for word, arguments in parsed if word == "FROM"
                      for found in [re.search(r"\bAS (\S+)", arguments)] if found}
            used = {found for word, arguments in parsed if word == "COPY"
                    for found in re.findall(r"--from=(\S+)", arguments)}
            self.assertLessEqual(used, stages)

    def test_final_stage_runs_unprivileged_and_is_watched(self):
        for parsed in self.each():
            final = last_stage(parsed)
            self.assertEqual(dict(final)["USER"], "10001:10001")
            self.assertIn("HEALTHCHECK", dict(final))
            self.assertTrue(any(word == "ENTRYPOINT" and isinstance(json.loads(arguments), list)
                                for word, arguments in final), "a shell would keep signals from the server")

    def test_no_image_is_latest(self):
        for parsed in self.each():
            for word, arguments in parsed:
                if word == "ARG" and "IMAGE=" in arguments:
                    self.assertRegex(arguments, r"IMAGE=\S+:(?!latest)\S+$")

    def test_packages_are_named_by_the_installer(self):
        known = set(re.findall(r"^    --?([a-z-]+)\)", (ROOT / "deploy/install-dependencies.sh").read_text(), re.MULTILINE))
        for parsed in self.each():
            for _, arguments in parsed:
                for option in re.findall(r"install-dependencies\.sh --([a-z-]+)", arguments):
                    self.assertIn(option, known)

    def test_flags_are_the_binaries(self):
        for parsed in self.each():
            final = dict(last_stage(parsed))
            binary = pathlib.PurePosixPath(json.loads(final["ENTRYPOINT"])[0]).name
            self.assertEqual(server_flags.unknown_flags(binary, json.loads(final["CMD"])), [])


class ComposeTest(unittest.TestCase):
    def test_services_are_hardened_limited_and_local(self):
        services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
        self.assertEqual(set(services), {"inference", "storage"})
        for name, service in services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertIn("mem_limit", service)
                self.assertIn("cpus", service)
                self.assertTrue(all(port.startswith("127.0.0.1:") for port in service["ports"]))
                self.assertTrue((ROOT / service["build"]["dockerfile"]).exists())
                self.assertFalse(service["image"].endswith(":latest"))
                self.assertEqual(server_flags.unknown_flags(f"{name}-server", service["command"]), [])

    def test_published_ports_are_the_ones_that_are_listened_on(self):
        for name, service in yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"].items():
            listened = {argument.rsplit(":", 1)[1] for argument in service["command"] if "listen=" in argument}
            self.assertEqual({port.rsplit(":", 1)[1] for port in service["ports"]}, listened, name)

    def test_the_cuda_file_changes_only_inference(self):
        services = yaml.safe_load((ROOT / "deploy/compose.cuda.yaml").read_text())["services"]
        self.assertEqual(set(services), {"inference"})
        self.assertTrue((ROOT / services["inference"]["build"]["dockerfile"]).exists())
        self.assertEqual(server_flags.unknown_flags("inference-server", services["inference"]["command"]), [])


if __name__ == "__main__":
    unittest.main()
