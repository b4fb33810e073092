// From texts and encoded pictures to embeddings, for one model:
//
//   validate -> look up -> reserve room -> decode, preprocess, tokenise ->
//   batch
//   -> encode
//
// Operation: Vectorize checks the request, answers what the cache knows,
// reserves a place in the model's queue for every other input, prepares the
// inputs on the CPU stage in parallel, and hands each to the batcher as soon as
// it is ready. The encoder normalises embeddings to length 1. Atomic: `done`
// gets every embedding or one error, and that error names every bad input by
// its field, because the inputs after a bad one are still checked; only
// encoding is left out.
//
// Concurrency: every method may be called from any thread and never blocks.
// `done` runs once, on the calling thread, the CPU stage's or the batcher's,
// and must not block. Inputs are views of memory that lives until `done` is
// called.
//
// Limits: PipelineLimits; places in the queue as DynamicBatcher says. Hashing
// what is looked up takes the calling thread about 1 ms per MiB at most.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/concurrency/call_context.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "inference/batching/dynamic_batcher.h"
#include "inference/model/model.h"
#include "inference/pipeline/byte_budget.h"
#include "inference/pipeline/embedding_cache.h"
#include "inference/pipeline/priority_executor.h"
#include "inference/types/image.h"
#include "inference/types/priority.h"

namespace diptych::inference {

struct PipelineInput {
  Modality modality = Modality::kText;
  // UTF-8, or the bytes of a picture's file.
  absl::string_view content;
  // What errors call it, e.g. "inputs[2].image".
  std::string field;
};

struct PipelineOutput {
  Embedding embedding;
  // The text was longer than the model's context.
  bool truncated = false;
  // Begin and end tokens included; 0 for pictures.
  int tokens = 0;
};

struct PipelineLimits {
  int inputs_max = 256;
  size_t text_bytes_max = size_t{64} << 10;
  size_t image_bytes_max = size_t{32} << 20;
  // Bytes of all inputs that are not yet answered; a larger request is let in
  // alone.
  size_t queue_bytes_max = size_t{512} << 20;
};

// Where a pipeline keeps its embeddings.
struct PipelineCache {
  // Null: nowhere. Outlives the pipeline.
  EmbeddingCache* cache = nullptr;
  // What besides an input's bytes decides its embedding.
  std::string scope = {};
};

// The picture in the bytes of a file; INVALID_ARGUMENT when there is none or it
// exceeds the decoder's limits. Called from several threads at a time.
using ImageDecoder = std::function<absl::StatusOr<Image>(absl::string_view)>;

// Where it is owned by a shared_ptr, requests that run keep it alive.
class ModelPipeline : public std::enable_shared_from_this<ModelPipeline> {
 public:
  using Result = absl::StatusOr<std::vector<PipelineOutput>>;
  using Done = absl::AnyInvocable<void(Result) &&>;

  // All referenced objects outlive the pipeline, and `cpu_stage` has run all
  // its tasks before the pipeline goes.
  ModelPipeline(Model model, ImageDecoder decoder, const PipelineLimits& limits,
                const BatcherOptions& batcher_options,
                PriorityExecutor& cpu_stage, Clock& clock,
                MetricsRegistry& metrics, PipelineCache cache = {});
  ~ModelPipeline();
  ModelPipeline(const ModelPipeline&) = delete;
  ModelPipeline& operator=(const ModelPipeline&) = delete;

  const ModelInfo& info() const { return model_.info(); }
  const PipelineLimits& limits() const { return limits_; }
  int queue_max() const { return queue_max_; }

  // Encodes one text and one black picture, so that the first request does not
  // pay for what libraries set up. The encoder's errors.
  absl::Status WarmUp() const;

  // Starts the batcher's thread. Tests leave it out and call RunDueBatch.
  void Start() { batcher_.Start(); }

  // One output per input, in order, or
  //   INVALID_ARGUMENT    bad inputs, each named (google.rpc.BadRequest)
  //   RESOURCE_EXHAUSTED  the queue is full (google.rpc.RetryInfo)
  //   DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE
  //   INTERNAL            the model failed
  void Vectorize(std::vector<PipelineInput> inputs, Priority priority,
                 CallContext call, Done done);

  // The same for one input of a stream, at bulk priority, which waits for a
  // place instead of being refused. `admitted` is called once, before `done`,
  // when it has one (or never will): the moment to read the next input.
  void VectorizeWhenRoom(PipelineInput input, CallContext call,
                         absl::AnyInvocable<void() &&> admitted, Done done);

  bool RunDueBatch() { return batcher_.RunDueBatch(); }

  // Refuses new requests and finishes those that are queued.
  void Shutdown() { batcher_.Shutdown(); }

 private:
  class Request;

  // What is wrong with `input`, or "" when it may be prepared.
  std::string Problem(const PipelineInput& input) const;
  // Takes what is known from the cache; true when nothing is left to compute.
  bool LookUp(Request& request);
  void Keep(Request& request, size_t index, const Embedding& embedding);
  // Gives back what `request` holds, counts and logs it.
  void Answered(const Request& request, const Result& result);
  void Prepare(std::shared_ptr<Request> request);
  void PrepareInput(const std::shared_ptr<Request>& request, size_t index);
  absl::StatusOr<std::variant<TokenIds, Image>> MakeEncoderInput(
      const PipelineInput& input) const;

  const Model model_;
  const ImageDecoder decoder_;
  const PipelineLimits limits_;
  const int queue_max_;
  PriorityExecutor& cpu_stage_;
  Clock& clock_;
  BatcherMetrics batcher_metrics_;
  // Seconds of the CPU stage per input, by modality.
  Histogram& text_seconds_;
  Histogram& image_seconds_;
  Counter& text_inputs_;
  Counter& image_inputs_;
  Counter& tokens_;
  Counter& cache_hits_;
  Counter& cache_misses_;
  const PipelineCache cache_;
  ByteBudget budget_;
  DynamicBatcher batcher_;
};

}  // namespace diptych::inference
