#include "inference/server/server_options.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/model/device.h"
#include "inference/model/encoder.h"
#include "inference/model/precision_choice.h"

namespace diptych::inference {
namespace {

constexpr char kDemoName[] = "demo";
constexpr char kCompatNone[] = "none";
constexpr char kCompatWeaviate[] = "weaviate";
constexpr size_t kNameBytesMax = 128;
constexpr int kThreadsMax = 1024;
constexpr double kDelayMillisecondsMax = 1000;
constexpr int kQueueMin = 2;
constexpr int kQueueMax = 1'000'000;
constexpr uint64_t kQueueBytesMin = uint64_t{1} << 20;
constexpr uint64_t kBytesMax = uint64_t{1} << 50;

absl::StatusOr<ModelSource> ParseModel(const std::string& value) {
  const size_t equals = value.find('=');
  if (equals == std::string::npos || equals == 0 || equals > kNameBytesMax ||
      equals + 1 == value.size()) {
    return InvalidField("--model",
                        absl::StrCat("must be NAME=DIR with a name of 1 to ",
                                     kNameBytesMax, " bytes; given: ", value));
  }
  return ModelSource{value.substr(0, equals), value.substr(equals + 1)};
}

// Where models run unless told: what the environment of Weaviate's container
// says, if it says anything.
std::string DefaultDevice() {
  const char* const enable = std::getenv("ENABLE_CUDA");
  if (enable == nullptr) return "auto";
  const absl::string_view value = enable;
  if (value != "true" && value != "1") return "cpu";
  const char* const core = std::getenv("CUDA_CORE");
  return core == nullptr || *core == 0 ? "cuda:0" : core;
}

template <typename Number>
void CheckRange(absl::string_view flag, Number value, Number least, Number most,
                FieldViolations& violations) {
  // Written so that NaN is out of range.
  if (value >= least && value <= most) return;
  violations.Add(
      flag, absl::StrCat("must be ", least, " to ", most, "; given: ", value));
}

}  // namespace

InferenceServerOptions::InferenceServerOptions() {
  server.listen = "127.0.0.1:50051";
  server.http_listen = "127.0.0.1:8081";
}

absl::Status InferenceServerOptions::Validate() const {
  DIPTYCH_RETURN_IF_ERROR(server.Validate());
  FieldViolations violations;
  if (!ParseDevice(device).ok()) {
    violations.Add(
        "--device",
        absl::StrCat("must be auto, cpu, cuda or cuda:N; given: ", device));
  }
  if (!ParsePrecision(precision).ok()) {
    violations.Add(
        "--precision",
        absl::StrCat("must be auto, fp32, bf16 or int8; given: ", precision));
  }
  CheckRange("--threads", threads, 0, kThreadsMax, violations);
  CheckRange("--batch-max", batch_max, 1, Encoder::kBatchMax, violations);
  CheckRange("--batch-delay-ms", batch_delay_milliseconds, 0.0,
             kDelayMillisecondsMax, violations);
  CheckRange("--queue-max", queue_max, kQueueMin, kQueueMax, violations);
  CheckRange("--queue-bytes", queue_bytes_max, kQueueBytesMin, kBytesMax,
             violations);
  CheckRange("--cache-bytes", cache_bytes, uint64_t{0}, kBytesMax, violations);
  if (compat != kCompatNone && compat != kCompatWeaviate) {
    violations.Add("--compat",
                   absl::StrCat("must be none or weaviate; given: ", compat));
  }
  return violations.ToStatus();
}

Normalization InferenceServerOptions::normalization() const {
  return compat == kCompatWeaviate ? Normalization::kAsWeaviate
                                   : Normalization::kAll;
}

absl::StatusOr<std::vector<ModelSource>> InferenceServerOptions::ModelSources()
    const {
  std::vector<ModelSource> sources;
  if (models.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(std::string directory, FindDemoModel());
    sources.push_back({kDemoName, std::move(directory)});
    return sources;
  }
  std::set<std::string> names;
  for (const std::string& value : models) {
    DIPTYCH_ASSIGN_OR_RETURN(ModelSource source, ParseModel(value));
    if (!names.insert(source.name).second) {
      return InvalidField("--model",
                          absl::StrCat("names two models alike; give each its "
                                       "own name: ",
                                       source.name));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

void AddInferenceServerFlags(CLI::App& app, InferenceServerOptions& options) {
  AddServerFlags(app, options.server);
  options.device = DefaultDevice();
  app.add_option("--model", options.models,
                 "NAME=DIR, a model directory as downloaded, or "
                 "NAME=IMAGE_DIR+TEXT_DIR for a pair of towers; repeatable, "
                 "the first is the default. Without it: the demo model")
      ->envname("DIPTYCH_MODEL")
      ->allow_extra_args(false);
  app.add_option("--device", options.device,
                 "Where models run: auto, cpu or cuda[:n]")
      ->envname("DIPTYCH_DEVICE")
      ->capture_default_str();
  app.add_option("--precision", options.precision,
                 "Arithmetic of the models: auto (the fastest that stays close "
                 "to fp32 on the loaded weights), fp32, bf16 or int8; float16 "
                 "on a CUDA device with auto")
      ->envname("DIPTYCH_PRECISION")
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Threads for decoding and for computing on the CPU; 0: one "
                 "per core")
      ->envname("DIPTYCH_THREADS")
      ->capture_default_str();
  app.add_option("--batch-max", options.batch_max,
                 "Inputs per batch; 1 turns batching off")
      ->envname("DIPTYCH_BATCH_MAX")
      ->capture_default_str();
  app.add_option("--batch-delay-ms", options.batch_delay_milliseconds,
                 "How long an input waits for others that are being decoded; "
                 "0: not at all")
      ->envname("DIPTYCH_BATCH_DELAY_MS")
      ->capture_default_str();
  app.add_option("--queue-max", options.queue_max,
                 "Inputs that may wait for one model; bulk work takes at most "
                 "half")
      ->envname("DIPTYCH_QUEUE_MAX")
      ->capture_default_str();
  app.add_option("--queue-bytes", options.queue_bytes_max,
                 "Bytes of the inputs that may wait for one model, e.g. 512MB")
      ->envname("DIPTYCH_QUEUE_BYTES")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--cache-bytes", options.cache_bytes,
                 "Memory for embeddings of what may be sent again, e.g. 256MB; "
                 "0: none")
      ->envname("DIPTYCH_CACHE_BYTES")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_flag("--exif-orientation", options.exif_orientation,
               "Turn pictures as their EXIF orientation says; models were "
               "trained, and other services embed, without")
      ->envname("DIPTYCH_EXIF_ORIENTATION");
  app.add_option("--compat", options.compat,
                 "weaviate: vectors of SigLIP and sentence-transformers keep "
                 "their length, as Weaviate's container gives them; none: "
                 "every vector has length 1")
      ->envname("DIPTYCH_COMPAT")
      ->capture_default_str();
  app.add_option("--selftest", options.selftest,
                 "DIR or IMAGE_DIR+TEXT_DIR: compare a checkpoint with what "
                 "its authors published, and end: 0 as published, 1 not, 2 "
                 "nothing could be compared");
  app.add_option("--selftest-images", options.selftest_images,
                 "A folder with the pictures that published values are about");
}

absl::StatusOr<std::string> FindDemoModel() {
  std::vector<std::filesystem::path> candidates;
  if (const char* const given = std::getenv("DIPTYCH_DEMO_MODEL")) {
    candidates.emplace_back(given);
  }
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    candidates.push_back(program.parent_path().parent_path() /
                         "share/diptych/models/demo");
  }
  candidates.emplace_back(DIPTYCH_DEMO_MODEL_DIR);
  std::string tried;
  for (const auto& candidate : candidates) {
    if (std::filesystem::exists(candidate / "config.json", error)) {
      return candidate.string();
    }
    absl::StrAppend(&tried, tried.empty() ? "" : ", ", candidate.string());
  }
  return absl::NotFoundError(absl::StrCat(
      "the demo model is nowhere; give --model NAME=DIR; looked in ", tried));
}

}  // namespace diptych::inference
