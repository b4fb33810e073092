#include "storage/service/query_request.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/keyword_validation.h"
#include "storage/engine/object_validation.h"
#include "storage/service/filter_conversion.h"
#include "storage/service/object_conversion.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

constexpr int64_t kTopKDefault = 10;
constexpr uint32_t kCandidatesPerResult = 4;
// Of short queries.
constexpr int32_t kShortResultsMax = 100;
constexpr int32_t kShortBreadthMax = 400;
constexpr size_t kShortFilterBytes = 200;

// Builds one PlannedQuery; each method reads some fields of the request.
class QueryReader {
 public:
  QueryReader(const v1::QueryRequest& request, const Collection& collection,
              const Limits& limits, absl::string_view path)
      : request_(request),
        collection_(collection),
        limits_(limits),
        path_(path) {}

  absl::StatusOr<PlannedQuery> Read() {
    ReadCount();
    ReadSpaces();
    ReadSearch();
    if (request_.has_group_by()) ReadGrouping();
    if (request_.has_diversity()) ReadDiversity();
    DIPTYCH_RETURN_IF_ERROR(violations_.ToStatus());
    return std::move(plan_);
  }

 private:
  bool has_query() const {
    return request_.query_case() != v1::QueryRequest::QUERY_NOT_SET;
  }
  int64_t wanted() const {
    return int64_t{plan_.query.top_k} + plan_.query.offset;
  }
  void Violation(absl::string_view field, absl::string_view description) {
    violations_.Add(absl::StrCat(path_, field), description);
  }

  void ReadCount() {
    const int64_t top_k =
        request_.top_k() == 0 ? kTopKDefault : request_.top_k();
    const int64_t results_max = static_cast<int64_t>(limits_.results_max);
    if (top_k < 0) {
      Violation("top_k",
                absl::StrCat("is ", top_k, "; give 1 or more, or 0 for 10"));
    }
    if (request_.offset() < 0) {
      Violation("offset",
                absl::StrCat("is ", request_.offset(), "; give 0 or more"));
    }
    if (top_k + request_.offset() > results_max) {
      Violation(
          "top_k",
          absl::StrCat("and offset are ", top_k + request_.offset(),
                       " together; at most ", results_max, " are allowed"));
    }
    plan_.query.top_k = static_cast<uint32_t>(std::max<int64_t>(top_k, 1));
    plan_.query.offset =
        static_cast<uint32_t>(std::max<int64_t>(request_.offset(), 0));
  }

  void ReadSpaces() {
    if (request_.has_fusion()) {
      ReadFusion(request_.fusion());
    } else if (request_.has_keyword()) {
      AddKeywords(request_.keyword(), path_, request_.vector_space(), 1);
    } else if (has_query()) {
      AddSpace(VectorQueryOf(request_), path_, request_.vector_space(), 1);
    } else {
      plan_.query.parts.emplace_back();
    }
  }

  void ReadFusion(const v1::Fusion& fusion) {
    const size_t parts = fusion.parts_size();
    if (parts == 0 || parts > kFusionPartsMax) {
      Violation("fusion.parts",
                absl::StrCat("has ", parts, "; give 1 to ", kFusionPartsMax));
    }
    switch (fusion.method()) {
      case v1::FUSION_METHOD_UNSPECIFIED:
      case v1::FUSION_METHOD_RECIPROCAL_RANK:
        plan_.query.fusion = FusionMethod::kReciprocalRank;
        break;
      case v1::FUSION_METHOD_RELATIVE_SCORE:
        plan_.query.fusion = FusionMethod::kRelativeScore;
        break;
      default:
        Violation("fusion.method",
                  absl::StrCat("is ", static_cast<int>(fusion.method()),
                               "; give reciprocal rank or relative score"));
    }
    if (!request_.vector_space().empty()) {
      Violation("vector_space",
                "is given beside fusion; name a space in each part");
    }
    for (size_t i = 0; i < std::min(parts, kFusionPartsMax); ++i) {
      const v1::FusionPart& part = fusion.parts(static_cast<int>(i));
      const std::string field = absl::StrCat(path_, "fusion.parts[", i, "]");
      if (!(part.weight() >= 0) || std::isinf(part.weight())) {
        violations_.Add(absl::StrCat(field, ".weight"),
                        absl::StrCat("is ", part.weight(),
                                     "; give more than 0, or 0 for 1"));
      }
      const double weight = part.weight() == 0 ? 1 : part.weight();
      if (part.has_keyword()) {
        AddKeywords(part.keyword(), absl::StrCat(field, "."),
                    part.vector_space(), weight);
        continue;
      }
      const VectorQuery query = VectorQueryOf(part);
      if (std::holds_alternative<std::monostate>(query)) {
        violations_.Add(field, "asks for nothing; give one kind of query");
        continue;
      }
      AddSpace(query, absl::StrCat(field, "."), part.vector_space(), weight);
    }
  }

  // `parent` is the path of the message that holds the query, with its dot.
  void AddKeywords(const v1::Keyword& keyword, absl::string_view parent,
                   const std::string& space, double weight) {
    Keywords keywords;
    keywords.text = keyword.text();
    keywords.properties.assign(keyword.properties().begin(),
                               keyword.properties().end());
    keywords.boosts.insert(keyword.boosts().begin(), keyword.boosts().end());
    ValidateKeywords(keywords, absl::StrCat(parent, "keyword"), limits_,
                     violations_);
    if (!space.empty()) {
      violations_.Add(absl::StrCat(parent, "vector_space"),
                      absl::StrCat("is \"", space,
                                   "\", but words are looked for in no vector "
                                   "space; leave it out"));
    }
    RankedQuery::Part part;
    part.keywords = std::move(keywords);
    part.weight = weight;
    plan_.query.parts.push_back(std::move(part));
  }

  void AddSpace(const VectorQuery& query, absl::string_view parent,
                const std::string& name, double weight) {
    const std::string wanted = name.empty() ? kDefaultVectorSpace : name;
    std::vector<std::string> names;
    for (const VectorSpace& space : collection_.spec.vector_spaces) {
      names.push_back(space.name);
      if (space.name != wanted) continue;
      const std::string path = absl::StrCat(parent, FieldOf(query));
      plan_.spaces.push_back(
          {query, path, space,
           CollectSources(query, path, space, limits_, violations_)});
      RankedQuery::Part part;
      part.search.vector_space = space.name;
      part.metric = space.metric;
      part.weight = weight;
      plan_.query.parts.push_back(std::move(part));
      return;
    }
    violations_.Add(absl::StrCat(parent, "vector_space"),
                    absl::StrCat("is \"", wanted, "\"; the collection has: ",
                                 absl::StrJoin(names, ", ")));
  }

  void ReadSearch() {
    if (request_.ef_search() < 0 || request_.ef_search() > 10'000) {
      Violation("ef_search",
                absl::StrCat("is ", request_.ef_search(),
                             "; give 1 to 10000, or 0 for the collection's "
                             "own"));
    }
    const std::optional<Filter> filter =
        RequestFilterFromProto(request_, path_, limits_, violations_);
    plan_.query.projection = ProjectionFromProto(
        request_.projection(), absl::StrCat(path_, "projection"), violations_);
    const std::optional<double> max_distance = ReadMaxDistance();
    for (RankedQuery::Part& part : plan_.query.parts) {
      part.search.collection = collection_.spec.name;
      part.search.filter = filter;
      part.search.max_distance = max_distance;
      part.search.exact = request_.exact();
      part.search.ef_search = static_cast<uint32_t>(request_.ef_search());
    }
  }

  std::optional<double> ReadMaxDistance() {
    for (const auto& [given, field] :
         {std::pair(request_.has_max_distance(), "max_distance"),
          std::pair(request_.has_min_certainty(), "min_certainty")}) {
      if (!given) continue;
      if (!has_query()) {
        Violation(field,
                  "is given without a query; without one there is no distance");
      } else if (request_.has_fusion() || request_.has_keyword()) {
        Violation(field,
                  absl::StrCat("is given beside ",
                               request_.has_fusion() ? "fusion" : "keyword",
                               ", whose results have a score and no distance; "
                               "leave it out"));
      }
    }
    if (request_.has_min_certainty()) {
      if (request_.has_max_distance()) {
        Violation("min_certainty",
                  "is given beside max_distance; give one of the two");
      }
      if (has_query() && !request_.has_fusion() && !plan_.spaces.empty() &&
          plan_.spaces[0].space.metric != Metric::kCosine) {
        Violation("min_certainty",
                  "is defined under the cosine metric only; give max_distance");
      }
      return CosineDistanceOfCertainty(request_.min_certainty());
    }
    if (request_.has_max_distance()) return request_.max_distance();
    return std::nullopt;
  }

  void ReadGrouping() {
    const v1::GroupBy& group_by = request_.group_by();
    ValidatePropertyName(group_by.property(),
                         absl::StrCat(path_, "group_by.property"), violations_);
    if (!has_query()) {
      Violation("group_by",
                "is given without a query, so no object of a group is its "
                "best; give a query");
    }
    const int64_t size = group_by.group_size() == 0 ? 1 : group_by.group_size();
    if (size < 0) {
      Violation("group_by.group_size",
                absl::StrCat("is ", size, "; give 1 or more, or 0 for 1"));
    } else if (wanted() * size > static_cast<int64_t>(limits_.results_max)) {
      Violation("group_by.group_size",
                absl::StrCat("is ", size, ", so top_k and offset ask for ",
                             wanted() * size, " objects; at most ",
                             limits_.results_max, " are allowed"));
    }
    plan_.query.grouping = {group_by.property(), static_cast<uint32_t>(size)};
  }

  void ReadDiversity() {
    const v1::Diversity& diversity = request_.diversity();
    const int64_t candidates_max = static_cast<int64_t>(
        std::min(kDiversityCandidatesMax, limits_.results_max));
    if (!has_query() || request_.has_fusion() || request_.has_keyword() ||
        request_.has_group_by()) {
      Violation("diversity",
                "goes with a query of one vector, and not with keyword, fusion "
                "or group_by; leave one out");
    }
    if (!(diversity.lambda() >= 0 && diversity.lambda() <= 1)) {
      Violation("diversity.lambda",
                absl::StrCat("is ", diversity.lambda(), "; give 0 to 1"));
    }
    if (wanted() > candidates_max) {
      Violation("top_k", absl::StrCat("and offset are ", wanted(),
                                      " together; with diversity at most ",
                                      candidates_max, " are allowed"));
    }
    const int64_t candidates =
        diversity.candidates() == 0
            ? std::min(kCandidatesPerResult * wanted(), candidates_max)
            : diversity.candidates();
    if (diversity.candidates() != 0 &&
        (candidates < wanted() || candidates > candidates_max)) {
      Violation("diversity.candidates",
                absl::StrCat("is ", candidates, "; give at least top_k and ",
                             "offset together, which is ", wanted(),
                             ", and at most ", candidates_max));
    }
    plan_.query.diversity = {diversity.lambda(),
                             static_cast<uint32_t>(candidates)};
  }

  const v1::QueryRequest& request_;
  const Collection& collection_;
  const Limits& limits_;
  const absl::string_view path_;
  FieldViolations violations_;
  PlannedQuery plan_;
};

// Of a filter: one comparison, or a few of which all must hold, and none with a
// long text. True: no filter.
bool ComparesAlone(const v1::Filter& filter) {
  if (filter.ByteSizeLong() > kShortFilterBytes) return false;
  switch (filter.node_case()) {
    case v1::Filter::NODE_NOT_SET:
    case v1::Filter::kComparison:
      return true;
    case v1::Filter::kAnd:
      return std::all_of(
          filter.and_().filters().begin(), filter.and_().filters().end(),
          [](const v1::Filter& part) { return part.has_comparison(); });
    default:
      return false;
  }
}

// As above. Words that look into texts, or compute, may also stand in a string;
// the query just goes the ordinary way then.
bool ComparesAlone(const std::string& expression) {
  if (expression.size() > kShortFilterBytes) return false;
  const std::string upper = absl::AsciiStrToUpper(expression);
  for (const absl::string_view word : {"CONTAINS", "MATCHES", "GEO_DISTANCE"}) {
    if (absl::StrContains(upper, word)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<PlannedQuery> QueryFromProto(const v1::QueryRequest& request,
                                            const Collection& collection,
                                            const Limits& limits,
                                            absl::string_view path) {
  return QueryReader(request, collection, limits, path).Read();
}

bool IsShort(const v1::QueryRequest& request) {
  const bool by_vector =
      (request.has_near_vector() || request.has_near_object()) &&
      !request.exact() && !request.has_group_by() && !request.has_diversity();
  const bool few = request.top_k() <= kShortResultsMax &&
                   request.offset() <= kShortResultsMax &&
                   request.ef_search() <= kShortBreadthMax;
  const bool light = !request.projection().image_bytes() &&
                     request.projection().thumbnail_pixels() == 0;
  return by_vector && few && light && ComparesAlone(request.filter()) &&
         ComparesAlone(request.filter_expression());
}

bool NeedsVectorizer(const v1::QueryRequest& request) {
  return HasInputs(VectorQueryOf(request)) ||
         std::any_of(request.fusion().parts().begin(),
                     request.fusion().parts().end(),
                     [](const v1::FusionPart& part) {
                       return HasInputs(VectorQueryOf(part));
                     });
}

}  // namespace diptych::storage
