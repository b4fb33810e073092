#include "inference/pipeline/model_pipeline.h"

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

constexpr MetricDescription kPrepareSeconds = {
    "diptych_inference_prepare_seconds",
    "Decoding and preprocessing one picture, or tokenising one text"};
constexpr absl::Duration kCpuStageRetryAfter = absl::Milliseconds(500);

}  // namespace

// One call of Vectorize. Shared by the tasks of its inputs; the one that
// finishes last answers.
class ModelPipeline::Request {
 public:
  Request(std::vector<PipelineInput> inputs, Priority priority,
          CallContext call, Done done)
      : inputs_(std::move(inputs)),
        priority_(priority),
        call_(std::move(call)),
        slots_(inputs_.size()),
        outputs_(inputs_.size()),
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

  std::vector<Modality> Modalities() const {
    std::vector<Modality> modalities;
    for (const PipelineInput& input : inputs_) {
      modalities.push_back(input.modality);
    }
    return modalities;
  }

  void TakeSlots(std::vector<DynamicBatcher::Slot> slots) {
    slots_ = std::move(slots);
  }

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
  void AddError(size_t index, const absl::Status& status) {
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      AddProblem(index, std::string(status.message()));
      return;
    }
    absl::MutexLock lock(&mutex_);
    if (error_.ok()) error_ = status;
    failed_ = true;
  }

  // One input has come to its end; the last one answers the request.
  void FinishInput(size_t index) {
    slots_[index].Release();
    absl::StatusOr<std::vector<PipelineOutput>> result;
    {
      absl::MutexLock lock(&mutex_);
      if (--remaining_ > 0) return;
      result = Result();
    }
    std::move(done_)(std::move(result));
  }

  // Answers a request none of whose inputs was started.
  void Fail(const absl::Status& status) { std::move(done_)(status); }

 private:
  absl::StatusOr<std::vector<PipelineOutput>> Result()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    FieldViolations violations;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!problems_[i].empty()) violations.Add(inputs_[i].field, problems_[i]);
    }
    DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
    DIPTYCH_RETURN_IF_ERROR(error_);
    return std::move(outputs_);
  }

  const std::vector<PipelineInput> inputs_;
  const Priority priority_;
  const CallContext call_;
  std::vector<DynamicBatcher::Slot> slots_;
  std::vector<PipelineOutput> outputs_;

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
                             MetricsRegistry& metrics)
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
      std::move(inputs), priority, std::move(call), std::move(done));
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
  const auto request = std::make_shared<Request>(
      std::move(inputs), Priority::kBulk, std::move(call), std::move(done));
  if (std::string problem = Problem(request->input(0)); !problem.empty()) {
    std::move(admitted)();
    request->AddProblem(0, std::move(problem));
    request->FinishInput(0);
    return;
  }
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
}

void ModelPipeline::Prepare(std::shared_ptr<Request> request) {
  for (size_t i = 0; i < request->size(); ++i) {
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
  if (const absl::Status wanted = request->call().Check(begin); !wanted.ok()) {
    request->AddError(index, wanted);
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
  if (!prepared.ok()) request->AddError(index, prepared.status());
  if (!prepared.ok() || request->failed()) {
    request->FinishInput(index);
    return;
  }
  if (const auto* tokens = std::get_if<TokenIds>(&*prepared)) {
    request->output(index).truncated = tokens->truncated;
    request->output(index).tokens = static_cast<int>(tokens->ids.size());
  }
  batcher_.Submit(std::move(request->slot(index)),
                  {*std::move(prepared), request->priority(), request->call(),
                   [request, index](absl::StatusOr<Embedding> embedding) {
                     if (embedding.ok()) {
                       request->output(index).embedding = *std::move(embedding);
                     } else {
                       request->AddError(index, embedding.status());
                     }
                     request->FinishInput(index);
                   }});
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
