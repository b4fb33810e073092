// What a service benchmark measures: a server, and clients that speak to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/bench/server_process.h"
#include "tests/bench/service_data.h"

namespace diptych {

// One client with a connection of its own; one thread at a time.
class ServiceClient {
 public:
  virtual ~ServiceClient() = default;

  // Writes rows that are not there yet. OK: acknowledged.
  virtual absl::Status Import(size_t first, size_t count) = 0;
  // Writes rows that may be there.
  virtual absl::Status Upsert(size_t first, size_t count) = 0;
  // Rows of the answer. The request is made beforehand.
  virtual absl::StatusOr<std::vector<uint32_t>> Search(size_t query,
                                                       size_t filter) = 0;
};

// Operation: owns a server, or knows where one is, and makes clients of it.
// Concurrency: one thread at a time; its clients may each have one.
class ServiceContender {
 public:
  virtual ~ServiceContender() = default;

  virtual std::string name() const = 0;
  // Starts the server, on what it has kept. OK: asked to start, not more.
  virtual void Start() = 0;
  virtual void Stop() = 0;
  // Makes an empty collection and speaks of it from now on; waits until the
  // server answers.
  virtual void CreateCollection(const std::string& collection) = 0;
  // Makes the clients speak of a collection that exists.
  virtual void UseCollection(const std::string& collection) = 0;
  virtual void DropCollection(const std::string& collection) = 0;
  virtual std::unique_ptr<ServiceClient> Connect() = 0;
  // Imports rows the way that is meant for many, until all are acknowledged.
  // False: there is none.
  virtual bool ImportInBulk(size_t /*count*/) { return false; }
  // Waits until all that was written is in its index.
  virtual void AwaitIndexed() = 0;
  // What `ef` can be set to, ascending; of searches from now on.
  virtual std::vector<size_t> breadths() const = 0;
  virtual void SetBreadth(size_t ef) = 0;
  // Seconds that the server has spent in its engine for searches, and how many
  // these were; nothing where it does not say.
  struct EngineTime {
    double seconds = 0;
    double searches = 0;
  };
  virtual std::optional<EngineTime> engine_time() { return std::nullopt; }
  // Of the collection that clients speak of, or of all that the server keeps.
  virtual uint64_t disk_bytes() = 0;
  virtual std::optional<ProcessMemory> memory() { return std::nullopt; }
  // Whether Stop and Start do what they say.
  virtual bool restarts() const { return true; }
};

struct DiptychOptions {
  std::string server;     // path of storage-server
  std::string directory;  // fresh
  std::string precision;  // "float32", "bfloat16" or "int8"
};
std::unique_ptr<ServiceContender> MakeDiptychContender(
    const ServiceData& data, const DiptychOptions& options);

struct ChromaOptions {
  std::string program;    // path of `chroma`
  std::string directory;  // fresh
};
std::unique_ptr<ServiceContender> MakeChromaContender(
    const ServiceData& data, const ChromaOptions& options);

// `connection` is libpq's connection string, of a database whose server has
// pgvector to offer and which may be written to.
std::unique_ptr<ServiceContender> MakePgvectorContender(
    const ServiceData& data, const std::string& connection);

}  // namespace diptych
