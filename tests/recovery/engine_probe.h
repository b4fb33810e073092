// An engine under faults, and what must be true of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/engine/local_engine.h"
#include "tests/recovery/marked_object.h"
#include "tests/recovery/write_ledger.h"

namespace diptych::storage {

inline constexpr char kProbeCollection[] = "things";

// MarkedObject in the words of the engine.
ObjectWrite MarkedWrite(const std::string& id, const MarkedVersion& version);

// All objects, from the store, with their pictures and vectors. DATA_LOSS: one
// is not whole.
absl::StatusOr<WriteLedger::Objects> ListEngine(Engine& engine);

// Get, count, statistics, order, filter, vector and keyword search against
// `objects`, which are all there are. DATA_LOSS says which answer was wrong.
absl::Status CheckEngine(Engine& engine, const WriteLedger::Objects& objects);

// Operation: opens an engine with a few objects in a directory of its own and
// does one of everything that writes: upsert, insert, update, delete by id and
// by filter, import, compaction, snapshot, making, renaming and deleting a
// collection.
// Concurrency: one thread.
class EngineProbe {
 public:
  explicit EngineProbe(const std::filesystem::path& directory);

  // Opens the engine and the collection, and writes the first objects. Without
  // faults.
  absl::Status Begin();

  struct Step {
    std::string name;
    std::function<absl::Status()> run;
  };
  std::vector<Step> Steps();

  // After a step that failed: takes over what the engine holds. DATA_LOSS: that
  // cannot be.
  absl::Status Settle();
  // Everything that the engine answers; also after it was opened again.
  absl::Status Check();
  absl::Status Reopen();
  // Closes it and reads the files. DATA_LOSS: what CheckDataDirectory found.
  absl::Status CloseAndCheckFiles();
  // Without faults, at the end: Check() as it is, after one more write and
  // after it was opened again; then CloseAndCheckFiles().
  absl::Status CheckAndClose();

  LocalEngine& engine() { return *engine_; }
  WriteLedger& ledger() { return ledger_; }
  // Without faults: one more object.
  absl::Status WriteOneMore();

 private:
  absl::Status Upsert(const std::vector<std::string>& ids);
  absl::Status Insert(const std::vector<std::string>& ids);
  absl::Status Update(const std::vector<std::string>& ids);
  absl::Status DeleteIds(const std::vector<std::string>& ids);
  absl::Status DeleteByFilter(int64_t write);
  absl::Status Import(const std::vector<std::string>& ids);
  absl::Status Finished(absl::Status status);

  LocalEngineOptions options_;
  std::unique_ptr<LocalEngine> engine_;
  WriteLedger ledger_;
  int64_t writes_ = 0;
};

}  // namespace diptych::storage
