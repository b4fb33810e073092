// Searching a LocalCollection by words.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/keyword_validation.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/filter/filter_validation.h"

namespace diptych::storage {
namespace {

absl::Status Validate(const KeywordSearchRequest& request,
                      const Limits& limits) {
  FieldViolations violations;
  if (request.top_k < 1 ||
      uint64_t{request.top_k} + request.offset > limits.results_max) {
    violations.Add(
        "top_k",
        absl::StrCat("is ", request.top_k, " with offset ", request.offset,
                     "; give at least 1, and together at most ",
                     limits.results_max));
  }
  if (request.excluded_ids.size() > limits.results_max) {
    violations.Add("excluded_ids",
                   absl::StrCat("has ", request.excluded_ids.size(),
                                " members; give at most ", limits.results_max));
  }
  ValidateKeywords(request.keywords, "keywords", limits, violations);
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  if (!request.filter.has_value()) return absl::OkStatus();
  return ValidateFilter(*request.filter, limits);
}

std::optional<Filter> FilterOf(const KeywordSearchRequest& request) {
  if (request.excluded_ids.empty()) return request.filter;
  Filter others{IdInFilter{request.excluded_ids, /*negated=*/true}};
  if (!request.filter.has_value()) return others;
  return Filter{AndFilter{{*request.filter, std::move(others)}}};
}

}  // namespace

absl::StatusOr<KeywordSearchResult> LocalCollection::SearchKeywords(
    const CallContext& context, const KeywordSearchRequest& request) {
  DIPTYCH_RETURN_IF_ERROR(context.Check(environment_.clock->Now()));
  DIPTYCH_RETURN_IF_ERROR(Validate(request, environment_.limits));
  KeywordQuery query;
  AddQueryTerms(request.keywords.text, query.terms);
  query.properties = request.keywords.properties;
  query.boosts.insert(request.keywords.boosts.begin(),
                      request.keywords.boosts.end());
  const std::optional<Filter> filter = FilterOf(request);
  DIPTYCH_ASSIGN_OR_RETURN(auto result,
                           SearchKeywordsOnce(query, filter, request));
  if (result.has_value()) return *std::move(result);
  // Between two commits the index and the store are of one state.
  absl::ReaderMutexLock lock(&published_);
  DIPTYCH_ASSIGN_OR_RETURN(result, SearchKeywordsOnce(query, filter, request));
  if (result.has_value()) return *std::move(result);
  return absl::InternalError(
      "the keyword index knows an object that the store lacks; restart the "
      "server to build it anew");
}

absl::StatusOr<std::optional<KeywordSearchResult>>
LocalCollection::SearchKeywordsOnce(const KeywordQuery& query,
                                    const std::optional<Filter>& filter,
                                    const KeywordSearchRequest& request) {
  DIPTYCH_ASSIGN_OR_RETURN(
      const std::vector<ScoredSlot> found,
      index_.SearchKeywords(query, size_t{request.top_k} + request.offset,
                            filter));
  const CollectionSpec spec = description().spec;
  KeywordSearchResult result;
  size_t bytes = 0;
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  for (size_t i = request.offset; i < found.size(); ++i) {
    DIPTYCH_ASSIGN_OR_RETURN(auto record, ReadObject(*read, found[i].slot));
    if (!record.has_value()) return std::optional<KeywordSearchResult>();
    KeywordHit hit;
    hit.score = found[i].score;
    DIPTYCH_ASSIGN_OR_RETURN(hit.view,
                             View(*read, found[i].slot, *std::move(record),
                                  request.projection, spec));
    bytes += ViewBytes(hit.view);
    if (bytes > environment_.limits.answer_bytes_max) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the answer would be larger than is allowed; ask for fewer hits, or "
          "for less of each: bytes allowed ",
          environment_.limits.answer_bytes_max));
    }
    result.hits.push_back(std::move(hit));
  }
  return std::optional<KeywordSearchResult>(std::move(result));
}

}  // namespace diptych::storage
