#include "tests/recovery/server_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace diptych::storage {
namespace {

constexpr absl::Duration kStartPatience = absl::Minutes(2);

// The value of a text member in one line of the log, or nothing.
std::string Member(const std::string& log, const std::string& name) {
  const std::string before = absl::StrCat("\"", name, "\":\"");
  const size_t begin = log.find(before);
  if (begin == std::string::npos) return "";
  const size_t end = log.find('"', begin + before.size());
  if (end == std::string::npos) return "";
  return log.substr(begin + before.size(), end - begin - before.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(
    const std::filesystem::path& program,
    const std::vector<std::string>& arguments) {
  // What the child uses between fork and exec is made before.
  std::vector<std::string> words = {program.string(), "--listen=127.0.0.1:0",
                                    "--http-listen", ""};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int ends[2];
  if (pipe(ends) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  const pid_t process = fork();
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return absl::ErrnoToStatus(errno, "cannot fork");
  }
  std::unique_ptr<ServerProcess> server(new ServerProcess(process, ends[0]));
  const absl::Time deadline = absl::Now() + kStartPatience;
  while (server->address_.empty()) {
    const bool open = server->ReadLog(
        std::min(deadline, absl::Now() + absl::Milliseconds(20)));
    if (absl::StrContains(server->log_, "\"serving\"")) {
      server->address_ = Member(server->log_, "address");
    }
    if (server->address_.empty() && (!open || absl::Now() >= deadline)) {
      return absl::InternalError(
          absl::StrCat(words[0], " did not come up: ", server->log_));
    }
  }
  return server;
}

ServerProcess::~ServerProcess() {
  Kill();
  close(log_pipe_);
}

std::shared_ptr<grpc::Channel> ServerProcess::Connect() const {
  grpc::ChannelArguments arguments;
  // Each connection its own, so that each sees the server's end by itself.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(),
                                   arguments);
}

bool ServerProcess::LetRun(absl::Duration duration) {
  const absl::Time deadline = absl::Now() + duration;
  while (absl::Now() < deadline) {
    if (!ReadLog(deadline)) return false;
  }
  return true;
}

void ServerProcess::Kill() {
  if (process_ == 0) return;
  kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
  while (ReadLog(absl::Now() + absl::Seconds(1))) {
  }
}

bool ServerProcess::ReadLog(absl::Time deadline) {
  pollfd ready{log_pipe_, POLLIN, 0};
  const timespec patience =
      absl::ToTimespec(std::max(deadline - absl::Now(), absl::ZeroDuration()));
  if (ppoll(&ready, 1, &patience, nullptr) <= 0) return true;
  char bytes[4096];
  const ssize_t size = read(log_pipe_, bytes, sizeof(bytes));
  if (size < 0 && errno == EINTR) return true;
  if (size <= 0) return false;
  log_.append(bytes, static_cast<size_t>(size));
  return true;
}

}  // namespace diptych::storage
