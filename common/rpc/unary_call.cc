#include "common/rpc/unary_call.h"

#include <chrono>
#include <memory>
#include <utility>

#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "grpcpp/server_context.h"

namespace diptych {
namespace {

// Owns itself from its making to OnDone, which gRPC calls after Complete.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const grpc::CallbackServerContext& context,
            const UnaryCallOptions& options)
      : options_(options),
        started_(options.clock->Now()),
        cancellation_(std::make_shared<Cancellation>()),
        call_{DeadlineOf(context), cancellation_} {
    if (options_.metrics != nullptr) options_.metrics->Started();
  }

  const CallContext& call() const { return call_; }
  const UnaryCallOptions& options() const { return options_; }

  // Called once; the object may be gone afterwards.
  void Complete(const absl::Status& status) {
    if (options_.metrics != nullptr) {
      options_.metrics->Finished(status.code(),
                                 options_.clock->Now() - started_);
    }
    Finish(ToGrpcStatus(status));
  }

 private:
  void OnCancel() override {
    // A reference of its own: the call may be answered, and drop the others,
    // meanwhile.
    const std::shared_ptr<Cancellation> cancellation = cancellation_;
    cancellation->Cancel();
  }
  void OnDone() override { delete this; }

  const UnaryCallOptions options_;
  const absl::Time started_;
  const std::shared_ptr<Cancellation> cancellation_;
  const CallContext call_;
};

// The call may be gone afterwards.
void Run(UnaryCall& call, BlockingHandler handler) {
  absl::Status status = call.call().Check(call.options().clock->Now());
  if (status.ok()) status = std::move(handler)(call.call());
  // What the handler holds goes before the call it may refer to.
  handler = nullptr;
  call.Complete(status);
}

}  // namespace

grpc::ServerUnaryReactor* RunUnaryCall(grpc::CallbackServerContext* context,
                                       const UnaryCallOptions& options,
                                       Executor& executor,
                                       BlockingHandler handler) {
  auto* const call = new UnaryCall(*context, options);
  if (options.inline_runs != nullptr && options.inline_runs->TryEnter()) {
    // gRPC lets go of the call only after it has got it from here.
    Run(*call, std::move(handler));
    options.inline_runs->Leave();
    return call;
  }
  const bool taken =
      executor.TrySchedule([call, handler = std::move(handler)]() mutable {
        Run(*call, std::move(handler));
      });
  if (!taken) {
    call->Complete(WithRetryAfter(
        absl::ResourceExhaustedError(
            "the server has as many calls waiting as it allows; try again "
            "later or send fewer at a time"),
        options.retry_after));
  }
  return call;
}

grpc::ServerUnaryReactor* StartUnaryCall(grpc::CallbackServerContext* context,
                                         const UnaryCallOptions& options,
                                         AsyncHandler handler) {
  auto* const call = new UnaryCall(*context, options);
  std::move(handler)(call->call(),
                     [call](absl::Status status) { call->Complete(status); });
  return call;
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  // gRPC gives the far end of the clock for "none".
  if (deadline >=
      std::chrono::system_clock::time_point::max() - std::chrono::hours(24)) {
    return absl::InfiniteFuture();
  }
  return absl::FromChrono(deadline);
}

}  // namespace diptych
