// Searching a LocalCollection.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/filter/filter_validation.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

// The index computes in float32 and the answer in double: so many more are
// asked for, that rounding cannot push one out at the end of the list.
constexpr size_t kExtraCandidates = 16;
// By as much may the two differ, relative to the size of the distance. What
// compact rows are off by, the index adds itself.
constexpr double kDistanceSlack = 1e-4;
// A list of candidates is cut when it is longer than this and twice as long as
// the answer: an exact search of compact rows may bring any number.
constexpr size_t kCandidatesMax = 1024;

}  // namespace

struct LocalCollection::SearchPlan {
  CollectionSpec spec;
  uint8_t space = 0;
  std::vector<float> query;
  // Left out of the hits.
  std::set<std::string> excluded_ids;
};

absl::StatusOr<LocalCollection::SearchPlan> LocalCollection::PlanSearch(
    const SearchRequest& request) {
  const Limits& limits = environment_.limits;
  SearchPlan plan;
  plan.spec = description().spec;
  plan.excluded_ids.insert(request.excluded_ids.begin(),
                           request.excluded_ids.end());
  FieldViolations violations;
  if (request.top_k < 1 ||
      uint64_t{request.top_k} + request.offset > limits.results_max) {
    violations.Add(
        "top_k",
        absl::StrCat("is ", request.top_k, " with offset ", request.offset,
                     "; give at least 1, and together at most ",
                     limits.results_max));
  }
  if (request.max_distance.has_value() && std::isnan(*request.max_distance)) {
    violations.Add("max_distance", "is NaN; give a number");
  }
  if (request.ef_search > limits.results_max) {
    violations.Add("ef_search",
                   absl::StrCat("is ", request.ef_search, "; give at most ",
                                limits.results_max));
  }
  if (request.excluded_ids.size() > limits.results_max) {
    violations.Add("excluded_ids",
                   absl::StrCat("has ", request.excluded_ids.size(),
                                " members; give at most ", limits.results_max));
  }
  const int space = FindSpace(plan.spec, request.vector_space);
  if (space < 0) {
    std::string names;
    for (const VectorSpace& known : plan.spec.vector_spaces) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", known.name);
    }
    violations.Add("vector_space",
                   absl::StrCat("names no space of the collection; give one of "
                                "these: ",
                                names));
    return violations.ToStatus();
  }
  plan.space = static_cast<uint8_t>(space);
  const VectorSpace& description = plan.spec.vector_spaces[space];
  if (const auto* vector = std::get_if<std::vector<float>>(&request.query)) {
    ValidateVector(*vector, description.metric, "query", limits, violations);
    if (description.dimension != 0 && !vector->empty() &&
        vector->size() != description.dimension) {
      violations.Add("query", absl::StrCat("has ", vector->size(),
                                           " dimensions; the vectors of this "
                                           "space have ",
                                           description.dimension));
    }
    plan.query = *vector;
  } else {
    ValidateObjectId(std::get<NearObject>(request.query).id, "query.id",
                     violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  if (request.filter.has_value()) {
    DIPTYCH_RETURN_IF_ERROR(ValidateFilter(*request.filter, limits));
  }
  if (!request.model_fingerprint.empty() &&
      !description.model_fingerprint.empty() &&
      request.model_fingerprint != description.model_fingerprint) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "the query was vectorised by another model than this collection's "
            "objects; point the server at an inference service with the model "
            "of the collection, or search by vector: the collection has "
            "fingerprint ",
            description.model_fingerprint, ", the inference service ",
            request.model_fingerprint)),
        "MODEL_MISMATCH");
  }
  const auto* near = std::get_if<NearObject>(&request.query);
  if (near == nullptr) return plan;

  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(*read, near->id));
  if (!slot.has_value()) {
    return ResourceNotFound("object", near->id,
                            absl::StrCat("the collection has no object of this "
                                         "id: ",
                                         near->id));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, *slot));
  for (const auto& entry : record.has_value()
                               ? record->vectors
                               : std::vector<ObjectRecord::VectorEntry>()) {
    if (entry.space != plan.space) continue;
    DIPTYCH_ASSIGN_OR_RETURN(plan.query, ReadVector(*read, *slot, entry));
  }
  if (plan.query.empty()) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "the object has no vector in this space, so nothing is near it; "
            "choose another object or space: ",
            near->id)),
        "NO_VECTOR");
  }
  if (!near->include_self) plan.excluded_ids.insert(near->id);
  return plan;
}

absl::StatusOr<SearchResult> LocalCollection::Search(
    const CallContext& context, const SearchRequest& request) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(environment_.clock->Now()));
  DIPTYCH_ASSIGN_OR_RETURN(SearchPlan plan, PlanSearch(request));
  DIPTYCH_ASSIGN_OR_RETURN(auto result, SearchOnce(plan, request));
  if (result.has_value()) return *std::move(result);
  // Between two commits the index and the store are of one state.
  absl::ReaderMutexLock lock(&published_);
  DIPTYCH_ASSIGN_OR_RETURN(result, SearchOnce(plan, request));
  if (result.has_value()) return *std::move(result);
  return absl::InternalError(
      "the index knows an object that the store lacks; restart the server to "
      "build it anew");
}

absl::StatusOr<std::optional<SearchResult>> LocalCollection::SearchOnce(
    const SearchPlan& plan, const SearchRequest& request) {
  const VectorSpace& space = plan.spec.vector_spaces[plan.space];
  const size_t wanted = size_t{request.top_k} + request.offset;
  SearchOptions options;
  options.k = std::max(wanted + kExtraCandidates,
                       RerankCandidates(space.precision, wanted)) +
              plan.excluded_ids.size();
  options.ef =
      request.ef_search == 0 ? space.hnsw.ef_search : request.ef_search;
  options.exact = request.exact;
  if (request.max_distance.has_value()) {
    options.distance_max = static_cast<float>(
        *request.max_distance +
        kDistanceSlack * (1 + std::abs(*request.max_distance)));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto found, index_.Search(plan.space, plan.query,
                                                     options, request.filter));

  struct Candidate {
    double distance;
    Slot slot;
    ObjectRecord record;
  };
  const auto nearer = [](const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance
                                    : a.record.id < b.record.id;
  };
  std::vector<Candidate> candidates;
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  for (const Neighbor& neighbor : found.neighbors) {
    DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, neighbor.slot));
    if (!record.has_value()) return std::optional<SearchResult>();
    if (plan.excluded_ids.contains(record->id)) continue;
    const auto entry = std::find_if(
        record->vectors.begin(), record->vectors.end(),
        [&plan](const auto& vector) { return vector.space == plan.space; });
    if (entry == record->vectors.end()) continue;
    DIPTYCH_ASSIGN_OR_RETURN(std::vector<float> vector,
                             ReadVector(*read, neighbor.slot, *entry));
    const double distance = Distance(space.metric, plan.query, vector);
    if (request.max_distance.has_value() && distance > *request.max_distance) {
      continue;
    }
    candidates.push_back({distance, neighbor.slot, *std::move(record)});
    if (candidates.size() > std::max(2 * wanted, kCandidatesMax)) {
      std::nth_element(candidates.begin(), candidates.begin() + wanted,
                       candidates.end(), nearer);
      candidates.erase(candidates.begin() + wanted, candidates.end());
    }
  }
  std::sort(candidates.begin(), candidates.end(), nearer);
  SearchResult result;
  size_t bytes = 0;
  const size_t end = std::min(candidates.size(), wanted);
  for (size_t i = request.offset; i < end; ++i) {
    SearchHit hit;
    hit.distance = candidates[i].distance;
    DIPTYCH_ASSIGN_OR_RETURN(hit.view, View(*read, candidates[i].slot,
                                            std::move(candidates[i].record),
                                            request.projection, plan.spec));
    bytes += ViewBytes(hit.view);
    if (bytes > environment_.limits.answer_bytes_max) {
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              "the answer would be larger than is allowed; ask for fewer hits, "
              "or for less of each: bytes allowed ",
              environment_.limits.answer_bytes_max)),
          "ANSWER_TOO_LARGE");
    }
    result.hits.push_back(std::move(hit));
  }
  return std::optional<SearchResult>(std::move(result));
}

}  // namespace diptych::storage
