// What every command gets: the global options, the streams, the connections.
//
// Operation: a command group adds its commands to the parser; each command
// keeps what to do in `run`, which is called once the whole line is parsed.
// Concurrency: the thread that runs the command line.
// Limits: none.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/connection/connection.h"
#include "cli/output/json_value.h"
#include "cli/output/table.h"
#include "cli/terminal/environment.h"

namespace diptych::cli {

// How the process ends.
enum ExitStatus : int {
  kSucceeded = 0,
  kFailed = 1,
  // An import that left out some files.
  kSomeSkipped = 2,
  // EX_USAGE of sysexits.h.
  kBadUsage = 64,
  kInterrupted = 130,
};

struct CommandContext {
  Environment environment;

  // Global options.
  std::string server;
  std::string inference;
  bool json = false;
  // 0: the command's own default.
  double timeout_seconds = 0;

  // What the parsed command does; the answer is an ExitStatus.
  std::function<absl::StatusOr<int>()> run;

  std::unique_ptr<Connection> storage_connection;
  std::unique_ptr<Connection> inference_connection;

  Connection& Storage();
  Connection& Inference();

  // --timeout, or `otherwise`.
  absl::Duration Timeout(absl::Duration otherwise = absl::Seconds(60)) const;

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> CallStorage(
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    return Storage().Call(method, request, Timeout());
  }

  std::ostream& out() { return *environment.out; }
  std::ostream& err() { return *environment.err; }
  Style OutStyle() const;

  void Print(const Json& document);
  void Print(const Table& table);

  // Asks on the terminal and takes y or yes. FAILED_PRECONDITION when nobody
  // sits there: then --yes must be given. CANCELLED for any other answer.
  absl::Status Confirm(const std::string& question);
};

// Whole files named by options, e.g. a picture to search with. NOT_FOUND,
// INVALID_ARGUMENT when empty or larger than an image may be.
absl::StatusOr<std::string> ReadInputFile(const std::string& path);

}  // namespace diptych::cli
