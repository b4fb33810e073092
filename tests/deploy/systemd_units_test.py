"""systemd reads the units without complaint, rates their exposure as low, and their flags exist."""

import configparser
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import server_flags

UNITS = sorted((server_flags.project_root() / "deploy/systemd").glob("*.service"))


class UnitsTest(unittest.TestCase):
    def test_flags_are_the_binaries(self):
        self.assertEqual(len(UNITS), 2)
        for unit in UNITS:
            parsed = configparser.ConfigParser(strict=False, interpolation=None)
            parsed.optionxform = str
            parsed.read(unit)
            program, *arguments = parsed["Service"]["ExecStart"].split()
            with self.subTest(unit.name):
                self.assertEqual(server_flags.unknown_flags(pathlib.Path(program).name, arguments), [])

    def test_systemd_understands_every_line(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed")
        with tempfile.TemporaryDirectory() as folder:
            for unit in UNITS:
                # The program need not be installed here for the unit to be right.
                text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
                (pathlib.Path(folder) / unit.name).write_text(text)
            paths = [pathlib.Path(folder) / unit.name for unit in UNITS]
            result = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *paths],
                capture_output=True, text=True, check=False, timeout=110)
            complaints = [line for line in result.stderr.splitlines() if folder in line or "diptych" in line]
            self.assertEqual(complaints, [])

    def test_exposure_is_low(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed")
        for unit in UNITS:
            with self.subTest(unit.name):
                result = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--threshold=25", unit],
                    capture_output=True, text=True, check=False, timeout=110)
                self.assertEqual(result.returncode, 0, result.stdout[-600:] + result.stderr)


if __name__ == "__main__":
    unittest.main()
