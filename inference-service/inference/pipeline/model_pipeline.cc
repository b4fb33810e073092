#include "inference/pipeline/model_pipeline.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/observability/logging.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

constexpr MetricDescription kPrepareSeconds = {
    "diptych_inference_prepare_seconds",
    "Decoding and preprocessing one picture, or tokenising one text"};
constexpr MetricDescription kInputs = {"diptych_inference_inputs_total",
                                       "Inputs that got their embedding"};
constexpr MetricDescription kTokens = {
    "diptych_inference_tokens_total",
    "Tokens of the texts that got their embedding"};
constexpr MetricDescription kCacheHits = {
    "diptych_inference_cache_hits_total",
    "Inputs whose embedding was kept from before"};
constexpr MetricDescription kCacheMisses = {
    "diptych_inference_cache_misses_total",
    "Inputs that were looked up and not found"};
constexpr MetricDescription kWaitingBytes = {
    "diptych_inference_queue_bytes",
    "Bytes of the inputs that are not yet answered"};
constexpr absl::Duration kCpuStageRetryAfter = absl::Milliseconds(500);

}  // namespace

// One call of Vectorize. Shared by the tasks of its inputs; the one that
// finishes last answers.
class ModelPipeline::Request {
 public:
  Request(ModelPipeline& pipeline, std::vector<PipelineInput> inputs,
          Priority priority, CallContext call, Done done)
      : pipeline_(pipeline),
        keep_alive_(pipeline.weak_from_this().lock()),
        begin_(pipeline.clock_.Now()),
        inputs_(std::move(inputs)),
        priority_(priority),
        call_(std::move(call)),
        slots_(inputs_.size()),
        outputs_(inputs_.size()),
        keys_(inputs_.size()),
        known_(inputs_.size()),
        remaining_(inputs_.size()),
        problems_(inputs_.size()),
        done_(std::move(done)) {}

  size_t size() const { return inputs_.size(); }
  const PipelineInput& input(size_t index) const { return inputs_[index]; }
  Priority priority() const { return priority_; }
  const CallContext& call() const { return call_; }
  // Each input's task uses its own slot and output only, so they need no lock.
  DynamicBatcher::Slot& slot(size_t index) { return slots_[index]; }
  PipelineOutput& output(size_t index) { return outputs_[index]; }
  absl::Time begin() const { return begin_; }
  // In the cache; empty without one.
  std::string& key(size_t index) { return keys_[index]; }

  // The output is there already. Before any input is started.
  void MarkKnown(size_t index) {
    known_[index] = true;
    absl::MutexLock lock(&mutex_);
    --remaining_;
  }
  bool known(size_t index) const { return known_[index]; }
  int known_count() const {
    return static_cast<int>(std::count(known_.begin(), known_.end(), true));
  }

  // Of the inputs that are not known.
  size_t Bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!known_[i]) bytes += inputs_[i].content.size();
    }
    return bytes;
  }
  std::vector<Modality> Modalities() const {
    std::vector<Modality> modalities;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!known_[i]) modalities.push_back(inputs_[i].modality);
    }
    return modalities;
  }

  // One per element of Modalities().
  void TakeSlots(std::vector<DynamicBatcher::Slot> slots) {
    auto slot = slots.begin();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!known_[i]) slots_[i] = std::move(*slot++);
    }
  }

  // What it holds of the pipeline's budget.
  void set_bytes_taken(size_t bytes) { bytes_taken_ = bytes; }
  size_t bytes_taken() const { return bytes_taken_; }

  // Something went wrong already, so encoding would be for nothing.
  bool failed() const {
    absl::MutexLock lock(&mutex_);
    return failed_;
  }

  // Input `index` is bad, and every caller is told why.
  void AddProblem(size_t index, std::string problem) {
    absl::MutexLock lock(&mutex_);
    problems_[index] = std::move(problem);
    failed_ = true;
  }

  // INVALID_ARGUMENT is the input's fault; anything else fails the request.
  void AddError(size_t index, absl::Status status) {
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      AddProblem(index, std::string(status.message()));
      return;
    }
    absl::MutexLock lock(&mutex_);
    if (error_.ok()) error_ = std::move(status);
    failed_ = true;
  }

  // One input has come to its end; the last one answers the request.
  void FinishInput(size_t index) {
    slots_[index].Release();
    ModelPipeline::Result result;
    {
      absl::MutexLock lock(&mutex_);
      if (--remaining_ > 0) return;
      result = MakeResult();
    }
    Answer(std::move(result));
  }

  // Answers a request all of whose inputs are known.
  void AnswerKnown() {
    ModelPipeline::Result result;
    {
      absl::MutexLock lock(&mutex_);
      result = MakeResult();
    }
    Answer(std::move(result));
  }

  // Answers a request none of whose inputs was started.
  void Fail(const absl::Status& status) { Answer(status); }

 private:
  void Answer(ModelPipeline::Result result) {
    pipeline_.Answered(*this, result);
    std::move(done_)(std::move(result));
  }

  ModelPipeline::Result MakeResult() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    FieldViolations violations;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!problems_[i].empty()) violations.Add(inputs_[i].field, problems_[i]);
    }
    DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
    if (!error_.ok()) return std::move(error_);
    return std::move(outputs_);
  }

  ModelPipeline& pipeline_;
  const std::shared_ptr<ModelPipeline> keep_alive_;
  const absl::Time begin_;
  const std::vector<PipelineInput> inputs_;
  const Priority priority_;
  const CallContext call_;
  std::vector<DynamicBatcher::Slot> slots_;
  std::vector<PipelineOutput> outputs_;
  std::vector<std::string> keys_;
  // Written before any input is started.
  std::vector<bool> known_;
  size_t bytes_taken_ = 0;

  mutable absl::Mutex mutex_;
  size_t remaining_ ABSL_GUARDED_BY(mutex_);
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> problems_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  Done done_;
};

ModelPipeline::ModelPipeline(Model model, ImageDecoder decoder,
                             const PipelineLimits& limits,
                             const BatcherOptions& batcher_options,
                             PriorityExecutor& cpu_stage, Clock& clock,
                             MetricsRegistry& metrics, PipelineCache cache)
    : model_(std::move(model)),
      decoder_(std::move(decoder)),
      limits_(limits),
      queue_max_(batcher_options.queue_max),
      cpu_stage_(cpu_stage),
      clock_(clock),
      batcher_metrics_(metrics, model_.info().name),
      text_seconds_(metrics.AddHistogram(
          kPrepareSeconds, DurationBuckets(),
          {{"model", model_.info().name}, {"modality", "text"}})),
      image_seconds_(metrics.AddHistogram(
          kPrepareSeconds, DurationBuckets(),
          {{"model", model_.info().name}, {"modality", "image"}})),
      text_inputs_(metrics.AddCounter(
          kInputs, {{"model", model_.info().name}, {"modality", "text"}})),
      image_inputs_(metrics.AddCounter(
          kInputs, {{"model", model_.info().name}, {"modality", "image"}})),
      tokens_(metrics.AddCounter(kTokens, {{"model", model_.info().name}})),
      cache_hits_(
          metrics.AddCounter(kCacheHits, {{"model", model_.info().name}})),
      cache_misses_(
          metrics.AddCounter(kCacheMisses, {{"model", model_.info().name}})),
      cache_(std::move(cache)),
      budget_(limits.queue_bytes_max,
              metrics.AddGauge(kWaitingBytes, {{"model", model_.info().name}})),
      batcher_(*model_.encoder, batcher_options, clock, &batcher_metrics_) {}

ModelPipeline::~ModelPipeline() { Shutdown(); }

absl::Status ModelPipeline::WarmUp() const {
  if (model_.tokenizer != nullptr) {
    DIPTYCH_ASSIGN_OR_RETURN(const TokenIds text,
                             model_.tokenizer->Tokenize("warm up"));
    DIPTYCH_RETURN_IF_ERROR(model_.encoder->EncodeTexts({text}).status());
  }
  if (model_.image_preprocessor != nullptr) {
    const Image image(info().image_size, info().image_size);
    DIPTYCH_RETURN_IF_ERROR(model_.encoder->EncodeImages({image}).status());
  }
  return absl::OkStatus();
}

std::string ModelPipeline::Problem(const PipelineInput& input) const {
  const bool text = input.modality == Modality::kText;
  if (input.content.empty()) {
    return text ? "is empty; give at least 1 byte of text"
                : "is empty; give the bytes of a picture's file";
  }
  if (text ? model_.tokenizer == nullptr
           : model_.image_preprocessor == nullptr) {
    return absl::StrCat("cannot be embedded: model ", info().name, " reads ",
                        text ? "pictures" : "texts", " only");
  }
  const size_t bytes_max =
      text ? limits_.text_bytes_max : limits_.image_bytes_max;
  if (input.content.size() > bytes_max) {
    return absl::StrCat("has more bytes than the allowed ", bytes_max, ": ",
                        input.content.size());
  }
  return "";
}

void ModelPipeline::Vectorize(std::vector<PipelineInput> inputs,
                              Priority priority, CallContext call, Done done) {
  const auto request = std::make_shared<Request>(
      *this, std::move(inputs), priority, std::move(call), std::move(done));
  if (request->size() == 0 ||
      request->size() > static_cast<size_t>(limits_.inputs_max)) {
    request->Fail(InvalidField(
        "inputs", absl::StrCat("must be 1 to ", limits_.inputs_max,
                               " per request; given: ", request->size())));
    return;
  }
  for (size_t i = 0; i < request->size(); ++i) {
    if (std::string problem = Problem(request->input(i)); !problem.empty()) {
      request->AddProblem(i, std::move(problem));
    }
  }
  if (LookUp(*request)) {
    request->AnswerKnown();
    return;
  }
  const size_t bytes = request->Bytes();
  if (!budget_.TryTake(bytes)) {
    request->Fail(WithRetryAfter(
        absl::ResourceExhaustedError(
            absl::StrCat("the inputs that wait for model ", info().name,
                         " have reached the allowed ", limits_.queue_bytes_max,
                         " bytes; try again later or send fewer at a time")),
        kCpuStageRetryAfter));
    return;
  }
  request->set_bytes_taken(bytes);
  // A request that has failed is prepared all the same, to find its other bad
  // inputs, but needs no place in the queue.
  if (!request->failed()) {
    auto slots = batcher_.Reserve(request->Modalities(), priority);
    if (!slots.ok()) {
      request->Fail(slots.status());
      return;
    }
    request->TakeSlots(*std::move(slots));
  }
  Prepare(request);
}

void ModelPipeline::VectorizeWhenRoom(PipelineInput input, CallContext call,
                                      absl::AnyInvocable<void() &&> admitted,
                                      Done done) {
  std::vector<PipelineInput> inputs;
  inputs.push_back(std::move(input));
  const auto request =
      std::make_shared<Request>(*this, std::move(inputs), Priority::kBulk,
                                std::move(call), std::move(done));
  if (std::string problem = Problem(request->input(0)); !problem.empty()) {
    std::move(admitted)();
    request->AddProblem(0, std::move(problem));
    request->FinishInput(0);
    return;
  }
  if (LookUp(*request)) {
    std::move(admitted)();
    request->AnswerKnown();
    return;
  }
  auto reserve = [this, request, admitted = std::move(admitted)]() mutable {
    request->set_bytes_taken(request->Bytes());
    batcher_.ReserveWhenRoom(
        request->input(0).modality, Priority::kBulk,
        [this, request, admitted = std::move(admitted)](
            absl::StatusOr<DynamicBatcher::Slot> slot) mutable {
          std::move(admitted)();
          if (!slot.ok()) {
            request->Fail(slot.status());
            return;
          }
          request->slot(0) = *std::move(slot);
          Prepare(request);
        });
  };
  budget_.TakeWhenRoom(request->Bytes(), std::move(reserve));
}

bool ModelPipeline::LookUp(Request& request) {
  if (cache_.cache == nullptr) return false;
  for (size_t i = 0; i < request.size(); ++i) {
    const PipelineInput& input = request.input(i);
    if (!Problem(input).empty()) continue;
    request.key(i) = EmbeddingCache::KeyOf(
        cache_.scope, input.modality == Modality::kImage, input.content);
    auto found = cache_.cache->Find(request.key(i));
    if (!found.has_value()) continue;
    request.output(i) = {std::move(found->embedding), found->truncated,
                         found->tokens};
    request.MarkKnown(i);
  }
  const int known = request.known_count();
  cache_hits_.Increment(known);
  cache_misses_.Increment(static_cast<double>(request.size()) - known);
  return static_cast<size_t>(known) == request.size();
}

void ModelPipeline::Answered(const Request& request, const Result& result) {
  if (request.bytes_taken() > 0) budget_.Give(request.bytes_taken());
  int64_t texts = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < request.size(); ++i) {
    if (request.input(i).modality == Modality::kText) ++texts;
  }
  const int64_t images = static_cast<int64_t>(request.size()) - texts;
  if (result.ok()) {
    for (const PipelineOutput& output : *result) tokens += output.tokens;
    text_inputs_.Increment(static_cast<double>(texts));
    image_inputs_.Increment(static_cast<double>(images));
    tokens_.Increment(static_cast<double>(tokens));
  }
  if (!DebugIsLogged()) return;
  LogDebug(
      "vectorized",
      {{"model", info().name},
       {"texts", texts},
       {"images", images},
       {"tokens", tokens},
       {"from_cache", request.known_count()},
       {"bytes", static_cast<int64_t>(request.bytes_taken())},
       {"bulk", request.priority() == Priority::kBulk},
       {"code", absl::StatusCodeToString(result.status().code())},
       {"seconds", absl::ToDoubleSeconds(clock_.Now() - request.begin())}});
}

void ModelPipeline::Prepare(std::shared_ptr<Request> request) {
  for (size_t i = 0; i < request->size(); ++i) {
    if (request->known(i)) continue;
    if (!cpu_stage_.TrySchedule(request->priority(), [this, request, i] {
          PrepareInput(request, i);
        })) {
      request->AddError(
          i, WithRetryAfter(
                 absl::ResourceExhaustedError(
                     "too many inputs wait to be decoded; try again later or "
                     "send fewer at a time"),
                 kCpuStageRetryAfter));
      request->FinishInput(i);
    }
  }
}

void ModelPipeline::PrepareInput(const std::shared_ptr<Request>& request,
                                 size_t index) {
  const PipelineInput& input = request->input(index);
  const absl::Time begin = clock_.Now();
  if (absl::Status wanted = request->call().Check(begin); !wanted.ok()) {
    request->AddError(index, std::move(wanted));
    request->FinishInput(index);
    return;
  }
  // What Problem() found is already noted.
  if (!Problem(input).empty()) {
    request->FinishInput(index);
    return;
  }
  auto prepared = MakeEncoderInput(input);
  (input.modality == Modality::kText ? text_seconds_ : image_seconds_)
      .Observe(absl::ToDoubleSeconds(clock_.Now() - begin));
  if (!prepared.ok()) {
    request->AddError(index, std::move(prepared).status());
    request->FinishInput(index);
    return;
  }
  if (request->failed()) {
    request->FinishInput(index);
    return;
  }
  if (const auto* tokens = std::get_if<TokenIds>(&*prepared)) {
    request->output(index).truncated = tokens->truncated;
    request->output(index).tokens = static_cast<int>(tokens->ids.size());
  }
  batcher_.Submit(std::move(request->slot(index)),
                  {*std::move(prepared), request->priority(), request->call(),
                   [this, request, index](absl::StatusOr<Embedding> embedding) {
                     if (embedding.ok()) {
                       Keep(*request, index, *embedding);
                       request->output(index).embedding = *std::move(embedding);
                     } else {
                       request->AddError(index, std::move(embedding).status());
                     }
                     request->FinishInput(index);
                   }});
}

void ModelPipeline::Keep(Request& request, size_t index,
                         const Embedding& embedding) {
  if (cache_.cache == nullptr) return;
  const PipelineOutput& output = request.output(index);
  cache_.cache->Insert(request.key(index),
                       {embedding, output.truncated, output.tokens});
}

absl::StatusOr<std::variant<TokenIds, Image>> ModelPipeline::MakeEncoderInput(
    const PipelineInput& input) const {
  if (input.modality == Modality::kText) {
    DIPTYCH_ASSIGN_OR_RETURN(TokenIds tokens,
                             model_.tokenizer->Tokenize(input.content));
    return tokens;
  }
  DIPTYCH_ASSIGN_OR_RETURN(const Image image, decoder_(input.content));
  DIPTYCH_ASSIGN_OR_RETURN(Image preprocessed,
                           model_.image_preprocessor->Preprocess(image));
  return preprocessed;
}

}  // namespace diptych::inference
