#include "inference/server/inference_server.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/observability/logging.h"
#include "common/rpc/connection_acceptor.h"
#include "common/rpc/signals.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/image/image_decoder.h"
#include "inference/model/model_description.h"
#include "inference/selftest/selftest.h"

namespace diptych::inference {
namespace {

// Below this a busy server has no descriptors left for connections.
constexpr int kOpenFilesMin = 4096;
// Requests that have failed are still prepared, without a place in a model's
// queue, to find all their bad inputs: room for so many of their inputs.
constexpr int kCpuQueueSpare = 4096;
// Exit status where nothing could be compared.
constexpr int kSelftestImpossible = 2;

int CpuThreads(int threads) {
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

BatcherOptions MakeBatcherOptions(const InferenceServerOptions& options) {
  BatcherOptions batcher;
  batcher.rules.batch_max = options.batch_max;
  batcher.rules.delay_max =
      absl::Milliseconds(options.batch_delay_milliseconds);
  batcher.queue_max = options.queue_max;
  return batcher;
}

PipelineLimits MakePipelineLimits(const InferenceServerOptions& options) {
  PipelineLimits limits;
  // A bulk request must fit its half of an empty queue, or it could never be
  // accepted.
  limits.inputs_max = std::min(limits.inputs_max, options.queue_max / 2);
  limits.image_bytes_max = ImageLimits().bytes_max;
  limits.queue_bytes_max = options.queue_bytes_max;
  return limits;
}

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceServer>> InferenceServer::Start(
    const InferenceServerOptions& options, const ModelLoader& load_model) {
  std::unique_ptr<InferenceServer> server(
      new InferenceServer(options, load_model));
  DIPTYCH_RETURN_IF_ERROR(server->StartServing());
  return server;
}

absl::Status InferenceServer::StartServing() {
  const InferenceServerOptions& options = options_;
  DIPTYCH_RETURN_IF_ERROR(options.Validate());
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<ModelSource> sources,
                           options.ModelSources());
  if (!options.server.http_listen.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(http_,
                             InferenceHttp::Start(
                                 options.server.http_listen, models_,
                                 [this] { return loaded_.load(); },
                                 [this] { return ready_.load(); }, metrics_));
  }
  ThreadPoolOptions pool;
  pool.name = "cpu-stage";
  pool.threads = CpuThreads(options.threads);
  pool.queue_max =
      static_cast<int>(sources.size()) * options.queue_max + kCpuQueueSpare;
  cpu_threads_ = std::make_unique<ThreadPool>(pool);
  cpu_stage_ = std::make_unique<PriorityExecutor>(*cpu_threads_);
  if (options.cache_bytes > 0) {
    cache_ = std::make_unique<EmbeddingCache>(options.cache_bytes, metrics_);
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto pipelines, LoadModels());
  models_.Replace(std::move(pipelines));
  loaded_ = true;

  GrpcServerOptions grpc;
  grpc.listen_address = options.server.listen;
  grpc.drain_delay = absl::Seconds(options.server.drain_seconds);
  grpc.shutdown_grace = absl::Seconds(options.server.shutdown_grace_seconds);
  ServiceLimits limits;
  limits.image_pixels_max = ImageLimits().pixels_max;
  limits.message_bytes_max = grpc.message_bytes_max;
  service_ = std::make_unique<InferenceServiceImpl>(models_, limits, metrics_);
  DIPTYCH_ASSIGN_OR_RETURN(
      grpc_,
      GrpcServer::Start(
          grpc, {{v1::InferenceService::service_full_name(), service_.get()}}));
  grpc_->SetServing(true);
  ready_ = true;
  LogModels();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::unique_ptr<ModelPipeline>>>
InferenceServer::LoadModels() {
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<ModelSource> sources,
                           options_.ModelSources());
  const DecodeOptions decode_options = {.exif_orientation =
                                            options_.exif_orientation};
  const ImageDecoder decode = [decode_options](absl::string_view bytes) {
    return DecodeImage(bytes, {}, decode_options);
  };
  std::vector<std::unique_ptr<ModelPipeline>> pipelines;
  for (const ModelSource& source : sources) {
    const absl::Time begin = absl::Now();
    absl::StatusOr<Model> model = load_model_(source, options_);
    if (!model.ok()) {
      return Annotate(model.status(),
                      absl::StrCat("cannot load model ", source.name));
    }
    const ModelInfo& info = model->info();
    PipelineCache cache = {
        cache_.get(),
        absl::StrCat(info.name, " ", info.fingerprint, " ", info.dtype, " ",
                     options_.exif_orientation, " ", models_loaded_++)};
    auto pipeline = std::make_unique<ModelPipeline>(
        *std::move(model), decode, MakePipelineLimits(options_),
        MakeBatcherOptions(options_), *cpu_stage_, Clock::System(), metrics_,
        std::move(cache));
    if (const absl::Status warm = pipeline->WarmUp(); !warm.ok()) {
      return Annotate(warm, absl::StrCat("cannot run model ", source.name,
                                         " from ", source.directory));
    }
    pipeline->Start();
    LogInfo("model loaded",
            {{"name", source.name},
             {"directory", source.directory},
             {"seconds", absl::ToDoubleSeconds(absl::Now() - begin)}});
    pipelines.push_back(std::move(pipeline));
  }
  return pipelines;
}

absl::Status InferenceServer::Reload() {
  DIPTYCH_ASSIGN_OR_RETURN(auto pipelines, LoadModels());
  models_.Replace(std::move(pipelines));
  LogModels();
  return absl::OkStatus();
}

void InferenceServer::LogModels() const {
  std::string models;
  for (const auto& pipeline : models_.all()) {
    const ModelInfo& info = pipeline->info();
    absl::StrAppend(&models, models.empty() ? "" : ", ", info.name, " (",
                    info.family, ", ", info.dimension, " dimensions, ",
                    info.device, " ", info.dtype, ", ",
                    info.fingerprint.substr(0, 12), ")");
  }
  LogInfo(
      "serving",
      {{"address", address()}, {"http_port", http_port()}, {"models", models}});
}

InferenceServer::~InferenceServer() { Stop(); }

void InferenceServer::Stop() {
  ready_ = false;
  // No call is left when these return, so the rest is idle.
  if (grpc_ != nullptr) grpc_->Shutdown();
  if (http_ != nullptr) http_->Stop();
  if (cpu_threads_ != nullptr) cpu_threads_->Shutdown();
  for (const auto& pipeline : models_.all()) pipeline->Shutdown();
}

namespace {

// The exit status of --selftest.
absl::StatusOr<int> RunSelftest(const InferenceServerOptions& options,
                                const ModelLoader& load_model) {
  DIPTYCH_RETURN_IF_ERROR(options.Validate());
  DIPTYCH_ASSIGN_OR_RETURN(const ModelDescription description,
                           DescribeModel(options.selftest));
  DIPTYCH_ASSIGN_OR_RETURN(const PublishedModel published,
                           FindPublished(description, PublishedModels()));
  DIPTYCH_ASSIGN_OR_RETURN(
      const Model model,
      load_model({published.name, options.selftest}, options));
  DIPTYCH_ASSIGN_OR_RETURN(const auto results,
                           CompareWithPublished(model, description, published,
                                                options.selftest_images));
  return ReportSelftest(options.selftest, published, results, std::cout);
}

}  // namespace

int RunInferenceServer(int argc, const char* const* argv,
                       const ModelLoader& load_model) {
  CLI::App app("Turns text and images into vectors, over gRPC and HTTP.");
  InferenceServerOptions options;
  AddInferenceServerFlags(app, options);
  if (const auto exit_status = ParseCommandLine(app, argc, argv)) {
    return *exit_status;
  }
  // Before any thread is made, so that all threads leave the signals to Wait.
  StopSignals signals(/*reload=*/true);
  if (const absl::Status status = SetLogLevel(options.server.log_level);
      !status.ok()) {
    LogError("cannot start", {{"reason", std::string(status.message())}});
    return 1;
  }
  if (!options.selftest.empty()) {
    const absl::StatusOr<int> exit_status = RunSelftest(options, load_model);
    if (exit_status.ok()) return *exit_status;
    std::cerr << "cannot check " << options.selftest << ": "
              << exit_status.status().message() << "\n";
    return kSelftestImpossible;
  }
  if (const auto files = RaiseOpenFileLimit(kOpenFilesMin); !files.ok()) {
    LogError("cannot start",
             {{"reason", std::string(files.status().message())}});
    return 1;
  }
  auto server = InferenceServer::Start(options, load_model);
  if (!server.ok()) {
    LogError("cannot start",
             {{"reason", std::string(server.status().message())}});
    return 1;
  }
  int signal = signals.Wait();
  while (signal == SIGHUP) {
    LogInfo("reloading the models");
    if (const absl::Status reloaded = (*server)->Reload(); !reloaded.ok()) {
      LogError("cannot reload; the models stay as they are",
               {{"reason", std::string(reloaded.message())}});
    }
    signal = signals.Wait();
  }
  LogInfo("stopping", {{"signal", signal}});
  (*server)->Stop();
  LogInfo("stopped");
  return 0;
}

}  // namespace diptych::inference
