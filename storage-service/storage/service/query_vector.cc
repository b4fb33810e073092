#include "storage/service/query_vector.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/service/source_vectors.h"
#include "storage/service/value_conversion.h"
#include "storage/service/vector_arithmetic.h"

namespace diptych::storage {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

// Below this a mix of vectors of length 1 is what rounding left of nothing.
constexpr double kMixLengthMin = 1e-6;

// Spaces fix the length of their vectors, but the first vector may come between
// the check of the request and the reading of its objects.
absl::Status CheckEqualLengths(absl::Span<const FloatVector> vectors,
                               absl::string_view path) {
  for (const FloatVector& vector : vectors) {
    if (vector.size() == vectors.front().size()) continue;
    return InvalidField(
        path,
        absl::StrCat("combines vectors of ", vectors.front().size(), " and of ",
                     vector.size(), " dimensions; give vectors of one length"));
  }
  return absl::OkStatus();
}

// Computes the vector of one query out of its sources.
class QueryComputation {
 public:
  QueryComputation(const VectorSpace& space, const SourceVectors& sources)
      : space_(space), sources_(sources) {}

  absl::StatusOr<FloatVector> Compute(std::monostate, absl::string_view) const {
    return absl::InternalError("a query of no kind has no vector");
  }

  absl::StatusOr<FloatVector> Compute(const v1::NearText* query,
                                      absl::string_view path) const {
    DIPTYCH_ASSIGN_OR_RETURN(FloatVector vector,
                             MeanOfTexts(query->concepts(), path));
    if (query->move_to().force() > 0) {
      DIPTYCH_ASSIGN_OR_RETURN(
          const FloatVector target,
          TargetOf(query->move_to(), absl::StrCat(path, ".move_to")));
      DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths({vector, target}, path));
      vector = MoveTo(vector, target, query->move_to().force());
    }
    if (query->move_away().force() > 0) {
      DIPTYCH_ASSIGN_OR_RETURN(
          const FloatVector target,
          TargetOf(query->move_away(), absl::StrCat(path, ".move_away")));
      DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths({vector, target}, path));
      vector = MoveAway(vector, target, query->move_away().force());
    }
    return vector;
  }

  absl::StatusOr<FloatVector> Compute(const v1::NearImage* query,
                                      absl::string_view) const {
    return sources_.of_input.at(&query->image());
  }

  absl::StatusOr<FloatVector> Compute(const v1::NearObject* query,
                                      absl::string_view) const {
    return VectorOfObject(query->id());
  }

  absl::StatusOr<FloatVector> Compute(const v1::NearVector* query,
                                      absl::string_view path) const {
    FieldViolations violations;
    FloatVector vector = VectorFromProto(
        query->vector(), absl::StrCat(path, ".vector"), violations);
    DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
    return vector;
  }

  absl::StatusOr<FloatVector> Compute(const v1::Mix* query,
                                      absl::string_view path) const {
    std::vector<FloatVector> vectors;
    std::vector<double> weights;
    for (int i = 0; i < query->terms_size(); ++i) {
      const VectorQuery term = VectorQueryOf(query->terms(i));
      const std::string field =
          absl::StrCat(path, ".terms[", i, "].", FieldOf(term));
      DIPTYCH_ASSIGN_OR_RETURN(
          FloatVector vector,
          std::visit([&](const auto& kind) { return Compute(kind, field); },
                     term));
      if (LengthOf(vector) == 0) {
        return InvalidField(field,
                            "has a vector of length 0, which has no direction; "
                            "leave the term out");
      }
      vectors.push_back(std::move(vector));
      weights.push_back(query->terms(i).weight());
    }
    DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths(vectors, path));
    FloatVector mixed = WeightedMix(vectors, weights);
    if (LengthOf(mixed) < kMixLengthMin) {
      return InvalidField(path,
                          "has terms that cancel each other out, so nothing is "
                          "left to search for; change a weight or a term");
    }
    return mixed;
  }

  absl::StatusOr<FloatVector> Compute(const v1::Recommend* query,
                                      absl::string_view path) const {
    std::vector<FloatVector> positives = ExamplesOf(query->positive_ids());
    const std::vector<FloatVector> negatives =
        ExamplesOf(query->negative_ids());
    DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths(positives, path));
    DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths(negatives, path));
    return RecommendationVector(positives, negatives);
  }

 private:
  const FloatVector& VectorOfObject(const std::string& id) const {
    return sources_.of_object.at(id).find(space_.name)->second;
  }

  std::vector<FloatVector> VectorsOf(const Texts& texts) const {
    std::vector<FloatVector> vectors;
    for (const std::string& text : texts)
      vectors.push_back(sources_.of_input.at(&text));
    return vectors;
  }

  absl::StatusOr<FloatVector> MeanOfTexts(const Texts& texts,
                                          absl::string_view path) const {
    const std::vector<FloatVector> vectors = VectorsOf(texts);
    DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths(vectors, path));
    return MeanOf(vectors);
  }

  // However many concepts there are, they count as one.
  absl::StatusOr<FloatVector> TargetOf(const v1::Move& move,
                                       absl::string_view path) const {
    std::vector<FloatVector> targets;
    if (!move.concepts().empty()) {
      DIPTYCH_ASSIGN_OR_RETURN(FloatVector mean,
                               MeanOfTexts(move.concepts(), path));
      targets.push_back(std::move(mean));
    }
    for (const std::string& id : move.object_ids())
      targets.push_back(VectorOfObject(id));
    DIPTYCH_RETURN_IF_ERROR(CheckEqualLengths(targets, path));
    return MeanOf(targets);
  }

  // Under cosine a vector stands for its direction, so that a long one does
  // not outvote the others.
  std::vector<FloatVector> ExamplesOf(const Texts& ids) const {
    std::vector<FloatVector> vectors;
    for (const std::string& id : ids) {
      const FloatVector& vector = VectorOfObject(id);
      vectors.push_back(space_.metric == Metric::kCosine ? UnitVectorOf(vector)
                                                         : vector);
    }
    return vectors;
  }

  const VectorSpace& space_;
  const SourceVectors& sources_;
};

std::vector<std::string> ExcludedIds(const VectorQuery& query) {
  std::vector<std::string> ids;
  if (const auto* recommend = std::get_if<const v1::Recommend*>(&query)) {
    ids.assign((*recommend)->positive_ids().begin(),
               (*recommend)->positive_ids().end());
    ids.insert(ids.end(), (*recommend)->negative_ids().begin(),
               (*recommend)->negative_ids().end());
  } else if (const auto* mix = std::get_if<const v1::Mix*>(&query)) {
    for (const v1::WeightedTerm& term : (*mix)->terms()) {
      if (term.has_near_object() && !term.near_object().include_self())
        ids.push_back(term.near_object().id());
    }
  }
  return ids;
}

absl::StatusOr<QueryVector> MakeQueryVector(const SpaceQuery& query,
                                            const SourceVectors& sources) {
  QueryVector result;
  if (const auto* near = std::get_if<const v1::NearObject*>(&query.query)) {
    result.query = NearObject{(*near)->id(), (*near)->include_self()};
    return result;
  }
  const QueryComputation computation(query.space, sources);
  DIPTYCH_ASSIGN_OR_RETURN(FloatVector vector, std::visit(
                                                   [&](const auto& kind) {
                                                     return computation.Compute(
                                                         kind, query.path);
                                                   },
                                                   query.query));
  const double length = LengthOf(vector);
  if (!std::isfinite(length)) {
    return InvalidField(query.path,
                        "comes to a vector beyond what a float can hold; give "
                        "smaller numbers");
  }
  if (length == 0 && query.space.metric == Metric::kCosine) {
    return InvalidField(query.path,
                        "comes to a vector of length 0, and the cosine of it "
                        "is not defined; change what it is made of");
  }
  result.query = std::move(vector);
  if (!query.sources.inputs.empty()) {
    result.model_fingerprint =
        sources.model_fingerprints.at(query.space.vectorizer.model);
  }
  result.excluded_ids = ExcludedIds(query.query);
  return result;
}

}  // namespace

absl::StatusOr<std::vector<QueryVector>> MakeQueryVectors(
    const ServiceEnvironment& environment, const CallContext& call,
    const std::string& collection, absl::Span<const SpaceQuery> queries) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const SourceVectors sources,
      FetchSources(environment, call, collection, queries));
  std::vector<QueryVector> vectors;
  for (const SpaceQuery& query : queries) {
    DIPTYCH_ASSIGN_OR_RETURN(QueryVector vector,
                             MakeQueryVector(query, sources));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

}  // namespace diptych::storage
