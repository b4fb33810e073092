// Searching a LocalCollection.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/candidate_ranking.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/filter/filter_validation.h"

namespace diptych::storage {
namespace {

// The index computes in float32 and the answer in double: so many more are
// asked for, that rounding cannot push one out at the end of the list.
constexpr size_t kExtraCandidates = 16;
// A list of records is cut when it is longer than this and twice as long as the
// answer: any number of objects may be as far as the last hit.
constexpr size_t kRecordsMax = 1024;

struct Candidate {
  double distance;
  Slot slot;
  ObjectRecord record;
};

// Results come in this order.
bool ComesBefore(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance < b.distance
                                  : a.record.id < b.record.id;
}

// Those that exist.
absl::StatusOr<SlotSet> SlotsOf(ReadTransaction& transaction,
                                const std::set<std::string>& ids) {
  SlotSet slots;
  for (const std::string& id : ids) {
    DIPTYCH_ASSIGN_OR_RETURN(const auto slot, FindSlot(transaction, id));
    if (slot.has_value()) slots.Add(*slot);
  }
  return slots;
}

// Whether more of an object is asked for than its id and times.
bool WantsContent(const Projection& projection) {
  return projection.all_properties || !projection.properties.empty() ||
         projection.vectors || projection.image_bytes;
}

// The first `wanted` with their records, or the heads of these; nullopt: one of
// them was gone.
absl::StatusOr<std::optional<std::vector<Candidate>>> ReadNearest(
    ReadTransaction& transaction, std::vector<RankedSlot> ranked, size_t wanted,
    bool heads_only) {
  std::sort(ranked.begin(), ranked.end(),
            [](const RankedSlot& a, const RankedSlot& b) {
              return a.distance < b.distance;
            });
  std::vector<Candidate> nearest;
  for (size_t i = 0; i < ranked.size(); ++i) {
    // Ids decide between those as far as the last.
    if (i >= wanted && ranked[i].distance > ranked[wanted - 1].distance) break;
    DIPTYCH_ASSIGN_OR_RETURN(
        auto record, heads_only ? ReadObjectHead(transaction, ranked[i].slot)
                                : ReadObject(transaction, ranked[i].slot));
    if (!record.has_value()) return std::optional<std::vector<Candidate>>();
    nearest.push_back({ranked[i].distance, ranked[i].slot, *std::move(record)});
    if (nearest.size() > std::max(2 * wanted, kRecordsMax)) {
      std::nth_element(nearest.begin(), nearest.begin() + wanted, nearest.end(),
                       ComesBefore);
      nearest.resize(wanted);
    }
  }
  std::sort(nearest.begin(), nearest.end(), ComesBefore);
  if (nearest.size() > wanted) nearest.resize(wanted);
  return std::optional<std::vector<Candidate>>(std::move(nearest));
}

}  // namespace

struct LocalCollection::SearchPlan {
  std::shared_ptr<const Collection> collection;
  uint8_t space = 0;
  std::vector<float> query;
  // Left out of the hits.
  std::set<std::string> excluded_ids;

  const CollectionSpec& spec() const { return collection->spec; }
};

absl::StatusOr<LocalCollection::SearchPlan> LocalCollection::PlanSearch(
    const SearchRequest& request) {
  const Limits& limits = environment_.limits;
  SearchPlan plan;
  plan.collection = snapshot();
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
  const int space = FindSpace(plan.spec(), request.vector_space);
  if (space < 0) {
    std::string names;
    for (const VectorSpace& known : plan.spec().vector_spaces) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", known.name);
    }
    violations.Add("vector_space",
                   absl::StrCat("names no space of the collection; give one of "
                                "these: ",
                                names));
    return violations.ToStatus();
  }
  plan.space = static_cast<uint8_t>(space);
  const VectorSpace& description = plan.spec().vector_spaces[space];
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
  const VectorSpace& space = plan.spec().vector_spaces[plan.space];
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

  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(const SlotSet excluded,
                           SlotsOf(*read, plan.excluded_ids));
  // Most candidates are no hits: their vectors alone are read, or nothing.
  CandidateRanking ranking;
  ranking.metric = space.metric;
  ranking.precision = space.precision;
  ranking.space = plan.space;
  ranking.query = plan.query;
  ranking.wanted = wanted;
  ranking.distance_max = request.max_distance;
  DIPTYCH_ASSIGN_OR_RETURN(
      auto ranked, RankCandidates(*read, ranking, found.neighbors, excluded));
  if (!ranked.has_value()) return std::optional<SearchResult>();
  DIPTYCH_ASSIGN_OR_RETURN(auto nearest,
                           ReadNearest(*read, *std::move(ranked), wanted,
                                       !WantsContent(request.projection)));
  if (!nearest.has_value()) return std::optional<SearchResult>();
  SearchResult result;
  size_t bytes = 0;
  for (size_t i = request.offset; i < nearest->size(); ++i) {
    Candidate& candidate = (*nearest)[i];
    SearchHit hit;
    hit.distance = candidate.distance;
    DIPTYCH_ASSIGN_OR_RETURN(
        hit.view, View(*read, candidate.slot, std::move(candidate.record),
                       request.projection, plan.spec()));
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
