"""A small client of diptych.inference.v1.InferenceService, without generated stubs in the tree.

protoc writes the Python classes of the messages into a temporary folder; the call itself is made by name.
Needs Debian's python3-grpcio, python3-protobuf and protobuf-compiler.
"""

import importlib
import io
import os
import subprocess
import sys
import tempfile

import grpc
import numpy as np
from PIL import Image

_PROTO_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 4, 'proto')
_METHOD = '/diptych.inference.v1.InferenceService/Vectorize'
_INPUTS_PER_CALL = 64
_LARGEST_MESSAGE = 64 << 20


def _load_messages():
    """The Python module of inference_service.proto, compiled now."""
    files = [
        'diptych/inference/v1/inference_service.proto',
        'diptych/inference/v1/model.proto',
        'google/rpc/status.proto',
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = ['protoc', f'--proto_path={_PROTO_ROOT}', f'--python_out={folder}', *files]
        subprocess.run(command, check=True)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module('diptych.inference.v1.inference_service_pb2')
        finally:
            sys.path.remove(folder)


class InferenceClient:
    """Embeds through a running service. Blocking; one thread uses it; close() ends the connection.

    Raises grpc.RpcError when a call fails, and RuntimeError when an answer is not what the service promises.
    """

    def __init__(self, server, model=''):
        """server: host:port.  model: name of the model; empty for the service's default."""
        self._messages = _load_messages()
        self._model = model
        limits = [
            ('grpc.max_send_message_length', _LARGEST_MESSAGE),
            ('grpc.max_receive_message_length', _LARGEST_MESSAGE),
        ]
        self._channel = grpc.insecure_channel(server, options=limits)
        self._vectorize = self._channel.unary_unary(
            _METHOD,
            request_serializer=self._messages.VectorizeRequest.SerializeToString,
            response_deserializer=self._messages.VectorizeResponse.FromString,
        )

    def is_ready(self, timeout):
        """Waits up to `timeout` seconds for the connection."""
        try:
            grpc.channel_ready_future(self._channel).result(timeout)
            return True
        except grpc.FutureTimeoutError:
            return False

    def close(self):
        self._channel.close()

    def embed_texts(self, texts):
        """N strings -> float32 [N, d]."""
        return self._embed([self._messages.Input(text=text) for text in texts])

    def embed_images(self, pictures):
        """uint8 [N, height, width, 3] -> float32 [N, d]; the pictures travel as PNG."""
        return self._embed([self._messages.Input(image=_as_png(picture)) for picture in pictures])

    def _embed(self, inputs):
        rows = []
        for start in range(0, len(inputs), _INPUTS_PER_CALL):
            part = inputs[start : start + _INPUTS_PER_CALL]
            request = self._messages.VectorizeRequest(model=self._model, inputs=part)
            response = self._vectorize(request, timeout=120, wait_for_ready=True)
            if len(response.embeddings) != len(part):
                raise RuntimeError(
                    f'{len(part)} inputs were answered by {len(response.embeddings)} embeddings'
                )
            rows += [np.array(embedding.values, np.float32) for embedding in response.embeddings]
        result = np.stack(rows)
        if not response.normalized or abs(np.linalg.norm(result, axis=1) - 1).max() > 1e-3:
            raise RuntimeError('the embeddings are not of length 1')
        return result


def _as_png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'PNG')
    return buffer.getvalue()
