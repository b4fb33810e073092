#include "storage/inference_client/grpc_vectorizer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "grpcpp/channel.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace diptych::storage {
namespace {

constexpr int kMessageBytesMax = 64 << 20;
// A service that comes back is found within two seconds.
constexpr absl::Duration kRetryDelay = absl::Seconds(2);

// Embedding is free of side effects, so it may be repeated. RESOURCE_EXHAUSTED
// is not retried here: its RetryInfo belongs to whoever holds the work.
constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{"service": "diptych.inference.v1.InferenceService"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
})";

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetServiceConfigJSON(kServiceConfig);
  // By default a call of more than 256 KiB, so any picture, is silently never
  // retried.
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kMessageBytesMax);
  // A service that comes back is found within two seconds, a new replica within
  // five.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status CheckAnswer(const inference::v1::VectorizeResponse& response,
                         size_t inputs) {
  if (static_cast<size_t>(response.embeddings_size()) != inputs ||
      response.fingerprint().empty()) {
    return absl::InternalError(
        absl::StrCat("the inference service answered ",
                     response.embeddings_size(), " embeddings for ", inputs,
                     " inputs, by the model \"", response.fingerprint(), "\""));
  }
  for (const auto& embedding : response.embeddings()) {
    if (embedding.values_size() != response.dimension() ||
        embedding.values().empty() ||
        !std::all_of(embedding.values().begin(), embedding.values().end(),
                     [](float x) { return std::isfinite(x); })) {
      return absl::InternalError(
          absl::StrCat("the inference service answered an embedding of ",
                       embedding.values_size(), " numbers that are not ",
                       response.dimension(), " finite ones"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

GrpcVectorizer::GrpcVectorizer(const GrpcVectorizerOptions& options,
                               const Clock& clock)
    : options_(options),
      clock_(clock),
      stub_(inference::v1::InferenceService::NewStub(
          MakeChannel(options.target))) {}

absl::StatusOr<Vectorization> GrpcVectorizer::Vectorize(
    const CallContext& context, absl::string_view model,
    absl::Span<const VectorizerInput> inputs) {
  const absl::Time now = clock_.Now();
  DIPTYCH_RETURN_IF_ERROR(context.Check(now));
  inference::v1::VectorizeRequest request;
  request.set_model(std::string(model));
  for (const VectorizerInput& input : inputs) {
    auto* added = request.add_inputs();
    if (input.kind == VectorizerInputKind::kText) {
      added->set_text(std::string(input.bytes));
    } else {
      added->set_image(std::string(input.bytes));
    }
  }
  grpc::ClientContext client_context;
  client_context.set_deadline(
      absl::ToChronoTime(std::min(context.deadline - options_.answer_margin,
                                  now + options_.call_duration_max)));
  inference::v1::VectorizeResponse response;
  DIPTYCH_RETURN_IF_ERROR(
      CallStatus(stub_->Vectorize(&client_context, request, &response)));
  DIPTYCH_RETURN_IF_ERROR(CheckAnswer(response, inputs.size()));

  Vectorization result;
  result.model = response.model();
  result.model_fingerprint = response.fingerprint();
  result.vectors.reserve(response.embeddings_size());
  for (const auto& embedding : response.embeddings()) {
    result.vectors.emplace_back(embedding.values().begin(),
                                embedding.values().end());
  }
  return result;
}

absl::Status GrpcVectorizer::CallStatus(const grpc::Status& status) {
  reachable_ = status.error_code() != grpc::StatusCode::UNAVAILABLE &&
               status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE)
    return FromGrpcStatus(status);
  return WithReason(
      WithRetryAfter(
          absl::UnavailableError(absl::StrCat(
              "the inference service at ", options_.target,
              " cannot be reached, so no vector can be made of text or images; "
              "searches by vector or by object, and objects that bring their "
              "vectors, go on: ",
              status.error_message())),
          kRetryDelay),
      "INFERENCE_UNAVAILABLE");
}

}  // namespace diptych::storage
