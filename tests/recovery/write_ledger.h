// What one client has written, as far as it was told.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "tests/recovery/marked_object.h"

namespace diptych::storage {

// Operation: the client writes one thing after the other, each of which takes
// effect whole or not at all. Begun writes wait in order; acknowledging takes
// from the front. After a crash the objects are those of the acknowledged
// writes and of some first ones of the others.
// Concurrency: one thread at a time.
class WriteLedger {
 public:
  // nullopt: the object is not there.
  using Change = std::map<std::string, std::optional<MarkedVersion>>;
  using Objects = std::map<std::string, MarkedVersion>;

  void Begin(Change change) { begun_.push_back(std::move(change)); }
  // The oldest `count` of those begun.
  void Acknowledge(size_t count);

  size_t begun() const { return begun_.size(); }
  // Of the acknowledged writes.
  const Objects& objects() const { return objects_; }
  // With everything that was begun.
  Objects ObjectsAfterAll() const;

  // What a restarted server holds becomes the truth. DATA_LOSS: it cannot have
  // come about by what was written.
  absl::Status Settle(const Objects& found);

 private:
  Objects objects_;
  std::deque<Change> begun_;
};

}  // namespace diptych::storage
