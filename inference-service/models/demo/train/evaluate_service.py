"""Takes the model card's figures again through the inference service, on freshly rendered held-out pictures:

    python3 evaluate_service.py --server 127.0.0.1:50051            a service that runs already
    python3 evaluate_service.py --start build/release/bin/inference-server      starts one for the occasion

Prints a table, and as its last line one JSON object. Exit status: 0 when every figure reaches its threshold,
1 when one does not or the service fails, 77 (which ctest shows as skipped) when a Python package or protoc is
missing.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

try:
    import grpc
    import numpy  # noqa: F401
    from PIL import Image  # noqa: F401

    from inference_client import InferenceClient
except ImportError as error:
    print('Skipped:', error, '(Debian: python3-grpcio, python3-protobuf, python3-numpy, python3-pil)')
    sys.exit(77)

from figures import recall, short_query_precision, zero_shot
from queries import held_out_gallery

_MODEL_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'model')
_START_TIMEOUT = 120  # seconds; a busy machine loads torch slowly
_STOP_TIMEOUT = 30
# What the project promises of its demonstration model.
_THRESHOLDS = {
    'text -> image recall@1, gallery 500': 0.98,
    'precision@1 "a red circle"': 0.95,
    'precision@1 "two hearts"': 0.95,
    'precision@1 "a striped star"': 0.95,
    'zero-shot shape': 0.98,
    'zero-shot colour': 0.99,
    'zero-shot texture': 0.96,
    'zero-shot count': 0.99,
}


def measure(client, seed):
    """The figures named in _THRESHOLDS, in its order."""

    def gallery(n, gallery_seed):
        scenes, pictures = held_out_gallery(n, gallery_seed)
        return client.embed_texts, scenes, client.embed_images(pictures)

    found = recall(*gallery(500, seed))
    short = short_query_precision(*gallery(1000, seed + 1000))
    tasks = zero_shot(*gallery(3000, seed + 2000))
    values = [found['t2i_r1']]
    values += [short[family]['p1'] for family in ('colour_shape', 'count_shape', 'texture_shape')]
    values += [tasks[task] for task in ('shape', 'colour', 'texture', 'count')]
    return dict(zip(_THRESHOLDS, values))


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started_service(binary, model_directory):
    """Starts the binary on a free loopback port; yields host:port; stops it with SIGTERM."""
    server = f'127.0.0.1:{_free_port()}'
    command = [binary, '--listen', server, '--http-listen', '', '--model', f'demo={model_directory}']
    with tempfile.TemporaryFile('w+') as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(process, server, output)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process, server, output):
    """Raises RuntimeError with the service's own words when it ends early or does not get ready in time."""
    with grpc.insecure_channel(server) as channel:
        ready = grpc.channel_ready_future(channel)
        for _ in range(_START_TIMEOUT):
            try:
                return ready.result(timeout=1)
            except grpc.FutureTimeoutError:
                if process.poll() is not None:
                    break
    output.seek(0)
    state = 'ended' if process.poll() is not None else f'was not ready after {_START_TIMEOUT} s'
    raise RuntimeError(f'the service {state}; it said:\n{output.read()[-4000:]}')


def report(figures):
    """Prints the table and the JSON line; returns whether every threshold is reached."""
    width = max(map(len, figures))
    passed = True
    for name, value in figures.items():
        reached = value >= _THRESHOLDS[name]
        passed = passed and reached
        print(
            f'{name:{width}}  {value:.4f}  at least {_THRESHOLDS[name]:.2f}  {"ok" if reached else "TOO LOW"}'
        )
    print(json.dumps(dict(passed=passed, figures=figures)))
    return passed


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--server', help='host:port of a running service')
    which.add_argument('--start', metavar='BINARY', help='inference-server to start on a free port')
    parser.add_argument('--model', default='', help="name of the model; default: the service's first")
    parser.add_argument('--model-directory', default=_MODEL_DIRECTORY, help='what --start serves')
    parser.add_argument('--seed', type=int, default=101, help='of the pictures')
    arguments = parser.parse_args()
    if not shutil.which('protoc'):
        print('Skipped: protoc is not installed (Debian: protobuf-compiler)')
        return 77
    try:
        with contextlib.ExitStack() as stack:
            server = arguments.server
            if arguments.start:
                server = stack.enter_context(started_service(arguments.start, arguments.model_directory))
            client = InferenceClient(server, arguments.model)
            stack.callback(client.close)
            if not client.is_ready(timeout=30):
                raise RuntimeError(f'nobody answers at {server}; start inference-server, or give its address')
            figures = measure(client, arguments.seed)
    except (grpc.RpcError, RuntimeError, OSError) as error:
        print('Failed:', error, file=sys.stderr)
        return 1
    return 0 if report(figures) else 1


if __name__ == '__main__':
    sys.exit(main())
