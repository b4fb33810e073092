#include "inference_load.h"

#include <cstdio>

#include "absl/time/clock.h"
#include "common/rpc/status_conversion.h"
#include "grpcpp/grpcpp.h"

namespace diptych {

namespace v1 = inference::v1;

InferenceClient::InferenceClient(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Else channels to one address share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stub_ = v1::InferenceService::NewStub(grpc::CreateCustomChannel(
      address, grpc::InsecureChannelCredentials(), arguments));
}

absl::StatusOr<absl::Duration> InferenceClient::Vectorize(
    const v1::VectorizeRequest& request) {
  grpc::ClientContext context;
  v1::VectorizeResponse response;
  const absl::Time begin = absl::Now();
  const absl::Status status =
      FromGrpcStatus(stub_->Vectorize(&context, request, &response));
  if (!status.ok()) return status;
  return absl::Now() - begin;
}

v1::VectorizeRequest ImageRequest(const std::string& image,
                                  v1::Priority priority) {
  v1::VectorizeRequest request;
  request.add_inputs()->set_image(image);
  request.set_priority(priority);
  return request;
}

ClientLoad::ClientLoad(const std::string& address, int clients,
                       const std::vector<std::string>& images,
                       v1::Priority priority) {
  for (int client = 0; client < clients; ++client) {
    threads_.emplace_back([this, address, client, &images, priority] {
      Run(address, static_cast<size_t>(client), images, priority);
    });
  }
}

ClientLoad::~ClientLoad() {
  ending_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void ClientLoad::Run(const std::string& address, size_t client,
                     const std::vector<std::string>& images,
                     v1::Priority priority) {
  InferenceClient connection(address);
  for (size_t i = client; !ending_; ++i) {
    const auto answer =
        connection.Vectorize(ImageRequest(images[i % images.size()], priority));
    if (answer.ok()) {
      ++answered_;
    } else if (++failed_ == 1) {
      std::printf("a call failed: %s\n", answer.status().ToString().c_str());
    }
  }
}

}  // namespace diptych
