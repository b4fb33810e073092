"""Python stubs of the protos, generated as any user would, and errors with their google.rpc details decoded.

    stubs = PythonStubs(directory)       # raises Unavailable where protoc, its plugin or grpcio is missing
    search = stubs.module("diptych/storage/v1/search_service")
    recorder = stubs.recorder()          # notes which RPC ended how
    stub = stubs.stub("diptych.storage.v1.SearchService", recorder.channel("127.0.0.1:50052"))

"""

import collections
import importlib
import os
import pathlib
import shutil
import subprocess
import sys

PROTO = pathlib.Path(os.environ["DIPTYCH_SOURCE_DIR"]) / "proto"
MESSAGE_BYTES_MAX = 64 << 20


class Unavailable(Exception):
    """What the stubs need is not installed."""


class Failure:
    """A gRPC error: its code, its message, and its details by the name of their message."""

    def __init__(self, error, stubs):
        self.code = error.code().name
        self.message = error.details()
        self.details = {}
        for key, value in error.trailing_metadata() or ():
            if key != "grpc-status-details-bin":
                continue
            status = stubs.module("google/rpc/status").Status.FromString(value)
            if (status.code, status.message) != (error.code().value[0], self.message):
                raise AssertionError(f"the details speak of another error: {status}")
            self.details.update(stubs.unpacked(status.details))

    def fields(self):
        """The violated fields with their descriptions."""
        bad = self.details.get("BadRequest")
        return {violation.field: violation.description for violation in bad.field_violations} if bad else {}

    def __repr__(self):
        return f"{self.code}: {self.message} {self.details}"


class PythonStubs:
    def __init__(self, directory):
        try:
            import grpc
        except ImportError as error:
            raise Unavailable(f"python3-grpcio is not installed: {error}") from error
        self.grpc = grpc
        plugin = shutil.which("grpc_python_plugin")
        if plugin is None or shutil.which("protoc") is None:
            raise Unavailable("protoc or grpc_python_plugin is not installed")
        self.files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={directory}",
                        f"--grpc_python_out={directory}", f"--plugin=protoc-gen-grpc_python={plugin}", *self.files],
                       check=True)
        sys.path.insert(0, str(directory))
        # `google` and `grpc` are packages of others already; ours join them.
        import google
        for package in (google, grpc):
            package.__path__.append(str(pathlib.Path(directory) / package.__name__))

    def module(self, path, kind="_pb2"):
        return importlib.import_module(path.replace("/", ".") + kind)

    def services(self):
        """{full name: (path of its proto, its descriptor)} of all services."""
        found = {}
        for file in self.files:
            path = file.removesuffix(".proto")
            for descriptor in self.module(path).DESCRIPTOR.services_by_name.values():
                found[descriptor.full_name] = (path, descriptor)
        return found

    def methods(self):
        """The full names of all RPCs, as "/diptych.storage.v1.SearchService/Query"."""
        return {f"/{name}/{method.name}" for name, (_, descriptor) in self.services().items()
                for method in descriptor.methods}

    def stub(self, service, channel):
        path, descriptor = self.services()[service]
        return getattr(self.module(path, "_pb2_grpc"), descriptor.name + "Stub")(channel)

    def unpacked(self, details):
        known = self.module("google/rpc/error_details").DESCRIPTOR.message_types_by_name
        found = {}
        for detail in details:
            name = detail.TypeName().rsplit(".", 1)[-1]
            message = getattr(self.module("google/rpc/error_details"), known[name].name)()
            if not detail.Unpack(message):
                raise AssertionError(f"a detail does not parse: {detail}")
            found[name] = message
        return found

    def recorder(self):
        return recorder_class(self.grpc)()


def recorder_class(grpc):
    class Recorder(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor,
                   grpc.UnaryStreamClientInterceptor):
        """Notes how calls end: {full name of the RPC: {names of codes}}."""

        def __init__(self):
            self.codes = collections.defaultdict(set)

        def channel(self, address):
            plain = grpc.insecure_channel(address, [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)])
            return grpc.intercept_channel(plain, self)

        def intercept_unary_unary(self, continuation, details, request):
            call = continuation(details, request)
            self.codes[details.method].add(call.code().name)
            return call

        def intercept_stream_stream(self, continuation, details, requests):
            return self.noting(continuation(details, requests), details.method)

        def intercept_unary_stream(self, continuation, details, request):
            return self.noting(continuation(details, request), details.method)

        def noting(self, call, method):
            # Codes of streams are known once they have ended.
            call.add_done_callback(lambda ended: self.codes[method].add(ended.code().name))
            return call

    return Recorder
