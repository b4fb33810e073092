#include "storage/service/ranked_query.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "storage/service/maximal_marginal_relevance.h"
#include "storage/service/result_grouping.h"

namespace diptych::storage {
namespace {

// How much deeper a ranking is made when it does not hold enough groups.
constexpr size_t kGroupingDepthFactor = 4;
constexpr size_t kGroupingDepthMin = 100;

struct Ranking {
  std::vector<RankedResult> objects;
  // There are no more matches than these.
  bool complete = false;
};

class RankedQueryRun {
 public:
  RankedQueryRun(Engine& engine, const CallContext& call,
                 const RankedQuery& query)
      : engine_(engine), call_(call), query_(query) {}

  absl::StatusOr<std::vector<RankedResult>> Run() {
    if (query_.grouping.has_value()) return RunGrouping();
    if (query_.diversity.has_value()) return RunDiversity();
    if (query_.fusion.has_value()) return RunFusion();
    return Search(query_.parts[0], query_.top_k, query_.offset,
                  query_.projection);
  }

 private:
  size_t wanted() const { return size_t{query_.top_k} + query_.offset; }

  absl::StatusOr<std::vector<RankedResult>> Search(
      const RankedQuery::Part& part, size_t top_k, size_t offset,
      const Projection& projection) {
    if (part.keywords.has_value()) {
      return SearchKeywords(part, top_k, offset, projection);
    }
    SearchRequest search = part.search;
    search.top_k = static_cast<uint32_t>(top_k);
    search.offset = static_cast<uint32_t>(offset);
    search.projection = projection;
    DIPTYCH_ASSIGN_OR_RETURN(SearchResult found, engine_.Search(call_, search));
    std::vector<RankedResult> results;
    results.reserve(found.hits.size());
    for (SearchHit& hit : found.hits) {
      results.push_back(
          {std::move(hit.view), hit.distance, std::nullopt, std::nullopt});
    }
    return results;
  }

  absl::StatusOr<std::vector<RankedResult>> SearchKeywords(
      const RankedQuery::Part& part, size_t top_k, size_t offset,
      const Projection& projection) {
    KeywordSearchRequest search;
    search.collection = part.search.collection;
    search.keywords = *part.keywords;
    search.filter = part.search.filter;
    search.excluded_ids = part.search.excluded_ids;
    search.top_k = static_cast<uint32_t>(top_k);
    search.offset = static_cast<uint32_t>(offset);
    search.projection = projection;
    DIPTYCH_ASSIGN_OR_RETURN(KeywordSearchResult found,
                             engine_.SearchKeywords(call_, search));
    std::vector<RankedResult> results;
    results.reserve(found.hits.size());
    for (KeywordHit& hit : found.hits) {
      results.push_back(
          {std::move(hit.view), std::nullopt, hit.score, std::nullopt});
    }
    return results;
  }

  // The nearest `depth` of each part, fused where there are several.
  absl::StatusOr<Ranking> Rank(size_t depth, const Projection& projection) {
    Ranking ranking;
    ranking.complete = true;
    absl::flat_hash_map<std::string, ObjectView> views;
    std::vector<WeightedRanking> rankings;
    for (const RankedQuery::Part& part : query_.parts) {
      DIPTYCH_ASSIGN_OR_RETURN(std::vector<RankedResult> found,
                               Search(part, depth, 0, projection));
      ranking.complete = ranking.complete && found.size() < depth;
      if (!query_.fusion.has_value()) {
        ranking.objects = std::move(found);
        return ranking;
      }
      WeightedRanking weighted{{}, part.weight};
      for (RankedResult& result : found) {
        weighted.objects.push_back(
            {result.view.object.id,
             result.distance.has_value() ? -*result.distance : *result.score});
        views[result.view.object.id] = std::move(result.view);
      }
      rankings.push_back(std::move(weighted));
    }
    for (const ScoredId& fused : FuseRankings(rankings, *query_.fusion)) {
      ranking.objects.push_back({std::move(views.at(fused.id)), std::nullopt,
                                 fused.score, std::nullopt});
    }
    return ranking;
  }

  absl::StatusOr<std::vector<RankedResult>> RunFusion() {
    Projection nothing;
    nothing.all_properties = false;
    DIPTYCH_ASSIGN_OR_RETURN(Ranking ranking,
                             Rank(std::min(std::max(wanted(), kFusionDepthMin),
                                           engine_.limits().results_max),
                                  nothing));
    std::vector<RankedResult> chosen;
    for (size_t i = query_.offset;
         i < std::min(ranking.objects.size(), wanted()); ++i) {
      chosen.push_back(std::move(ranking.objects[i]));
    }
    return WithCallersProjection(std::move(chosen));
  }

  // Ranks deeper until every group that is wanted is full, or there is nothing
  // more to see.
  absl::StatusOr<std::vector<RankedResult>> RunGrouping() {
    const RankedQuery::Grouping& options = *query_.grouping;
    Projection group_only;
    group_only.all_properties = false;
    group_only.properties = {options.property};
    const size_t depth_max = engine_.limits().results_max;
    size_t depth = std::min(
        depth_max, std::max(kGroupingDepthMin, wanted() * options.group_size *
                                                   kGroupingDepthFactor));
    while (true) {
      DIPTYCH_RETURN_IF_ERROR(call_.Check(Clock::System().Now()));
      DIPTYCH_ASSIGN_OR_RETURN(Ranking ranking, Rank(depth, group_only));
      ResultGrouping grouping(wanted(), options.group_size);
      for (size_t i = 0; i < ranking.objects.size(); ++i) {
        const Properties& properties =
            ranking.objects[i].view.object.properties;
        const auto value = properties.find(options.property);
        grouping.Add(i, value == properties.end() ? nullptr : &value->second);
      }
      if (!grouping.Full() && !ranking.complete && depth < depth_max) {
        depth = std::min(depth_max, depth * kGroupingDepthFactor);
        continue;
      }
      std::vector<RankedResult> chosen;
      for (size_t i = query_.offset; i < grouping.groups().size(); ++i) {
        for (const size_t position : grouping.groups()[i].positions) {
          RankedResult& result = ranking.objects[position];
          result.group = result.view.object.properties.at(options.property);
          chosen.push_back(std::move(result));
        }
      }
      return WithCallersProjection(std::move(chosen));
    }
  }

  absl::StatusOr<std::vector<RankedResult>> RunDiversity() {
    const RankedQuery::Part& part = query_.parts[0];
    Projection vectors_only;
    vectors_only.all_properties = false;
    vectors_only.vectors = true;
    DIPTYCH_ASSIGN_OR_RETURN(
        std::vector<RankedResult> found,
        Search(part, query_.diversity->candidates, 0, vectors_only));
    std::vector<MarginalRelevanceCandidate> candidates;
    for (const RankedResult& result : found) {
      candidates.push_back(
          {*result.distance,
           result.view.object.vectors.find(part.search.vector_space)->second});
    }
    DIPTYCH_ASSIGN_OR_RETURN(
        const std::vector<size_t> picked,
        PickByMarginalRelevance(
            candidates, {part.metric, query_.diversity->lambda, wanted()},
            [this] { return call_.Check(Clock::System().Now()); }));
    std::vector<RankedResult> chosen;
    for (size_t i = query_.offset; i < picked.size(); ++i)
      chosen.push_back(std::move(found[picked[i]]));
    return WithCallersProjection(std::move(chosen));
  }

  absl::StatusOr<std::vector<RankedResult>> WithCallersProjection(
      std::vector<RankedResult> chosen) {
    absl::flat_hash_map<std::string, ObjectView> views;
    GetObjectsRequest request;
    request.collection = query_.parts[0].search.collection;
    request.projection = query_.projection;
    const size_t batch = engine_.limits().objects_per_batch_max;
    for (size_t begin = 0; begin < chosen.size(); begin += batch) {
      request.ids.clear();
      for (size_t i = begin; i < std::min(chosen.size(), begin + batch); ++i)
        request.ids.push_back(chosen[i].view.object.id);
      DIPTYCH_ASSIGN_OR_RETURN(GetObjectsResult got,
                               engine_.GetObjects(call_, request));
      for (ObjectView& view : got.objects) {
        std::string id = view.object.id;
        views.emplace(std::move(id), std::move(view));
      }
    }
    std::vector<RankedResult> results;
    for (RankedResult& result : chosen) {
      const auto view = views.find(result.view.object.id);
      if (view == views.end()) continue;
      result.view = std::move(view->second);
      results.push_back(std::move(result));
    }
    return results;
  }

  Engine& engine_;
  const CallContext& call_;
  const RankedQuery& query_;
};

}  // namespace

absl::StatusOr<std::vector<RankedResult>> RunRankedQuery(
    Engine& engine, const CallContext& call, const RankedQuery& query) {
  return RankedQueryRun(engine, call, query).Run();
}

}  // namespace diptych::storage
