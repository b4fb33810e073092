// Makes the vectors of objects from their own fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/requests.h"
#include "storage/engine/vectorizer.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// A vector on its way into the store.
struct PendingVector {
  std::vector<float> vector;
  // By the vectorizer, from the object's fields.
  bool made = false;
};

// An object whose missing vectors are asked for.
struct VectorizableObject {
  // Position in the caller's request, for error messages.
  size_t index = 0;
  const Properties* properties = nullptr;
  // Bytes of the image properties; one without bytes feeds nothing.
  const ImageBytes* images = nullptr;
  // One per space of the collection.
  std::vector<bool> wanted;
  // Filled in, one per space; empty where the object has none of the fields.
  std::vector<PendingVector> vectors;
};

// Operation: for each wanted space with a vectorizer, the weighted mean of the
// vectors of the object's fields: sum(w_f * v_f) / sum(w_f) over the fields
// that the object has, where v_f is the mean over the strings of a list.
// Under cosine the result is scaled to length 1. Equal inputs are sent once.
// `fingerprints` gets, per space, that of the model that made vectors, or stays
// empty.
// Concurrency: may be called from any thread; blocks.
// Limits: calls of at most Vectorizer::kInputsMax inputs and kBytesMax bytes.
// Errors: INVALID_ARGUMENT naming `objects[i].properties["field"]`;
// FAILED_PRECONDITION: no vectorizer, an unknown model, or one that changed
// during the call; else those of the vectorizer, its message explained.
absl::Status VectorizeObjects(const CallContext& context,
                              Vectorizer* vectorizer,
                              const CollectionSpec& spec,
                              absl::Span<VectorizableObject> objects,
                              std::vector<std::string>& fingerprints);

// Whether a field that feeds the space lies in `names`.
bool SpaceIsFedBy(const VectorSpace& space,
                  const std::vector<std::string>& names);

}  // namespace diptych::storage
