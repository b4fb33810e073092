"""The memory of inference-server stays flat: resident bytes after a warm-up and after many requests.

The real server with the demo model, over HTTP: texts and pictures that are new each time, so that the cache, which is
small here, evicts; what is sent again; errors; connections that are closed and opened again. Batches are small, so that
their memory does not depend on which requests happen to meet. 3,000 requests behind a warm-up; DIPTYCH_MEMORY_REQUESTS=100000
looks longer, with the same allowance.
"""

import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import unittest

from fake_inference import free_port
from pictures import png
from services import binary

REQUESTS = int(os.environ.get("DIPTYCH_MEMORY_REQUESTS", "3000"))
WARM_UP_REQUESTS = 800
CLIENTS = 4
# Some noise of the allocator; 14 KiB kept per request of the short form exceed it.
GROWTH_BYTES_MAX = 40 << 20
START_SECONDS_MAX = 200
STOP_SECONDS_MAX = 200


def picture(rng):
    return base64.b64encode(png(tuple(rng.randrange(256) for _ in range(3)))).decode()


def request(rng):
    """A path, a body and the status that it must have."""
    kind = rng.randrange(10)
    text = f"a {rng.choice(['red', 'green', 'blue'])} circle number {rng.randrange(1 << 30)}"
    if kind < 4:
        return "/vectorize", {"texts": [text]}, 200
    if kind < 6:
        return "/vectorize", {"images": [picture(rng)], "texts": [text, "a red circle"]}, 200
    if kind < 8:
        return "/v1/embeddings", {"input": [text, "data:image/png;base64," + picture(rng)],
                                  "encoding_format": "base64"}, 200
    if kind == 8:
        return "/vectorize", {"images": [base64.b64encode(rng.randbytes(2000)).decode()]}, 400
    return "/v1/embeddings", {"input": text, "model": "none"}, 404


class InferenceMemoryTest(unittest.TestCase):
    def setUp(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            [binary("inference-server"), "--listen", "127.0.0.1:0", "--http-listen", f"127.0.0.1:{self.port}",
             "--cache-bytes", "1MB", "--batch-max", "8", "--log-level", "error"], stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_WAIT_POLICY": "passive", "MALLOC_ARENA_MAX": "2"})
        self.addCleanup(self.end)
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("GET", "/.well-known/ready")
                if connection.getresponse().status == 204:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        self.fail("inference-server did not come up")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) << 10

    def send(self, seed, count):
        rng = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=200)
        for i in range(count):
            path, body, status = request(rng)
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != status:
                raise AssertionError(f"{path}: {answer.status} instead of {status}: {data[:200]}")
            if i % 50 == 49:
                connection.close()
        connection.close()

    def send_from_all_clients(self, seed, count):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(self.send, seed + client, count // CLIENTS) for client in range(CLIENTS)]:
                done.result()

    def test_memory_is_flat(self):
        self.send_from_all_clients(1000, WARM_UP_REQUESTS)
        before = self.resident_bytes()
        self.send_from_all_clients(2000, REQUESTS)
        after = self.resident_bytes()
        print(f"{REQUESTS} requests: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB after")
        self.assertLess(after - before, GROWTH_BYTES_MAX)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=STOP_SECONDS_MAX), 0)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
