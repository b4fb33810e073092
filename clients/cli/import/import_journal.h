// Remembers which objects of a directory a server has acknowledged, so that an
// import that was stopped sends only the rest.
//
// Operation: one file per server, collection and directory, below
// $XDG_STATE_HOME/diptych/imports (~/.local/state/...). A journal of another
// collection uid is begun anew: the collection was deleted and made again.
// Acknowledged objects are appended in one write per batch; a kill loses at
// most the last batch, which is then sent again and replaces itself.
// Format: JSON lines. First {"diptych_import_journal": 1, "server",
// "collection", "uid", "directory"}, then {"id", "signature"} each. A torn last
// line is cut off; a later line of an id wins.
//
// Concurrency: Append may be called from any thread; one process holds a
// journal at a time (flock).
// Limits: all ids and signatures are held in memory while opening and after.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/terminal/environment.h"

namespace diptych::cli {

// What a journal is about.
struct JournalKey {
  std::string server;
  std::string collection;
  // Of the collection on that server.
  std::string uid;
  // Absolute.
  std::string directory;
};

// Where journals lie: $XDG_STATE_HOME/diptych/imports, or
// $HOME/.local/state/diptych/imports. FAILED_PRECONDITION when neither variable
// is set.
absl::StatusOr<std::filesystem::path> JournalDirectory(
    const Environment& environment);

class ImportJournal {
 public:
  // Id and signature (ImportItem) of an object.
  using Entry = std::pair<std::string, std::string>;

  // Opens or begins the journal of `key` in `directory`, which is made when it
  // is missing. `restart` forgets what it holds. FAILED_PRECONDITION when
  // another process has it open, UNAVAILABLE when it cannot be read or written.
  static absl::StatusOr<std::unique_ptr<ImportJournal>> Open(
      const std::filesystem::path& directory, const JournalKey& key,
      bool restart);

  ~ImportJournal();
  ImportJournal(const ImportJournal&) = delete;
  ImportJournal& operator=(const ImportJournal&) = delete;

  // Whether the object was acknowledged before this process opened the journal,
  // as it is now.
  bool Contains(const std::string& id, const std::string& signature) const;

  // Call after the server's OK. UNAVAILABLE when the disk is full or the like.
  absl::Status Append(const std::vector<Entry>& entries)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::filesystem::path& path() const { return path_; }

 private:
  ImportJournal(std::filesystem::path path, int file)
      : path_(std::move(path)), file_(file) {}

  absl::Status Read(const JournalKey& key, bool restart);

  const std::filesystem::path path_;
  const int file_;
  // Not changed after Open.
  std::unordered_map<std::string, std::string> acknowledged_;
  absl::Mutex mutex_;
};

}  // namespace diptych::cli
