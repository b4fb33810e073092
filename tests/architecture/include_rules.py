"""Who may include whom: the project's layers and adapters as data, each rule with its reason."""

import dataclasses
import re

# Every project folder with C++ in it has a rule here; the longest matching path counts.


@dataclasses.dataclass(frozen=True)
class Folder:
    path: str
    may_include: tuple[str, ...]  # Folders, with all below them; a folder may always include itself.
    reason: str


FOLDERS = (
    Folder("common", (), "knows neither service, so that both can build on it"),
    Folder("storage-service/storage/types", ("common",), "plain values that every layer above speaks"),
    Folder("storage-service/storage/file_error", ("common",), "what a failed system call means, the same everywhere"),
    Folder(
        "storage-service/storage/section_file",
        ("storage-service/storage/file_error", "common"),
        "checksummed files of whatever is derived; what is in them is not its business",
    ),
    Folder(
        "storage-service/storage/filter",
        (
            "storage-service/storage/index",
            "storage-service/storage/section_file",
            "storage-service/storage/types",
            "common",
        ),
        "a filter becomes the set of slots that an index searches; it knows no record store",
    ),
    Folder(
        "storage-service/storage/record",
        ("storage-service/storage/file_error", "storage-service/storage/types", "common"),
        "the truth does not depend on what is derived from it",
    ),
    Folder(
        "storage-service/storage/index",
        ("storage-service/storage/section_file", "storage-service/storage/types", "common"),
        "an index can be rebuilt from any record store, so it knows none",
    ),
    Folder(
        "storage-service/storage/keyword",
        (
            "storage-service/storage/index",
            "storage-service/storage/section_file",
            "storage-service/storage/types",
            "common",
        ),
        "finds slots by words; like every index it can be made anew from the records, so it knows no record store",
    ),
    Folder(
        "storage-service/storage/engine",
        (
            "storage-service/storage/file_error",
            "storage-service/storage/filter",
            "storage-service/storage/index",
            "storage-service/storage/keyword",
            "storage-service/storage/record",
            "storage-service/storage/section_file",
            "storage-service/storage/types",
            "common",
        ),
        "joins records, indexes and filters; knows no wire format and no other process",
    ),
    Folder(
        "storage-service/storage/service",
        (
            "storage-service/storage/engine",
            "storage-service/storage/filter",
            "storage-service/storage/thumbnail",
            "storage-service/storage/types",
            "common",
        ),
        "validates, converts, calls the engine: how records and indexes are kept is the engine's business",
    ),
    Folder(
        "storage-service/storage/inference_client",
        ("storage-service/storage/engine", "storage-service/storage/types", "common"),
        "implements the engine's Vectorizer; what it is used for is not its business",
    ),
    Folder(
        "storage-service/storage/uri",
        ("storage-service/storage/engine", "storage-service/storage/types", "common"),
        "implements the engine's UriLoader; what is made of the bytes is not its business",
    ),
    Folder(
        "storage-service/storage/thumbnail",
        ("common",),
        "makes small pictures of bytes; whose they are is not its business",
    ),
    Folder("storage-service/main.cc", ("storage-service", "common"), "the one file that knows every concrete class"),
    Folder("inference-service/inference/types", ("common",), "plain values that every layer above speaks"),
    Folder(
        "inference-service/inference/text",
        ("inference-service/inference/types", "common"),
        "tokenisers are tested without any model",
    ),
    Folder(
        "inference-service/inference/image",
        ("inference-service/inference/types", "common"),
        "decoding and preprocessing are tested without any model",
    ),
    Folder(
        "inference-service/inference/weights",
        ("common",),
        "formats of weight files are read and fuzzed without any model",
    ),
    Folder(
        "inference-service/inference/model",
        (
            "inference-service/inference/image",
            "inference-service/inference/text",
            "inference-service/inference/types",
            "inference-service/inference/weights",
            "common",
        ),
        "a model brings its tokeniser and its preprocessing, and knows nothing of queues",
    ),
    Folder(
        "inference-service/inference/kernels",
        ("inference-service/inference/types", "common"),
        "arithmetic on rows of floats; what they mean is the towers' business",
    ),
    Folder(
        "inference-service/inference/torch",
        (
            "inference-service/inference/image",
            "inference-service/inference/kernels",
            "inference-service/inference/model",
            "inference-service/inference/text",
            "inference-service/inference/types",
            "inference-service/inference/weights",
            "common",
        ),
        "one implementation of the model interfaces; only main.cc chooses it",
    ),
    Folder(
        "inference-service/inference/batching",
        ("inference-service/inference/model", "inference-service/inference/types", "common"),
        "batches for any Encoder",
    ),
    Folder(
        "inference-service/inference/pipeline",
        (
            "inference-service/inference/batching",
            "inference-service/inference/image",
            "inference-service/inference/model",
            "inference-service/inference/text",
            "inference-service/inference/types",
            "common",
        ),
        "from a decoded request to its embedding; knows no wire format",
    ),
    Folder(
        "inference-service/inference/service",
        (
            "inference-service/inference/model",
            "inference-service/inference/pipeline",
            "inference-service/inference/types",
            "common",
        ),
        "validates, converts, calls the pipeline",
    ),
    Folder(
        "inference-service/inference/http",
        (
            "inference-service/inference/model",
            "inference-service/inference/pipeline",
            "inference-service/inference/types",
            "common",
        ),
        "the other way in, in the shapes of other services; knows no gRPC",
    ),
    Folder(
        "inference-service/inference/selftest",
        (
            "inference-service/inference/image",
            "inference-service/inference/model",
            "inference-service/inference/text",
            "inference-service/inference/types",
            "common",
        ),
        "compares a model with what was published about it; serves nobody",
    ),
    Folder(
        "inference-service/inference/server",
        (
            "inference-service/inference/http",
            "inference-service/inference/image",
            "inference-service/inference/model",
            "inference-service/inference/pipeline",
            "inference-service/inference/selftest",
            "inference-service/inference/service",
            "inference-service/inference/types",
            "common",
        ),
        "serves whatever models it is given: main.cc brings LibTorch's, tests bring fakes",
    ),
    Folder(
        "inference-service/main.cc", ("inference-service", "common"), "the one file that knows every concrete class"
    ),
    Folder("clients", ("common",), "a client speaks to the services over the wire alone"),
    Folder("tests", ("clients", "common", "inference-service", "storage-service"), "tests see everything"),
)


# A library that one adapter includes. Outside `allowed`, no file may reach it, as a rule not even through a header of
# ours.


@dataclasses.dataclass(frozen=True)
class Library:
    name: str
    header: re.Pattern[str]
    allowed: tuple[str, ...]  # Folders or files.
    reason: str
    through_headers: bool = True  # Whether reaching it through a header of ours counts too.


LIBRARIES = (
    Library(
        "LMDB",
        re.compile(r"^lmdb\.h$"),
        ("storage-service/storage/record",),
        "its return codes become absl::Status in one place",
    ),
    Library(
        "libcurl",
        re.compile(r"^curl/"),
        ("storage-service/storage/uri",),
        "what a URL may lead to is decided in one place",
    ),
    Library(
        "zstd",
        re.compile(r"^zstd"),
        ("storage-service/storage/section_file",),
        "what it cannot read becomes an absl::Status in one place",
    ),
    Library(
        "hnswlib",
        re.compile(r"^hnswlib/"),
        ("storage-service/storage/index", "tests/bench/plain_hnswlib.cc"),
        "it throws, and trusts the files it loads; its adapter does neither; a benchmark measures it as it is",
    ),
    Library(
        "CRoaring",
        re.compile(r"^roaring/"),
        ("storage-service/storage/index",),
        "bitmaps cross layers as a type of ours, SlotSet, which holds one by value",
        through_headers=False,
    ),
    Library(
        "LibTorch",
        re.compile(r"^(torch|ATen|c10|caffe2)/"),
        ("inference-service/inference/torch",),
        "its headers cost half a minute per file, it throws, and sanitizer builds do without it",
    ),
    Library(
        "libjpeg",
        re.compile(r"^(jpeglib|jerror|turbojpeg)\.h$"),
        ("inference-service/inference/image", "storage-service/storage/thumbnail"),
        "its errors are long jumps",
    ),
    Library(
        "libpng",
        re.compile(r"^png\.h$"),
        ("inference-service/inference/image", "storage-service/storage/thumbnail"),
        "its errors are long jumps",
    ),
    Library(
        "the image codecs",
        re.compile(r"^(webp/.*|tiffio\.h|gif_lib\.h)$"),
        ("inference-service/inference/image", "storage-service/storage/thumbnail"),
        "what they make of a picture must be what Pillow makes of it, which one folder sees to",
    ),
    Library(
        "ICU",
        re.compile(r"^unicode/"),
        ("clients/cli/terminal", "inference-service/inference/text", "storage-service/storage/keyword"),
        "Unicode's tables are asked where texts are cut into tokens or words, and by the terminal for the width of a "
        "character",
    ),
    Library(
        "cpp-httplib",
        re.compile(r"^httplib\.h$"),
        (
            "common/http",
            "common/testing/http_client.h",
            "inference-service/inference/http/inference_http_test.cc",
            "inference-service/inference/server/inference_server_test.cc",
            "tests/bench/chroma_contender.cc",
            "tests/bench/diptych_contender.cc",
        ),
        "its limits and its threads are set right in one place; tests use its client",
    ),
    Library(
        "libpq",
        re.compile(r"^libpq-fe\.h$|^postgresql/|^libpq/"),
        ("storage-service/storage/postgres", "tests/bench/pgvector_contender.cc"),
        "an engine of its own behind the Engine interface; a benchmark measures PostgreSQL beside us",
    ),
    Library(
        "Protocol Buffers and gRPC",
        re.compile(r"\.pb\.h$|^google/protobuf/|^grpc/|^grpcpp/|^grpc\+\+/"),
        (
            "clients",
            "common/rpc",
            "common/status/error_details.cc",
            "common/status/error_details_test.cc",
            "common/testing",
            "inference-service/inference/server",
            "inference-service/inference/service",
            "inference-service/main.cc",
            "storage-service/main.cc",
            "storage-service/storage/inference_client",
            "storage-service/storage/service",
            "tests",
        ),
        "wire types stop at service/, so that the engine and the pipeline can change apart from the API",
    ),
)

# Roots against which a quoted include is looked up, beside the including file's own folder.
INCLUDE_ROOTS = ("", "inference-service", "storage-service", "clients")
