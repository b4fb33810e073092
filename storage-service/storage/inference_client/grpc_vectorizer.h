// The Vectorizer that asks an inference service over gRPC.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/time/clock.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"
#include "storage/engine/vectorizer.h"

namespace diptych::storage {

struct GrpcVectorizerOptions {
  // A gRPC target: "dns:///inference:50051" spreads calls over every address of
  // the name.
  std::string target;
  // The longest a call may take, whatever the caller's deadline.
  absl::Duration call_duration_max = absl::Seconds(60);
  // Kept back from the caller's deadline, so that its error still reaches the
  // caller.
  absl::Duration answer_margin = absl::Milliseconds(50);
};

// Operation: one Vectorize RPC per call, with round robin over the addresses of
// the target and up to three retries of UNAVAILABLE within the deadline. What
// is left of the caller's deadline goes along. Errors are the service's own,
// with its details; an UNAVAILABLE says the target and that searches by vector
// go on. Concurrency: every method may be called from any thread; calls block
// their thread, so callers bound how many there are. A cancelled caller is
// noticed before a call, not during it. Limits: Vectorizer's.
class GrpcVectorizer final : public Vectorizer {
 public:
  GrpcVectorizer(const GrpcVectorizerOptions& options, const Clock& clock);

  absl::StatusOr<Vectorization> Vectorize(
      const CallContext& context, absl::string_view model,
      absl::Span<const VectorizerInput> inputs) override;

  const std::string& target() const { return options_.target; }
  // Whether the last call reached the service; false before the first.
  bool reachable() const { return reachable_; }

 private:
  absl::Status CallStatus(const grpc::Status& status);

  const GrpcVectorizerOptions options_;
  const Clock& clock_;
  const std::unique_ptr<inference::v1::InferenceService::Stub> stub_;
  std::atomic<bool> reachable_{false};
};

}  // namespace diptych::storage
