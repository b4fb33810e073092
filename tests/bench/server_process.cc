#include "tests/bench/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace diptych {
namespace {

constexpr std::chrono::seconds kStopPatience(20);
constexpr std::chrono::milliseconds kStopPoll(5);

size_t KibibytesAfter(absl::string_view line) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  size_t kibibytes = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &kibibytes)) return 0;
  return kibibytes * 1024;
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command,
                             const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) EndBenchmark("cannot start a process");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(arguments[0], arguments.data());
  std::perror(arguments[0]);
  _exit(127);
}

ServerProcess::~ServerProcess() { Stop(); }

bool ServerProcess::running() {
  if (pid_ == 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

void ServerProcess::Stop() {
  if (!running()) return;
  kill(pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      pid_ = 0;
      return;
    }
    std::this_thread::sleep_for(kStopPoll);
  }
}

ProcessMemory MemoryOf(pid_t pid) {
  ProcessMemory memory;
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, "RssAnon:")) {
      memory.anonymous_bytes = KibibytesAfter(line);
    } else if (absl::StartsWith(line, "RssFile:")) {
      memory.file_bytes = KibibytesAfter(line);
    }
  }
  return memory;
}

uint64_t DiskBytes(const std::filesystem::path& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory, error)) {
    struct stat file;
    if (lstat(entry.path().c_str(), &file) == 0 && S_ISREG(file.st_mode)) {
      bytes += static_cast<uint64_t>(file.st_blocks) * 512;
    }
  }
  return bytes;
}

int FreePort() {
  const int socket_descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(socket_descriptor, reinterpret_cast<sockaddr*>(&address), size) !=
          0 ||
      getsockname(socket_descriptor, reinterpret_cast<sockaddr*>(&address),
                  &size) != 0) {
    EndBenchmark("cannot find a free port");
  }
  close(socket_descriptor);
  return ntohs(address.sin_port);
}

void EndBenchmark(const std::string& reason) {
  std::fflush(stdout);
  std::fprintf(stderr, "bench-service: %s\n", reason.c_str());
  // Other threads may still be at work: nothing of theirs is taken apart.
  std::_Exit(1);
}

}  // namespace diptych
