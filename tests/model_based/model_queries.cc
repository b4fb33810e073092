#include "tests/model_based/model_queries.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/model_based/model_words.h"

namespace diptych::storage {
namespace {

// Nearer than this, relative to 1 + its size, two values may change places.
constexpr double kTie = 2e-6;

bool Tied(double a, double b) {
  return std::abs(a - b) <= kTie * (1 + std::abs(a));
}

void Sort(ExpectedRanking& ranking) {
  auto& objects = ranking.objects;
  std::sort(objects.begin(), objects.end(),
            [](const RankedObject& a, const RankedObject& b) {
              return a.value != b.value ? a.value < b.value : a.id < b.id;
            });
  for (size_t i = 1; i < objects.size(); ++i) {
    ranking.ambiguous =
        ranking.ambiguous || (objects[i].value != objects[i - 1].value &&
                              Tied(objects[i].value, objects[i - 1].value));
  }
}

ExpectedRanking RankBySpace(const StoredCollection& collection,
                            const QueryTarget& target,
                            const std::set<std::string>& eligible,
                            std::optional<double> max) {
  ExpectedRanking ranking;
  for (const std::string& id : eligible) {
    const auto& vectors = collection.objects.at(id).vectors;
    const auto vector = vectors.find(target.space->name());
    if (vector == vectors.end()) continue;
    const double distance = ModelDistance(target.space->metric(), target.vector,
                                          vector->second.numbers);
    if (max.has_value() && Tied(distance, *max)) ranking.ambiguous = true;
    if (max.has_value() && distance > *max) continue;
    ranking.objects.push_back({id, distance});
  }
  Sort(ranking);
  return ranking;
}

// Statistics are of all objects, whatever is eligible.
ExpectedRanking RankByWords(const StoredCollection& collection,
                            const v1::Keyword& words,
                            const std::set<std::string>& eligible) {
  const std::map<std::string, WordScore> scores =
      ScoresOfWords(collection.objects, words);
  ExpectedRanking ranking;
  for (const auto& [id, score] : scores) {
    if (eligible.contains(id)) ranking.objects.push_back({id, -score.score});
  }
  Sort(ranking);
  for (size_t i = 1; i < ranking.objects.size(); ++i) {
    const RankedObject& before = ranking.objects[i - 1];
    const RankedObject& object = ranking.objects[i];
    ranking.ambiguous = ranking.ambiguous || (before.value == object.value &&
                                              scores.at(before.id).weights !=
                                                  scores.at(object.id).weights);
  }
  return ranking;
}

ExpectedRanking Fuse(const v1::Fusion& fusion,
                     const std::vector<ExpectedRanking>& rankings,
                     const QueryTargets& targets) {
  std::map<std::string, double> scores;
  ExpectedRanking fused;
  for (size_t part = 0; part < rankings.size(); ++part) {
    const auto& objects = rankings[part].objects;
    const double weight = targets.parts[part].weight;
    fused.ambiguous = fused.ambiguous || rankings[part].ambiguous;
    if (objects.empty()) continue;
    const double nearest = objects.front().value;
    const double range = objects.back().value - nearest;
    for (size_t rank = 0; rank < objects.size(); ++rank) {
      if (fusion.method() != v1::FUSION_METHOD_RELATIVE_SCORE) {
        scores[objects[rank].id] += weight / (60 + static_cast<double>(rank));
      } else {
        scores[objects[rank].id] +=
            range == 0 ? weight
                       : weight * (1 - (objects[rank].value - nearest) / range);
        // A small range makes much of what rounding leaves.
        fused.ambiguous = fused.ambiguous || (range != 0 && range < 0.05);
      }
    }
  }
  for (const auto& [id, score] : scores) fused.objects.push_back({id, -score});
  Sort(fused);
  return fused;
}

// Objects of one key are a group; none: the object is in no group.
std::optional<std::string> GroupKeyOf(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
    case v1::Value::kIntegerValue:
    case v1::Value::kTextValue:
    case v1::Value::kTimestampValue:
      return value.ShortDebugString();
    case v1::Value::kDoubleValue: {
      const double number = value.double_value();
      if (number == std::trunc(number) && number >= -0x1p63 &&
          number < 0x1p63) {
        v1::Value integer;
        integer.set_integer_value(static_cast<int64_t>(number));
        return integer.ShortDebugString();
      }
      return absl::StrCat("double ", number);
    }
    default:
      return std::nullopt;
  }
}

std::vector<RankedObject> Group(const StoredCollection& collection,
                                const v1::QueryRequest& request, size_t top_k,
                                const std::vector<RankedObject>& ranking) {
  std::vector<std::vector<RankedObject>> groups;
  std::map<std::string, size_t> positions;
  const size_t size = std::max(1, request.group_by().group_size());
  for (const RankedObject& object : ranking) {
    const auto& properties = collection.objects.at(object.id).properties;
    const auto value = properties.find(request.group_by().property());
    if (value == properties.end()) continue;
    const auto key = GroupKeyOf(value->second);
    if (!key.has_value()) continue;
    const auto [found, is_new] = positions.emplace(*key, groups.size());
    if (is_new) groups.emplace_back();
    auto& group = groups[found->second];
    if (group.size() < size) group.push_back(object);
  }
  std::vector<RankedObject> results;
  for (size_t i = request.offset();
       i < std::min(groups.size(), request.offset() + top_k); ++i) {
    results.insert(results.end(), groups[i].begin(), groups[i].end());
  }
  return results;
}

// In the order in which maximal marginal relevance picks.
ExpectedResults Diversify(const StoredCollection& collection,
                          const v1::Diversity& diversity,
                          const QueryTarget& target, size_t wanted,
                          std::vector<RankedObject> candidates) {
  ExpectedResults results;
  const size_t count =
      diversity.candidates() == 0 ? 4 * wanted : diversity.candidates();
  if (candidates.size() > count) candidates.resize(count);
  const auto vector = [&](const RankedObject& object) {
    return collection.objects.at(object.id)
        .vectors.at(target.space->name())
        .numbers;
  };
  while (!candidates.empty() && results.objects.size() < wanted) {
    size_t best = 0;
    double best_relevance = -std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < candidates.size() && !results.objects.empty(); ++i) {
      double nearest = std::numeric_limits<double>::infinity();
      for (const RankedObject& chosen : results.objects) {
        nearest = std::min(
            nearest, ModelDistance(target.space->metric(),
                                   vector(candidates[i]), vector(chosen)));
      }
      const double relevance = (1 - diversity.lambda()) * nearest -
                               diversity.lambda() * candidates[i].value;
      if (Tied(relevance, best_relevance)) results.ambiguous = true;
      if (relevance > best_relevance) {
        best_relevance = relevance;
        best = i;
      }
    }
    results.objects.push_back(candidates[best]);
    candidates.erase(candidates.begin() + static_cast<ptrdiff_t>(best));
  }
  return results;
}

size_t TopKOf(const v1::QueryRequest& request) {
  return request.top_k() == 0 ? 10 : request.top_k();
}

}  // namespace

ExpectedRanking RankingOf(const StoredCollection& collection,
                          const v1::QueryRequest& request,
                          const QueryTargets& targets,
                          const std::set<std::string>& eligible) {
  if (targets.parts.empty()) {
    ExpectedRanking by_id;
    for (const std::string& id : eligible) by_id.objects.push_back({id, 0});
    return by_id;
  }
  std::optional<double> max;
  if (request.has_max_distance()) max = request.max_distance();
  if (request.has_min_certainty()) max = 2 * (1 - request.min_certainty());
  std::vector<ExpectedRanking> rankings;
  for (const QueryTarget& target : targets.parts) {
    rankings.push_back(target.words != nullptr
                           ? RankByWords(collection, *target.words, eligible)
                           : RankBySpace(collection, target, eligible, max));
  }
  if (!request.has_fusion()) return rankings[0];
  return Fuse(request.fusion(), rankings, targets);
}

ExpectedResults ResultsOf(const StoredCollection& collection,
                          const v1::QueryRequest& request,
                          const QueryTargets& targets,
                          ExpectedRanking ranking) {
  const size_t top_k = TopKOf(request);
  ExpectedResults results{std::move(ranking.objects), ranking.ambiguous};
  if (request.has_group_by()) {
    results.objects = Group(collection, request, top_k, results.objects);
    return results;
  }
  if (request.has_diversity()) {
    results = Diversify(collection, request.diversity(), targets.parts[0],
                        request.offset() + top_k, std::move(results.objects));
    results.ambiguous = results.ambiguous || ranking.ambiguous;
  }
  auto& objects = results.objects;
  objects.erase(objects.begin(),
                objects.begin() + static_cast<ptrdiff_t>(std::min<size_t>(
                                      request.offset(), objects.size())));
  if (objects.size() > top_k) objects.resize(top_k);
  return results;
}

Codes Model::QueryErrors(StoredCollection& collection,
                         const v1::QueryRequest& request) {
  return TargetsOf(collection, request).errors;
}

std::string Model::JudgeResults(StoredCollection& collection,
                                const v1::QueryRequest& request,
                                const v1::QueryResponse& response) {
  const QueryTargets targets = TargetsOf(collection, request);
  std::set<std::string> eligible =
      collection.Matching(request.has_filter() ? &request.filter() : nullptr);
  for (const std::string& id : targets.excluded) eligible.erase(id);
  const ExpectedRanking ranking =
      RankingOf(collection, request, targets, eligible);
  const ExpectedResults expected =
      ResultsOf(collection, request, targets, ranking);
  const bool scored = request.has_fusion() || request.has_keyword();
  const bool vector_query = !targets.parts.empty() && !scored;
  if (expected.ambiguous) ++ambiguous_;

  std::map<std::string, double> values;
  for (const RankedObject& object : ranking.objects)
    values[object.id] = object.value;
  std::vector<std::string> actual_ids, expected_ids;
  for (const v1::QueryResult& result : response.results()) {
    const std::string& id = result.object().id();
    actual_ids.push_back(id);
    const auto differs = [&id](const auto&... what) {
      return absl::StrCat("result ", id, ": ", what...);
    };
    const auto value = values.find(id);
    if (value == values.end() && !expected.ambiguous)
      return differs("does not match");
    if (result.has_distance() != vector_query || result.has_score() != scored ||
        result.has_certainty() !=
            (vector_query &&
             targets.parts[0].space->metric() == v1::METRIC_COSINE) ||
        result.has_group() != request.has_group_by()) {
      return differs("has other fields: ", result.ShortDebugString());
    }
    if (value != values.end() && vector_query &&
        !Near(result.distance(), value->second)) {
      return differs("distance ", result.distance(), ", not ", value->second);
    }
    if (result.has_certainty() &&
        result.certainty() != 1 - result.distance() / 2)
      return differs("certainty ", result.certainty());
    if (result.has_score() && !expected.ambiguous &&
        !Near(result.score(), -value->second)) {
      return differs("score ", result.score(), ", not ", -value->second);
    }
    StoredObject& object = collection.objects.at(id);
    if (result.has_group() &&
        !google::protobuf::util::MessageDifferencer::Equals(
            result.group(), object.properties[request.group_by().property()])) {
      return differs("is in the group ", result.group().ShortDebugString());
    }
    if (auto difference =
            JudgeObject(result.object(), id, object, request.projection());
        !difference.empty()) {
      return difference;
    }
  }
  for (const RankedObject& object : expected.objects)
    expected_ids.push_back(object.id);
  if (actual_ids == expected_ids || expected.ambiguous) return "";
  return absl::StrCat("results are ", absl::StrJoin(actual_ids, ", "), ", not ",
                      absl::StrJoin(expected_ids, ", "));
}

std::string Model::Judge(const v1::QueryRequest& request,
                         const Answer<v1::QueryResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  if (collection == nullptr) {
    codes = {absl::StatusCode::kNotFound};
  } else {
    codes = QueryErrors(*collection, request);
  }
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  return JudgeResults(*collection, request, *answer);
}

std::string Model::Judge(const v1::BatchQueryRequest& request,
                         const Answer<v1::BatchQueryResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  if (collection == nullptr) {
    codes = {absl::StatusCode::kNotFound};
  } else {
    for (const v1::QueryRequest& query : request.queries())
      codes.merge(QueryErrors(*collection, query));
  }
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  if (answer->responses_size() != request.queries_size())
    return absl::StrCat(answer->responses_size(), " responses");
  for (int i = 0; i < request.queries_size(); ++i) {
    if (auto difference =
            JudgeResults(*collection, request.queries(i), answer->responses(i));
        !difference.empty()) {
      return absl::StrCat("query ", i, ": ", difference);
    }
  }
  return "";
}

}  // namespace diptych::storage
