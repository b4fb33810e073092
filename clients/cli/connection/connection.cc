#include "cli/connection/connection.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/output/error_report.h"

namespace diptych::cli {
namespace {

constexpr int kReconnectMilliseconds = 3000;
constexpr int kKeepaliveMilliseconds = 30'000;

}  // namespace

std::shared_ptr<grpc::Channel> Connection::GetChannel() {
  absl::MutexLock lock(&mutex_);
  if (channel_ == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
    arguments.SetUserAgentPrefix("diptych-cli");
    // gRPC would wait up to two minutes before it connects again; an import
    // should notice sooner that the server is back.
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMilliseconds);
    // A server that vanishes in the middle of a stream is noticed.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
    channel_ = grpc::CreateCustomChannel(
        address_, grpc::InsecureChannelCredentials(), arguments);
  }
  return channel_;
}

absl::Status Connection::Explain(const absl::Status& status,
                                 grpc::Channel& channel) {
  // A server that answers UNAVAILABLE itself (its inference service is down) is
  // connected.
  if (!absl::IsUnavailable(status) ||
      channel.GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
    return status;
  }
  const bool storage = name_ == "storage";
  return WithHint(absl::UnavailableError(
                      absl::StrCat("no ", name_, " service answers at ",
                                   address_, " (", status.message(), ")")),
                  absl::StrCat("start it with `", name_, "-server --listen ",
                               address_, storage ? " --data DIR" : "",
                               "`, or name another address with ",
                               storage ? "--server or DIPTYCH_SERVER"
                                       : "--inference or DIPTYCH_INFERENCE"));
}

}  // namespace diptych::cli
