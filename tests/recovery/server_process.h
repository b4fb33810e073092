// The real storage-server as a child process that may be killed at any moment.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"

namespace diptych::storage {

// Operation: fork and exec; the server chooses its port, which is read from its
// log. The kernel kills it when the test dies.
// Concurrency: one thread, but for channel(), whose result any thread may use.
// Limits: what the server logs is kept in main memory.
class ServerProcess {
 public:
  // Waits until it serves. INTERNAL: it did not, with what it logged.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(
      const std::filesystem::path& program,
      const std::vector<std::string>& arguments);
  // Kills it if it still lives.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // A new connection.
  std::shared_ptr<grpc::Channel> Connect() const;

  // Lets it run so long, or until it ends by itself, which it should not: false
  // then, and log() says why.
  bool LetRun(absl::Duration duration);
  // SIGKILL; returns when it is gone. What was not read of the log is read.
  void Kill();

  const std::string& log() const { return log_; }

 private:
  ServerProcess(pid_t process, int log_pipe)
      : process_(process), log_pipe_(log_pipe) {}
  // Reads what comes until `deadline`. False: the server closed its log.
  bool ReadLog(absl::Time deadline);

  pid_t process_;
  const int log_pipe_;
  std::string log_;
  std::string address_;
};

}  // namespace diptych::storage
