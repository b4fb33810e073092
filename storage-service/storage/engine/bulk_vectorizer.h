// Makes vectors for imports: in large calls, and patiently.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "storage/engine/vectorizer.h"

namespace diptych::storage {

struct BulkVectorizerOptions {
  // Full calls at a time. A call that is not full is made only while no other
  // is under way, so that inputs gather meanwhile.
  int calls_max = 4;
  // Before another try; doubles up to the second, and the service's own
  // RetryInfo counts where it asks for more.
  absl::Duration backoff_initial = absl::Milliseconds(200);
  absl::Duration backoff_max = absl::Seconds(5);
  // How long the service may answer nothing but "busy" or "away" before inputs
  // are given up.
  absl::Duration patience = absl::Minutes(5);
};

// Operation: inputs of all requests for one model share calls of up to
// Vectorizer::kInputsMax inputs and kBytesMax bytes, a bounded share of each
// request in turn. UNAVAILABLE, RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED are
// tried again after a delay, for as long as `patience`; the last two also halve
// the calls, which then grow again. An input that the service names as bad
// fails alone; when it names none, calls are halved until the bad one stands
// alone. What nobody waits for any more is not sent.
// Concurrency: Submit may be called from any thread and does not block. `done`
// runs on a thread of this class. The destructor ends delays, waits for the
// calls under way and gives up the rest (CANCELLED).
// Limits: holds no bytes itself; callers bound what they submit.
class BulkVectorizer {
 public:
  struct Made {
    std::vector<float> vector;
    std::string model_fingerprint;
  };
  using Results = std::vector<absl::StatusOr<Made>>;
  using Done = absl::AnyInvocable<void(Results) &&>;

  // `metrics` may be null. All outlive it.
  BulkVectorizer(Vectorizer* vectorizer, Clock* clock,
                 const BulkVectorizerOptions& options,
                 MetricsRegistry* metrics);
  ~BulkVectorizer();
  BulkVectorizer(const BulkVectorizer&) = delete;
  BulkVectorizer& operator=(const BulkVectorizer&) = delete;

  // `done` gets one result per input, in order; the inputs' bytes outlive it.
  // Errors of an input: as Vectorizer, INVALID_ARGUMENT with the description of
  // that input alone as message.
  void Submit(const CallContext& context, std::string model,
              std::vector<VectorizerInput> inputs, Done done)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Request;
  // An input and where its result goes.
  struct Entry {
    std::shared_ptr<Request> request;
    size_t position = 0;
  };
  struct Call {
    std::string model;
    std::vector<Entry> entries;
  };
  struct Metrics {
    explicit Metrics(MetricsRegistry& registry);
    Gauge& waiting;
    Histogram& call_inputs;
    Counter& retries;
    Counter& failures;
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MayCall() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Call TakeCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the vectors of `call`, in several calls where that is needed.
  void Run(Call call) ABSL_LOCKS_EXCLUDED(mutex_);
  // One call; what must be tried again is put on `again`.
  void Try(Call call, std::vector<Call>& again) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits out the delay that was last asked for; false when stopping.
  bool AwaitTurn() ABSL_LOCKS_EXCLUDED(mutex_);
  // The service answered a call of so many inputs (0: with an error of theirs).
  void Succeeded(size_t inputs) ABSL_LOCKS_EXCLUDED(mutex_);
  // Notes that the service is busy or away; false when patience has ended.
  bool BackOff(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Fails inputs that nobody waits for, and returns the others.
  Call DropUnwanted(Call call);
  void Complete(const Entry& entry, absl::StatusOr<Made> result);
  void FailAll(const Call& call, const absl::Status& status);

  Vectorizer* const vectorizer_;
  Clock* const clock_;
  const BulkVectorizerOptions options_;
  const std::unique_ptr<MetricsRegistry> own_metrics_;
  Metrics metrics_;

  absl::Mutex mutex_;
  // By model, requests with inputs that were not sent yet.
  std::map<std::string, std::deque<std::shared_ptr<Request>>> waiting_
      ABSL_GUARDED_BY(mutex_);
  // The model whose turn was last.
  std::string last_model_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_inputs_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t call_inputs_max_ ABSL_GUARDED_BY(mutex_) = Vectorizer::kInputsMax;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  // Failures in a row, and since when.
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time failing_since_ ABSL_GUARDED_BY(mutex_);
  absl::Time resume_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Started with the first request.
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::storage
