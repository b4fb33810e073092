#include "storage/engine/bulk_vectorizer.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::storage {
namespace {

// Of one request at a time, so that a large one does not keep others waiting.
constexpr size_t kShareMax = 64;
// A service that asks for more is asked again all the same.
constexpr absl::Duration kRetryAfterMax = absl::Seconds(60);

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// Descriptions of bad inputs by their position in the call.
std::map<size_t, std::string> BadInputs(const absl::Status& status,
                                        size_t inputs) {
  std::map<size_t, std::string> bad;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    absl::string_view field = violation.field;
    size_t position;
    if (!absl::StartsWith(field, "inputs[")) continue;
    field.remove_prefix(7);
    if (absl::SimpleAtoi(field.substr(0, field.find(']')), &position) &&
        position < inputs) {
      bad.emplace(position, violation.description);
    }
  }
  return bad;
}

}  // namespace

struct BulkVectorizer::Request {
  CallContext context;
  std::vector<VectorizerInput> inputs;
  // Each is written by the thread that runs its call.
  Results results;
  Done done;
  // Guarded by the vectorizer's mutex.
  size_t next = 0;
  // The thread that takes the last one calls `done`.
  std::atomic<size_t> unfinished{0};
};

BulkVectorizer::Metrics::Metrics(MetricsRegistry& registry)
    : waiting(registry.AddGauge({"diptych_import_inputs_waiting",
                                 "Texts and images of imports that wait for a "
                                 "call of the inference service"})),
      call_inputs(registry.AddHistogram(
          {"diptych_import_call_inputs",
           "Texts and images per call of the inference service, of imports"},
          SizeBuckets())),
      retries(registry.AddCounter(
          {"diptych_import_call_retries_total",
           "Calls of imports that found the inference service busy or away"})),
      failures(registry.AddCounter({"diptych_import_inputs_failed_total",
                                    "Texts and images of imports without a "
                                    "vector in the end"})) {}

BulkVectorizer::BulkVectorizer(Vectorizer* vectorizer, Clock* clock,
                               const BulkVectorizerOptions& options,
                               MetricsRegistry* metrics)
    : vectorizer_(vectorizer),
      clock_(clock),
      options_(options),
      own_metrics_(metrics == nullptr ? std::make_unique<MetricsRegistry>()
                                      : nullptr),
      metrics_(metrics == nullptr ? *own_metrics_ : *metrics) {}

BulkVectorizer::~BulkVectorizer() {
  std::vector<std::thread> threads;
  std::map<std::string, std::deque<std::shared_ptr<Request>>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
    waiting.swap(waiting_);
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& [model, requests] : waiting) {
    for (std::shared_ptr<Request>& request : requests) {
      for (size_t i = request->next; i < request->inputs.size(); ++i) {
        Complete({request, i}, absl::CancelledError("the server is stopping"));
      }
    }
  }
}

void BulkVectorizer::Submit(const CallContext& context, std::string model,
                            std::vector<VectorizerInput> inputs, Done done) {
  if (inputs.empty()) {
    std::move(done)({});
    return;
  }
  auto request = std::make_shared<Request>();
  request->context = context;
  request->inputs = std::move(inputs);
  request->results.assign(request->inputs.size(), absl::UnknownError(""));
  request->unfinished = request->inputs.size();
  request->done = std::move(done);
  absl::MutexLock lock(&mutex_);
  for (const VectorizerInput& input : request->inputs) {
    waiting_bytes_ += input.bytes.size();
  }
  waiting_inputs_ += request->inputs.size();
  metrics_.waiting.Set(static_cast<double>(waiting_inputs_));
  waiting_[std::move(model)].push_back(std::move(request));
  if (threads_.empty() && !stopping_) {
    for (int i = 0; i < options_.calls_max; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
}

bool BulkVectorizer::MayCall() const {
  if (waiting_inputs_ == 0) return false;
  return calls_ == 0 || waiting_inputs_ >= call_inputs_max_ ||
         waiting_bytes_ >= Vectorizer::kBytesMax;
}

void BulkVectorizer::Work() {
  while (true) {
    Call call;
    {
      absl::MutexLock lock(&mutex_);
      auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || MayCall();
      };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      call = TakeCall();
      ++calls_;
    }
    Run(std::move(call));
    absl::MutexLock lock(&mutex_);
    --calls_;
  }
}

BulkVectorizer::Call BulkVectorizer::TakeCall() {
  auto queue = waiting_.upper_bound(last_model_);
  if (queue == waiting_.end()) queue = waiting_.begin();
  last_model_ = queue->first;
  Call call{queue->first, {}};
  std::deque<std::shared_ptr<Request>>& requests = queue->second;
  size_t bytes = 0;
  bool full = false;
  while (!requests.empty() && !full) {
    std::shared_ptr<Request> request = std::move(requests.front());
    requests.pop_front();
    for (size_t share = 0;
         share < kShareMax && request->next < request->inputs.size(); ++share) {
      const size_t size = request->inputs[request->next].bytes.size();
      full = call.entries.size() >= call_inputs_max_ ||
             (!call.entries.empty() && bytes + size > Vectorizer::kBytesMax);
      if (full) break;
      bytes += size;
      call.entries.push_back({request, request->next++});
    }
    if (request->next == request->inputs.size()) continue;
    // A request that the full call cut short is first in the next one.
    if (full) {
      requests.push_front(std::move(request));
    } else {
      requests.push_back(std::move(request));
    }
  }
  waiting_inputs_ -= call.entries.size();
  waiting_bytes_ -= bytes;
  metrics_.waiting.Set(static_cast<double>(waiting_inputs_));
  if (requests.empty()) waiting_.erase(queue);
  return call;
}

void BulkVectorizer::Run(Call call) {
  std::vector<Call> remaining;
  remaining.push_back(std::move(call));
  while (!remaining.empty()) {
    const bool go_on = AwaitTurn();
    Call next = DropUnwanted(std::move(remaining.back()));
    remaining.pop_back();
    if (!go_on) {
      FailAll(next, absl::CancelledError("the server is stopping"));
    } else if (!next.entries.empty()) {
      Try(std::move(next), remaining);
    }
  }
}

void BulkVectorizer::Try(Call call, std::vector<Call>& again) {
  std::vector<VectorizerInput> inputs;
  inputs.reserve(call.entries.size());
  for (const Entry& entry : call.entries) {
    inputs.push_back(entry.request->inputs[entry.position]);
  }
  metrics_.call_inputs.Observe(static_cast<double>(inputs.size()));
  auto made = vectorizer_->Vectorize({}, call.model, inputs);
  const absl::Status& status = made.status();
  if (made.ok() && (made->vectors.size() != inputs.size() ||
                    made->model_fingerprint.empty())) {
    FailAll(call, absl::InternalError(absl::StrCat(
                      "the inference service answered ", inputs.size(),
                      " inputs with ", made->vectors.size(), " vectors")));
    return;
  }
  if (made.ok()) {
    Succeeded(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      Complete(call.entries[i],
               Made{std::move(made->vectors[i]), made->model_fingerprint});
    }
    return;
  }
  const auto halve = [&call, &again] {
    Call second{call.model, {}};
    const auto middle = call.entries.begin() + call.entries.size() / 2;
    second.entries.assign(middle, call.entries.end());
    call.entries.erase(middle, call.entries.end());
    again.push_back(std::move(second));
    again.push_back(std::move(call));
  };
  if (IsTransient(status)) {
    if (!BackOff(status)) {
      FailAll(
          call,
          Annotate(status, absl::StrCat("the inference service was busy or "
                                        "away for ",
                                        absl::FormatDuration(options_.patience),
                                        " and more")));
    } else if (absl::IsUnavailable(status) || call.entries.size() == 1) {
      again.push_back(std::move(call));
    } else {
      halve();
    }
    return;
  }
  Succeeded(0);
  if (!absl::IsInvalidArgument(status)) {
    FailAll(call, status);
    return;
  }
  const std::map<size_t, std::string> bad = BadInputs(status, inputs.size());
  if (bad.empty()) {
    if (call.entries.size() == 1) {
      FailAll(call, status);
    } else {
      halve();
    }
    return;
  }
  Call good{call.model, {}};
  for (size_t i = 0; i < call.entries.size(); ++i) {
    const auto found = bad.find(i);
    if (found == bad.end()) {
      good.entries.push_back(std::move(call.entries[i]));
    } else {
      Complete(call.entries[i], absl::InvalidArgumentError(found->second));
    }
  }
  again.push_back(std::move(good));
}

bool BulkVectorizer::AwaitTurn() {
  absl::MutexLock lock(&mutex_);
  auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_;
  };
  while (!stopping_ && clock_->Now() < resume_time_) {
    clock_->AwaitWithDeadline(mutex_, absl::Condition(&stopping), resume_time_);
  }
  return !stopping_;
}

void BulkVectorizer::Succeeded(size_t inputs) {
  absl::MutexLock lock(&mutex_);
  failures_ = 0;
  if (inputs < call_inputs_max_) return;
  call_inputs_max_ =
      std::min(Vectorizer::kInputsMax,
               call_inputs_max_ + std::max<size_t>(1, call_inputs_max_ / 8));
}

bool BulkVectorizer::BackOff(const absl::Status& status) {
  metrics_.retries.Increment();
  absl::MutexLock lock(&mutex_);
  const absl::Time now = clock_->Now();
  if (failures_ == 0) failing_since_ = now;
  if (!absl::IsUnavailable(status)) {
    call_inputs_max_ = std::max<size_t>(1, call_inputs_max_ / 2);
  }
  // A call that began before the others' failure is no further failure.
  if (now >= resume_time_) {
    absl::Duration delay = options_.backoff_initial;
    for (int i = 0; i < failures_ && delay < options_.backoff_max; ++i) {
      delay *= 2;
    }
    delay = std::min(delay, options_.backoff_max);
    // Spread, so that several servers do not come back together.
    delay *= absl::Uniform(random_, 1.0, 1.25);
    if (const auto asked = RetryAfterOf(status)) {
      delay = std::max(delay, std::min(*asked, kRetryAfterMax));
    }
    resume_time_ = now + delay;
    ++failures_;
  }
  return now - failing_since_ < options_.patience;
}

BulkVectorizer::Call BulkVectorizer::DropUnwanted(Call call) {
  Call wanted{std::move(call.model), {}};
  const absl::Time now = clock_->Now();
  for (Entry& entry : call.entries) {
    if (absl::Status status = entry.request->context.Check(now); !status.ok()) {
      Complete(entry, std::move(status));
    } else {
      wanted.entries.push_back(std::move(entry));
    }
  }
  return wanted;
}

void BulkVectorizer::Complete(const Entry& entry, absl::StatusOr<Made> result) {
  Request& request = *entry.request;
  if (!result.ok()) metrics_.failures.Increment();
  request.results[entry.position] = std::move(result);
  if (request.unfinished.fetch_sub(1) == 1) {
    std::move(request.done)(std::move(request.results));
  }
}

void BulkVectorizer::FailAll(const Call& call, const absl::Status& status) {
  for (const Entry& entry : call.entries) Complete(entry, status);
}

}  // namespace diptych::storage
