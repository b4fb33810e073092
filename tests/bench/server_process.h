// Servers that a benchmark starts, and what they cost.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace diptych {

// Operation: runs a program with its output in a log file. It dies with the
// benchmark, whatever ends that.
// Concurrency: one thread at a time.
// Limits: a program that does not end within 20 s of SIGTERM is killed.
class ServerProcess {
 public:
  // `command` is a path and its arguments. Ends the benchmark when the program
  // cannot be started.
  ServerProcess(const std::vector<std::string>& command,
                const std::filesystem::path& log);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // SIGTERM, and waits for the end.
  void Stop();
  bool running();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

struct ProcessMemory {
  // Allocated by the program.
  size_t anonymous_bytes = 0;
  // Pages of files that it has mapped, which the system can take back.
  size_t file_bytes = 0;
};

ProcessMemory MemoryOf(pid_t pid);

// What the files below `directory` take on disk.
uint64_t DiskBytes(const std::filesystem::path& directory);

// A TCP port of 127.0.0.1 that is free now.
int FreePort();

// Prints why and ends the benchmark; servers end with it.
[[noreturn]] void EndBenchmark(const std::string& reason);

}  // namespace diptych
