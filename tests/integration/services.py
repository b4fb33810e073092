"""Starts the real programs for tests: both services on free loopback ports, and the command line.

    with Services(directory) as services:
        services.cli("import", folder, "--collection", "gallery")
        services.kill_storage()      # SIGKILL
        services.start_storage()     # on the same data and port

The programs are taken from the folder that DIPTYCH_BINARY_DIR names. Every wait is for an event (a health answer, the
end of a process) and is bounded.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

# Long, because a busy machine is no fault of what is tested.
START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 300


def binary(name):
    return str(pathlib.Path(os.environ["DIPTYCH_BINARY_DIR"]) / name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def admin_flags(directory):
    """Flags of storage-server that allow what it does not do unasked."""
    # Older versions know none of them.
    if "--snapshots" not in subprocess.run([binary("storage-server"), "--help"], capture_output=True, text=True).stdout:
        return []
    return ["--snapshots", str(pathlib.Path(directory) / "snapshots"), "--allow-reset"]


class Services:
    """Both services. Logs lie in the directory beside the data. `storage_flags` are given to storage-server besides;
    with `fake_inference` the vectors are those of fake-inference-server, which needs no weights."""

    def __init__(self, directory, with_inference=True, fake_inference=False, storage_flags=()):
        self.directory = pathlib.Path(directory)
        self.with_inference = with_inference
        self.fake_inference = fake_inference
        self.storage_flags = list(storage_flags)
        self.inference = f"127.0.0.1:{free_port()}"
        self.storage = f"127.0.0.1:{free_port()}"
        self.processes = {}

    def __enter__(self):
        try:
            if self.with_inference:
                self.start_inference()
            self.start_storage()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in list(self.processes):
            self.stop(name, signal.SIGKILL)

    def start_inference(self):
        flags = ["--listen", self.inference, "--http-listen", ""]
        if self.fake_inference:
            program = pathlib.Path(os.environ["DIPTYCH_BUILD_DIR"]) / "tests" / "fake-inference-server"
            self._start("inference-server", [*flags, "--model", "fake=none"], program)
        else:
            self._start("inference-server", flags)
        self._await_health("inference-server", "inference")

    def start_storage(self):
        self._start("storage-server", ["--listen", self.storage, "--http-listen", "",
                                       "--data", str(self.directory / "data"),
                                       "--inference", f"dns:///{self.inference}", *self.storage_flags])
        self._await_health("storage-server", "storage")

    def stop(self, name, how=signal.SIGTERM):
        """Ends a service and returns its exit status."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(timeout=STOP_SECONDS_MAX)

    def kill_storage(self):
        return self.stop("storage-server", signal.SIGKILL)

    def environment(self):
        return {**os.environ, "DIPTYCH_SERVER": self.storage, "DIPTYCH_INFERENCE": self.inference,
                "XDG_STATE_HOME": str(self.directory / "state"), "NO_COLOR": "1"}

    def run(self, *arguments, timeout=300):
        """Runs the command line; returns the finished process."""
        return subprocess.run([binary("diptych"), *map(str, arguments)], env=self.environment(), text=True,
                              capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def cli(self, *arguments, timeout=300):
        """Runs the command line with --json, which must succeed; returns the parsed answer."""
        done = self.run("--json", *arguments, timeout=timeout)
        if done.returncode != 0:
            raise AssertionError(f"diptych {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}\n{self.log_tail()}")
        return json.loads(done.stdout)

    def popen(self, *arguments):
        """Starts the command line and leaves it running."""
        return subprocess.Popen([binary("diptych"), *map(str, arguments)], env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def log_tail(self):
        tails = []
        for path in sorted(self.directory.glob("*.log")):
            tails.append(f"--- {path.name}\n" + "".join(path.read_text().splitlines(True)[-10:]))
        return "\n".join(tails)

    def _start(self, name, arguments, program=None):
        with open(self.directory / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen([program or binary(name), *arguments], stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL)

    def _await_health(self, name, service):
        process = self.processes[name]
        deadline = time.monotonic() + START_SECONDS_MAX
        while process.poll() is None and time.monotonic() < deadline:
            if self.run("--timeout", "10", "health", service).returncode == 0:
                return
        raise AssertionError(f"{name} did not come up\n{self.log_tail()}")
