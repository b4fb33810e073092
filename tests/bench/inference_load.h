// Clients that load an inference service over gRPC.
//
// Operation: every client is a thread with a connection of its own that sends
// one picture per call, and the next when it has the answer.
// Concurrency: one thread makes, uses and destroys a ClientLoad.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"

namespace diptych {

// One connection; requests of a benchmark wait as long as it takes.
class InferenceClient {
 public:
  explicit InferenceClient(const std::string& address);

  // How long the answer took, or its error.
  absl::StatusOr<absl::Duration> Vectorize(
      const inference::v1::VectorizeRequest& request);

 private:
  std::unique_ptr<inference::v1::InferenceService::Stub> stub_;
};

// A request with `image`, the bytes of a picture's file.
inference::v1::VectorizeRequest ImageRequest(const std::string& image,
                                             inference::v1::Priority priority);

class ClientLoad {
 public:
  // Starts `clients` threads that send `images` in turn; they outlive it.
  ClientLoad(const std::string& address, int clients,
             const std::vector<std::string>& images,
             inference::v1::Priority priority);
  // Waits for the answers under way.
  ~ClientLoad();
  ClientLoad(const ClientLoad&) = delete;
  ClientLoad& operator=(const ClientLoad&) = delete;

  int64_t answered() const { return answered_.load(); }
  // Calls that ended with an error; the first one is printed.
  int64_t failed() const { return failed_.load(); }

 private:
  void Run(const std::string& address, size_t client,
           const std::vector<std::string>& images,
           inference::v1::Priority priority);

  std::atomic<bool> ending_{false};
  std::atomic<int64_t> answered_{0};
  std::atomic<int64_t> failed_{0};
  std::vector<std::thread> threads_;
};

}  // namespace diptych
