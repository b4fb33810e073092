// Makes the vectors of objects on their way through an import.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/engine/bulk_vectorizer.h"
#include "storage/engine/object_batch.h"
#include "storage/engine/object_import.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// Objects of an import into a LocalCollection.
class LocalPreparedObjects final : public PreparedObjects {
 public:
  struct Entry {
    // Not OK: why the object is left out.
    absl::Status status;
    // As given.
    ImageBytes images;
    // One member, where some came from the store or from a URI; then all.
    std::vector<ImageBytes> loaded_images;
    // Its images are those above.
    PendingObject pending;
    // Spaces whose vector is to be made; empty: none.
    std::vector<bool> wanted;
    // Per space, of the model that made the vector; empty: none was made.
    std::vector<std::string> fingerprints;
  };

  size_t size() const override { return entries.size(); }
  size_t bytes() const override;

  CollectionSpec spec;
  // Their addresses stay.
  std::deque<Entry> entries;
};

// Operation: as VectorizeObjects, but each object by itself, and together with
// other imports: an object whose vector cannot be made gets the error as its
// status, in terms of `objects[i].properties["field"]`.
// Concurrency: `done` runs on a thread of `vectorizer`, or before the return
// when there is nothing to make.
// Limits: none of its own.
void VectorizeImport(const CallContext& context, BulkVectorizer* vectorizer,
                     std::unique_ptr<LocalPreparedObjects> objects,
                     ObjectImport::Prepared done);

}  // namespace diptych::storage
