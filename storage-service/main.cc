// storage-server: keeps collections of objects and finds them by text, picture,
// vector and filter.
//
//   storage-server --data DIR [--inference dns:///inference:50051] [--listen
//   127.0.0.1:50052]
//
// The one file that knows every concrete class: it makes them, joins them, and
// takes them apart in order.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/concurrency/periodic_task.h"
#include "common/concurrency/thread_pool.h"
#include "common/config/server_flags.h"
#include "common/http/http_server.h"
#include "common/http/standard_routes.h"
#include "common/memory/heap_trimmer.h"
#include "common/memory/memory_reserve.h"
#include "common/observability/logging.h"
#include "common/observability/measured_executor.h"
#include "common/observability/metrics.h"
#include "common/rpc/grpc_server.h"
#include "common/rpc/signals.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/data_directory_check.h"
#include "storage/engine/local_engine.h"
#include "storage/inference_client/grpc_vectorizer.h"
#include "storage/service/admin_service.h"
#include "storage/service/collection_service.h"
#include "storage/service/object_service.h"
#include "storage/service/search_service.h"
#include "storage/thumbnail/thumbnail_maker.h"
#include "storage/uri/allowed_uri_loader.h"

namespace diptych::storage {
namespace {

// Calls that wait for the disk or for the inference service hold a thread each
// and use little of a processor.
constexpr int kWaitingThreads = 16;
// Between two looks at whether the heap holds much that is free.
constexpr absl::Duration kHeapTrimInterval = absl::Seconds(10);
constexpr int64_t kMemoryReserveBytesMax = int64_t{1} << 40;

struct StorageServerOptions {
  ServerFlags server;
  std::string data;
  std::string check;
  std::string snapshots;
  bool allow_reset = false;
  std::string inference;
  std::string uri_file_root;
  std::vector<std::string> uri_https_hosts;
  int uri_timeout_seconds = 10;
  int uri_threads = 8;
  int thumbnail_cache_mib = 64;
  int read_threads =
      std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  int index_threads = 1;
  int index_snapshot_changes = 1'000;
  int queue_max = 1024;
  int64_t memory_reserve_bytes = 16 << 20;
  int import_streams_max = 64;
  int import_mebibytes_max = 512;
  int import_patience_seconds = 300;

  absl::Status Validate() const {
    FieldViolations violations;
    const auto check_range = [&violations](absl::string_view flag, int value,
                                           int most) {
      if (value < 1 || value > most)
        violations.Add(flag, absl::StrCat("is ", value, "; give 1 to ", most));
    };
    check_range("--read-threads", read_threads, 1024);
    check_range("--index-threads", index_threads, 1024);
    if (index_snapshot_changes < 0) {
      violations.Add(
          "--index-snapshot-changes",
          absl::StrCat("is ", index_snapshot_changes, "; give 0 or more"));
    }
    check_range("--uri-timeout-seconds", uri_timeout_seconds, 3600);
    check_range("--uri-threads", uri_threads, 1024);
    if (thumbnail_cache_mib < 0 || thumbnail_cache_mib > 1'000'000) {
      violations.Add(
          "--thumbnail-cache-mib",
          absl::StrCat("is ", thumbnail_cache_mib, "; give 0 to 1000000"));
    }
    if (memory_reserve_bytes < 0 ||
        memory_reserve_bytes > kMemoryReserveBytesMax) {
      violations.Add("--memory-reserve-bytes",
                     absl::StrCat("is ", memory_reserve_bytes, "; give 0 to ",
                                  kMemoryReserveBytesMax));
    }
    check_range("--queue-max", queue_max, 1'000'000);
    check_range("--import-streams-max", import_streams_max, 10'000);
    check_range("--import-mebibytes-max", import_mebibytes_max, 1'000'000);
    check_range("--import-patience-seconds", import_patience_seconds, 86'400);
    DIPTYCH_RETURN_IF_ERROR(server.Validate());
    return violations.ToStatus();
  }
};

void AddFlags(CLI::App& app, StorageServerOptions& options) {
  options.server.listen = "127.0.0.1:50052";
  options.server.http_listen = "127.0.0.1:8000";
  AddServerFlags(app, options.server);
  CLI::Option* data =
      app.add_option("--data", options.data,
                     "Directory that holds everything; made when it is missing")
          ->envname("DIPTYCH_DATA")
          ->required();
  app.add_option("--check", options.check,
                 "Instead of serving: read a whole data directory or snapshot, "
                 "say what is wrong with it, and end with 0 or 1")
      ->each([data](const std::string&) { data->required(false); });
  app.add_option("--snapshots", options.snapshots,
                 "Directory below which CreateSnapshot may write; without it "
                 "there are no snapshots")
      ->envname("DIPTYCH_SNAPSHOTS");
  app.add_flag("--allow-reset", options.allow_reset,
               "Let AdminService.Reset delete everything")
      ->envname("DIPTYCH_ALLOW_RESET");
  app.add_option("--inference", options.inference,
                 "gRPC target of the inference service, as "
                 "dns:///inference:50051; without it callers bring vectors")
      ->envname("DIPTYCH_INFERENCE");
  app.add_option("--uri-file-root", options.uri_file_root,
                 "Folder below which images may be given as file:// URIs; "
                 "without it none may")
      ->envname("DIPTYCH_URI_FILE_ROOT");
  app.add_option("--uri-https-hosts", options.uri_https_hosts,
                 "Hosts from which images may be given as https:// URIs, with "
                 "a port where it is not 443, separated by commas; without it "
                 "none may")
      ->envname("DIPTYCH_URI_HTTPS_HOSTS")
      ->delimiter(',');
  app.add_option("--uri-timeout-seconds", options.uri_timeout_seconds,
                 "How long one https:// URI may take")
      ->envname("DIPTYCH_URI_TIMEOUT_SECONDS")
      ->capture_default_str();
  app.add_option("--uri-threads", options.uri_threads,
                 "Images that are loaded from URIs at the same time")
      ->envname("DIPTYCH_URI_THREADS")
      ->capture_default_str();
  app.add_option("--thumbnail-cache-mib", options.thumbnail_cache_mib,
                 "Main memory for thumbnails that were made, in MiB; 0: each "
                 "is made anew")
      ->envname("DIPTYCH_THUMBNAIL_CACHE_MIB")
      ->capture_default_str();
  app.add_option("--read-threads", options.read_threads,
                 "Threads that search and read")
      ->envname("DIPTYCH_READ_THREADS")
      ->capture_default_str();
  app.add_option("--index-threads", options.index_threads,
                 "Threads that build index segments in the background")
      ->envname("DIPTYCH_INDEX_THREADS")
      ->capture_default_str();
  app.add_option("--index-snapshot-changes", options.index_snapshot_changes,
                 "Changes of a collection from which on its index is written "
                 "to the disk, so that a start need not build it; 0: never")
      ->envname("DIPTYCH_INDEX_SNAPSHOT_CHANGES")
      ->capture_default_str();
  app.add_option("--queue-max", options.queue_max,
                 "Calls of one kind that may wait for a thread")
      ->envname("DIPTYCH_QUEUE_MAX")
      ->capture_default_str();
  app.add_option("--memory-reserve-bytes", options.memory_reserve_bytes,
                 "Memory that is kept for when the system gives no more; then "
                 "writes are refused until it is there again; 0: none")
      ->envname("DIPTYCH_MEMORY_RESERVE_BYTES")
      ->capture_default_str();
  app.add_option("--import-streams-max", options.import_streams_max,
                 "Imports at a time; one more is refused")
      ->envname("DIPTYCH_IMPORT_STREAMS_MAX")
      ->capture_default_str();
  app.add_option("--import-mebibytes-max", options.import_mebibytes_max,
                 "What all imports have sent and the server has not "
                 "acknowledged; beyond it no more is read for now")
      ->envname("DIPTYCH_IMPORT_MEBIBYTES_MAX")
      ->capture_default_str();
  app.add_option("--import-patience-seconds", options.import_patience_seconds,
                 "How long imports wait for an inference service that is busy "
                 "or away before objects fail")
      ->envname("DIPTYCH_IMPORT_PATIENCE_SECONDS")
      ->capture_default_str();
}

// Prints what is wrong with a data directory. True: nothing.
absl::StatusOr<bool> Check(const std::string& directory) {
  DIPTYCH_ASSIGN_OR_RETURN(const DirectoryCheck check,
                           CheckDataDirectory(directory));
  for (const DirectoryFinding& finding : check.findings) {
    std::cout << finding.where << ": " << finding.what << "\n";
  }
  std::cout << "collections " << check.collections << ", objects "
            << check.objects << ", vectors " << check.vectors << ", images "
            << check.images << ": "
            << (check.findings.empty()
                    ? "nothing is wrong"
                    : absl::StrCat("findings ", check.findings.size()))
            << std::endl;
  return check.findings.empty();
}

// Null where the operator allows no URI.
absl::StatusOr<std::unique_ptr<UriLoader>> MakeUriLoader(
    const StorageServerOptions& options, Executor& executor,
    MetricsRegistry& metrics) {
  const size_t bytes_max = Limits().image_bytes_max;
  std::unique_ptr<FileLoader> files;
  std::unique_ptr<HttpsLoader> https;
  if (!options.uri_file_root.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        files, FileLoader::Open(options.uri_file_root, bytes_max));
  }
  if (!options.uri_https_hosts.empty()) {
    HttpsLoaderOptions https_options;
    https_options.hosts = options.uri_https_hosts;
    https_options.bytes_max = bytes_max;
    https_options.duration_max = absl::Seconds(options.uri_timeout_seconds);
    DIPTYCH_ASSIGN_OR_RETURN(
        https, HttpsLoader::Create(https_options, Clock::System()));
  }
  if (files == nullptr && https == nullptr) return nullptr;
  return std::make_unique<AllowedUriLoader>(
      std::move(files), std::move(https),
      static_cast<size_t>(options.uri_threads), executor, Clock::System(),
      metrics);
}

// Serves until a signal asks to stop.
absl::Status Serve(const StorageServerOptions& options, StopSignals& signals) {
  const absl::Time start_time = Clock::System().Now();
  std::unique_ptr<GrpcVectorizer> vectorizer;
  if (!options.inference.empty()) {
    vectorizer = std::make_unique<GrpcVectorizer>(
        GrpcVectorizerOptions{.target = options.inference}, Clock::System());
  }
  MetricsRegistry metrics;
  std::unique_ptr<MemoryReserve> memory_reserve;
  if (options.memory_reserve_bytes > 0) {
    DIPTYCH_ASSIGN_OR_RETURN(
        memory_reserve, MemoryReserve::Install(
                            static_cast<size_t>(options.memory_reserve_bytes),
                            Clock::System(), metrics));
  }
  HeapTrimmer heap_trimmer(metrics);
  const PeriodicTask trimming(Clock::System(), kHeapTrimInterval,
                              [&heap_trimmer] { heap_trimmer.TrimIfGrown(); });
  const auto pool = [&options](const char* name, int threads) {
    return std::make_unique<ThreadPool>(ThreadPoolOptions{
        .name = name, .threads = threads, .queue_max = options.queue_max});
  };
  const auto uri_pool = pool("uri-loads", options.uri_threads);
  MeasuredExecutor uri_loads("uri_loads", *uri_pool, Clock::System(), metrics);
  DIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<UriLoader> uri_loader,
                           MakeUriLoader(options, uri_loads, metrics));
  LocalEngineOptions engine_options;
  engine_options.metrics = &metrics;
  engine_options.limits.import_streams_max =
      static_cast<size_t>(options.import_streams_max);
  engine_options.limits.import_bytes_max =
      static_cast<size_t>(options.import_mebibytes_max) << 20;
  engine_options.bulk_vectorizer.patience =
      absl::Seconds(options.import_patience_seconds);
  engine_options.index_snapshots.changes_min =
      static_cast<uint64_t>(options.index_snapshot_changes);
  engine_options.data_directory = options.data;
  engine_options.snapshot_directory = options.snapshots;
  engine_options.vectorizer = vectorizer.get();
  engine_options.uri_loader = uri_loader.get();
  engine_options.index_threads = static_cast<size_t>(options.index_threads);
  DIPTYCH_ASSIGN_OR_RETURN(const std::unique_ptr<LocalEngine> engine,
                           LocalEngine::Open(engine_options));

  const auto read_pool = pool("reads", options.read_threads);
  const auto vectorized_read_pool = pool("vec-reads", kWaitingThreads);
  const auto write_pool = pool("writes", kWaitingThreads);
  const auto vectorized_write_pool = pool("vec-writes", kWaitingThreads);
  const auto import_pool = pool("imports", kWaitingThreads);
  MeasuredExecutor reads("reads", *read_pool, Clock::System(), metrics);
  MeasuredExecutor vectorized_reads("vectorized_reads", *vectorized_read_pool,
                                    Clock::System(), metrics);
  MeasuredExecutor writes("writes", *write_pool, Clock::System(), metrics);
  MeasuredExecutor vectorized_writes(
      "vectorized_writes", *vectorized_write_pool, Clock::System(), metrics);
  MeasuredExecutor imports("imports", *import_pool, Clock::System(), metrics);
  ThumbnailMakerOptions thumbnail_options;
  thumbnail_options.limits.image_bytes_max = engine->limits().image_bytes_max;
  thumbnail_options.cache_bytes_max =
      static_cast<size_t>(options.thumbnail_cache_mib) << 20;
  thumbnail_options.decodes_max = options.read_threads;
  ThumbnailMaker thumbnails(thumbnail_options, Clock::System(), metrics);
  const ServiceEnvironment environment{
      *engine,     vectorizer.get(),    reads,   vectorized_reads,
      writes,      vectorized_writes,   imports, metrics,
      &thumbnails, memory_reserve.get()};
  GrpcServerOptions server_options;
  server_options.listen_address = options.server.listen;
  server_options.drain_delay = absl::Seconds(options.server.drain_seconds);
  server_options.shutdown_grace =
      absl::Seconds(options.server.shutdown_grace_seconds);
  // Old connections take no new calls, but an import may last for hours.
  server_options.connection_age_grace = absl::InfiniteDuration();

  CollectionService collection_service(environment);
  ObjectService object_service(environment);
  SearchService search_service(environment);
  AdminService admin_service(
      environment, {.version = std::string(Version()),
                    .message_bytes_max = server_options.message_bytes_max,
                    .start_time = start_time,
                    .inference_address = options.inference,
                    .inference_reachable =
                        [&vectorizer] {
                          return vectorizer != nullptr &&
                                 vectorizer->reachable();
                        },
                    .reset_allowed = options.allow_reset});
  std::atomic<bool> ready{false};
  std::unique_ptr<HttpServer> http;
  if (!options.server.http_listen.empty()) {
    HttpServerOptions http_options;
    http_options.address = options.server.http_listen;
    DIPTYCH_ASSIGN_OR_RETURN(
        http, HttpServer::Start(
                  http_options,
                  StandardRoutes(metrics, [&ready] { return ready.load(); }),
                  metrics));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start(
          server_options,
          {{v1::CollectionService::service_full_name(), &collection_service},
           {v1::ObjectService::service_full_name(), &object_service},
           {v1::SearchService::service_full_name(), &search_service},
           {v1::AdminService::service_full_name(), &admin_service}}));
  server->SetServing(true);
  ready = true;
  LogInfo("serving", {{"address", server->address()},
                      {"http_port", http != nullptr ? http->port() : 0},
                      {"data", options.data},
                      {"inference", options.inference},
                      {"version", Version()}});
  const int signal = signals.Wait();
  LogInfo("stopping", {{"signal", signal}});
  ready = false;
  object_service.StopImports();
  server->Shutdown();
  return absl::OkStatus();
}

}  // namespace
}  // namespace diptych::storage

int main(int argc, char** argv) {
#ifdef NDEBUG
  // Debian's Abseil looks for lock cycles at every lock, under a lock of the
  // whole process. Tests and debug builds let it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  // Before any thread: they inherit which signals are blocked.
  diptych::StopSignals signals;
  CLI::App app(
      "Keeps collections of objects and finds them by text, picture, vector "
      "and filter.",
      "storage-server");
  diptych::storage::StorageServerOptions options;
  diptych::storage::AddFlags(app, options);
  if (const auto exit_status = diptych::ParseCommandLine(app, argc, argv))
    return *exit_status;
  absl::Status status = options.Validate();
  if (status.ok()) status = diptych::SetLogLevel(options.server.log_level);
  if (status.ok() && !options.check.empty()) {
    const auto whole = diptych::storage::Check(options.check);
    if (whole.ok()) return *whole ? 0 : 1;
    diptych::LogError("cannot check", {{"status", whole.status()}});
    return 1;
  }
  if (status.ok()) status = diptych::storage::Serve(options, signals);
  if (!status.ok()) diptych::LogError("cannot serve", {{"status", status}});
  return status.ok() ? 0 : 1;
}
