// The command line's connections to both services.
//
// Operation: channels are made at the first use. Every unary call has a
// deadline. An
// error keeps the server's details; one that comes from not reaching the server
// at all says which service was not reached where, and how to start it.
// Concurrency: calls may be made from any thread.
// Limits: answers of at most kAnswerBytesMax. No encryption and no credentials:
// meant for loopback and trusted networks.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/rpc/status_conversion.h"
#include "grpcpp/grpcpp.h"

namespace diptych::cli {

// One address. Stubs are made per call, which costs nothing beside a call.
class Connection {
 public:
  // Somewhat more than the servers' limit on a message.
  static constexpr int kAnswerBytesMax = 80 << 20;

  // `name` is "storage" or "inference".
  Connection(std::string name, std::string address)
      : name_(std::move(name)), address_(std::move(address)) {}

  const std::string& name() const { return name_; }
  const std::string& address() const { return address_; }

  // Calls one unary method and waits for its answer:
  //   connection.Call(&SearchService::Stub::Query, request, timeout)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request, absl::Duration timeout) {
    const std::shared_ptr<grpc::Channel> channel = GetChannel();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         absl::ToChronoMilliseconds(timeout));
    Stub stub(channel);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return Explain(FromGrpcStatus(status), *channel);
    return response;
  }

  // For calls that stream: the channel, and what their end means.
  std::shared_ptr<grpc::Channel> GetChannel() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Explain(const absl::Status& status, grpc::Channel& channel);

 private:
  const std::string name_;
  const std::string address_;
  absl::Mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace diptych::cli
