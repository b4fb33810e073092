"""fake-inference-server for tests of its HTTP port: two models, "fake" and "group/other", that need no weights."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

# Long, because a busy machine is no fault of what is tested.
START_SECONDS_MAX = 200


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class FakeInference:
    """The server on free ports, its log in the file `log`; `status` is its exit status behind the with statement."""

    def __init__(self, *flags, log=subprocess.DEVNULL):
        self.flags = flags
        self.log = log

    def __enter__(self):
        program = pathlib.Path(os.environ["DIPTYCH_BUILD_DIR"]) / "tests" / "fake-inference-server"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--http-listen", f"127.0.0.1:{self.port}",
             "--model", "fake=none", "--model", "group/other=none", *self.flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if urllib.request.urlopen(self.url + "/.well-known/ready", timeout=10).status == 204:
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        self.__exit__()
        raise AssertionError("fake-inference-server did not come up")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(timeout=START_SECONDS_MAX)
