#include "storage/index/vector_index.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/types/limits.h"

namespace diptych::storage {

absl::Status ValidateVectorIndexOptions(const VectorIndexOptions& options) {
  FieldViolations violations;
  const size_t dimension_max = Limits().vector_dimension_max;
  if (options.dimension < 1 || options.dimension > dimension_max) {
    violations.Add("dimension", absl::StrCat("must be 1 to ", dimension_max,
                                             ", not ", options.dimension));
  }
  const HnswSettings& hnsw = options.hnsw;
  if (hnsw.max_neighbors < 4 || hnsw.max_neighbors > 64) {
    violations.Add("hnsw.max_neighbors",
                   absl::StrCat("must be 4 to 64, not ", hnsw.max_neighbors));
  }
  if (hnsw.ef_construction < 8 || hnsw.ef_construction > 2000) {
    violations.Add(
        "hnsw.ef_construction",
        absl::StrCat("must be 8 to 2000, not ", hnsw.ef_construction));
  }
  if (hnsw.ef_search < 8 || hnsw.ef_search > 10'000) {
    violations.Add("hnsw.ef_search",
                   absl::StrCat("must be 8 to 10000, not ", hnsw.ef_search));
  }
  return violations.ToStatus();
}

size_t RerankCandidates(VectorPrecision precision, size_t k) {
  constexpr size_t kFactor = 3;
  constexpr size_t kCandidatesMin = 30;
  if (precision == VectorPrecision::kFloat32) return k;
  return std::max(kFactor * k, kCandidatesMin);
}

absl::Status SlotExists(Slot slot) {
  return absl::AlreadyExistsError(
      absl::StrCat("the slot already holds a vector; remove it first: ", slot));
}

absl::Status SlotNotFound(Slot slot) {
  return absl::NotFoundError(absl::StrCat("the slot holds no vector: ", slot));
}

}  // namespace diptych::storage
