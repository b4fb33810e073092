// Unary methods of the callback API whose work runs on other threads.
//
// Two ways, both of which return the reactor that the generated service wants:
//
//   grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
//                                 const GetRequest* request,
//                                 GetResponse* response) override {
//     return RunUnaryCall(context, {.metrics = &get_metrics_}, read_executor_,
//                         [=, this](const CallContext& call) {
//                           return HandleGet(*request, call, response);
//                         });
//   }
//
// RunUnaryCall runs a handler that may block, on a bounded executor; the
// deadline and the caller's cancellation are checked when the handler leaves
// the queue. A handler that is known to be short may run in the calling thread
// (inline_runs.h). StartUnaryCall starts a handler that does not block and
// answers later, from any thread, by calling `done` once.
//
// Request and response live until the call is finished. When the status is not
// OK the response is dropped.
//
// Errors: RESOURCE_EXHAUSTED with google.rpc.RetryInfo when the executor's
// queue is full; CANCELLED or DEADLINE_EXCEEDED when the answer is not wanted
// any more. Concurrency: called on gRPC's threads, which they never block, and
// keep from other work only as UnaryCallOptions::inline_runs allows.
// Limits: the executor's.
#pragma once

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "common/concurrency/executor.h"
#include "common/rpc/inline_runs.h"
#include "common/rpc/rpc_metrics.h"
#include "common/time/clock.h"
#include "grpcpp/support/server_callback.h"

namespace diptych {

struct UnaryCallOptions {
  // Null: not measured. Outlives the call.
  MethodMetrics* metrics = nullptr;
  // What RetryInfo tells callers when the queue is full.
  absl::Duration retry_after = absl::Milliseconds(200);
  Clock* clock = &Clock::System();
  // Not null: the handler is short and does not wait for anything, so
  // RunUnaryCall may run it at once while there is a place. Outlives the call.
  InlineRuns* inline_runs = nullptr;
};

using BlockingHandler = absl::AnyInvocable<absl::Status(const CallContext&) &&>;

grpc::ServerUnaryReactor* RunUnaryCall(grpc::CallbackServerContext* context,
                                       const UnaryCallOptions& options,
                                       Executor& executor,
                                       BlockingHandler handler);

using UnaryCallDone = absl::AnyInvocable<void(absl::Status) &&>;
using AsyncHandler =
    absl::AnyInvocable<void(const CallContext&, UnaryCallDone done) &&>;

grpc::ServerUnaryReactor* StartUnaryCall(grpc::CallbackServerContext* context,
                                         const UnaryCallOptions& options,
                                         AsyncHandler handler);

// A call's deadline; absl::InfiniteFuture() when the client set none.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context);

}  // namespace diptych
