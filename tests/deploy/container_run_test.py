"""The servers run as their images run them: the Dockerfile's own command, as user 10001, without capabilities, on a
read-only root file system with a small /tmp; the Dockerfile's health check succeeds, and SIGTERM ends them with 0.

Skipped (77) where this user may not make namespaces or the programs are not built.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import container_files_test
import server_flags

START_SECONDS = 120
STOP_SECONDS = 120

# $1: what the image holds; $2...: the command. The image's files go to a file system of their own, because user 10001
# may not read every folder that a checkout lies in.
RUN = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /srv
cp -r "$1/." /srv/
install --directory --owner=10001 --group=10001 --mode=0750 /srv/data
mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
mount -o remount,bind,ro /
shift
cd /
exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


def may_unshare() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "setpriv"))) and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/srv"], capture_output=True, check=False
    ).returncode == 0 and subprocess.run(  # Where / itself is closed to other users, 10001 cannot load a library.
        ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "true"], capture_output=True, check=False
    ).returncode == 0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class ContainerRunTest(unittest.TestCase):
    def run_as_in(self, dockerfile: str, ports: list[str]):
        final = dict(container_files_test.last_stage(container_files_test.instructions(
            (server_flags.project_root() / "deploy" / dockerfile).read_text())))
        program = pathlib.Path(json.loads(final["ENTRYPOINT"])[0]).name
        binaries = pathlib.Path(os.environ["DIPTYCH_BINARY_DIR"])
        if not all((binaries / name).exists() for name in (program, "diptych")):
            self.skipTest(f"{program} or diptych is not built")
        health = json.loads(final["HEALTHCHECK"].split("CMD ", 1)[1])
        with tempfile.TemporaryDirectory() as folder:
            image = pathlib.Path(folder)
            image.chmod(0o755)
            shutil.copy(binaries / program, image)
            shutil.copytree(server_flags.project_root() / "inference-service/models/demo/model", image / "demo")
            moved = {"0.0.0.0:": "127.0.0.1:", "/usr/local/share/diptych/models/demo": "/srv/demo",
                     "/var/lib/diptych": "/srv/data", "/usr/local/bin": str(binaries)}
            moved |= {f":{port}": f":{free_port()}" for port in ports}

            def here(argument: str) -> str:
                for there, replacement in moved.items():
                    argument = argument.replace(there, replacement)
                return argument

            with open(image / "log", "wb") as log:
                server = subprocess.Popen(
                    ["unshare", "--mount", "bash", "-c", RUN, "bash", image, f"/srv/{program}",
                     *map(here, json.loads(final["CMD"]))], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                deadline = time.monotonic() + START_SECONDS
                command = [here(argument) for argument in health]
                while (checked := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
                    if server.poll() is not None or time.monotonic() > deadline:
                        self.fail(f"not healthy (exit status {server.poll()}): {checked.stderr}\n{(image / 'log').read_text()[-2000:]}")
                    time.sleep(0.1)
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(STOP_SECONDS), 0, (image / "log").read_text()[-2000:])
            finally:
                if server.poll() is None:
                    server.kill()
                    server.wait()

    def test_storage(self):
        self.run_as_in("Dockerfile.storage", ["50052", "8000"])

    def test_inference(self):
        self.run_as_in("Dockerfile.inference", ["50051", "8080"])


if __name__ == "__main__":
    built = pathlib.Path(os.environ.get("DIPTYCH_BINARY_DIR", "")) / "diptych"
    if not built.exists() or not may_unshare():
        print("skipped: needs root, namespaces and a build")
        sys.exit(77)
    unittest.main()
