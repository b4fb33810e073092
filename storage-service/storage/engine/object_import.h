// How an engine takes objects that come one after another without end.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/requests.h"

namespace diptych::storage {

// An object of an import.
struct ImportObject {
  // Its position, for error messages: `objects[index]...`.
  size_t index = 0;
  ObjectWrite write;
  // Not OK: it was found to be bad already, and is carried along.
  absl::Status status;
};

// What became of an object.
struct ImportOutcome {
  // As given, or as the engine made it.
  std::string id;
  absl::StatusOr<WriteOutcome> outcome;
};

// Objects whose vectors are made, on their way to Commit. An engine's own.
class PreparedObjects {
 public:
  virtual ~PreparedObjects() = default;
  virtual size_t size() const = 0;
  // Size of what will be written, about.
  virtual size_t bytes() const = 0;
};

// An import into one collection.
//
// Operation: objects are prepared in any order and at the same time (checked,
// their vectors made), then committed in the caller's order. Each object stands
// by itself: a bad one is reported and left out. Vectors of all imports of an
// engine are made together in large calls; an inference service that is busy or
// away is waited for, up to the engine's patience.
//
// Concurrency: Prepare may be called from any thread, Commit by one at a time.
//
// Limits: callers bound what is prepared at one time.
class ObjectImport {
 public:
  using Prepared =
      absl::AnyInvocable<void(std::unique_ptr<PreparedObjects>) &&>;

  virtual ~ObjectImport() = default;

  // `done` is called once, with an object for each given: before Prepare
  // returns, or later on another thread. Blocks for reading, not for vectors.
  // NOT_FOUND (and `done` is dropped) when the collection was deleted; errors
  // of the store.
  virtual absl::Status Prepare(const CallContext& context,
                               std::vector<ImportObject> objects,
                               Prepared done) = 0;

  // Writes what can be written; returns when it is durable and searchable. One
  // outcome per object, in order. Ids may occur more than once: later objects
  // come after earlier ones. Errors of an object, beside those of
  // Engine::WriteObjects:
  //   ABORTED             an insert found its id, which was then deleted
  //                       before it came to be written; send it again
  //   UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED
  //                       its vector was not made within the engine's patience
  // An error of the call: NOT_FOUND when the collection was deleted; those of
  // the store. Some objects may then have been written.
  virtual absl::StatusOr<std::vector<ImportOutcome>> Commit(
      const CallContext& context,
      std::vector<std::unique_ptr<PreparedObjects>> prepared) = 0;
};

}  // namespace diptych::storage
