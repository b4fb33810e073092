// The vector that each kind of query searches by.
#include "tests/model_based/model_queries.h"

namespace diptych::storage {
namespace {

Numbers NumbersOf(const v1::Vector& vector) {
  return Numbers(vector.dense().values().begin(),
                 vector.dense().values().end());
}

// Works out one part; what is wrong with it goes to `targets.errors`, and the
// vector is then of no meaning.
class PartReader {
 public:
  PartReader(StoredCollection& collection, v1::VectorSpace& space,
             QueryTargets& targets)
      : collection_(collection), space_(space), targets_(targets) {}

  Numbers Read(const v1::NearText& query) {
    NeedVectorizer();
    Numbers vector = MeanOfTexts(query.concepts());
    const double to = query.move_to().force() / 2;
    const double away = query.move_away().force() / 2;
    const Numbers target_to = TargetOf(query.move_to());
    const Numbers target_away = TargetOf(query.move_away());
    if (!targets_.errors.empty()) return {};
    if (to > 0) vector = Sum(Scaled(vector, 1 - to), Scaled(target_to, to));
    if (away > 0) {
      vector = Sum(vector, Scaled(Sum(vector, Scaled(target_away, -1)), away));
    }
    return vector;
  }

  Numbers Read(const v1::NearImage& query) {
    NeedVectorizer();
    return VectorOfInput(query.image());
  }

  Numbers Read(const v1::NearObject& query) {
    if (!query.include_self()) targets_.excluded.insert(query.id());
    return VectorOfObject(query.id());
  }

  Numbers Read(const v1::NearVector& query) {
    const Numbers vector = NumbersOf(query.vector());
    if (space_.dimension() != 0 &&
        space_.dimension() != static_cast<int>(vector.size())) {
      targets_.errors.insert(absl::StatusCode::kInvalidArgument);
    }
    return vector;
  }

  Numbers Read(const v1::Mix& query) {
    Numbers sum(kModelDimension);
    double weights = 0;
    for (const v1::WeightedTerm& term : query.terms()) {
      const Numbers vector = ReadTerm(term);
      // Without a direction it cannot be scaled to length 1.
      if (!vector.empty() && Length(vector) == 0)
        targets_.errors.insert(absl::StatusCode::kInvalidArgument);
      weights += std::abs(term.weight());
      if (targets_.errors.empty() && vector.size() == sum.size())
        sum = Sum(sum, Scaled(vector, term.weight() / Length(vector)));
    }
    sum = Scaled(sum, 1 / weights);
    if (Length(sum) < 1e-6)
      targets_.errors.insert(absl::StatusCode::kInvalidArgument);
    return sum;
  }

  Numbers Read(const v1::Recommend& query) {
    const std::vector<Numbers> positives = ExamplesOf(query.positive_ids());
    const std::vector<Numbers> negatives = ExamplesOf(query.negative_ids());
    if (!targets_.errors.empty()) return {};
    if (negatives.empty()) return Mean(positives);
    return Sum(Scaled(Mean(positives), 2), Scaled(Mean(negatives), -1));
  }

 private:
  using Texts = google::protobuf::RepeatedPtrField<std::string>;

  void NeedVectorizer() {
    if (!space_.has_vectorizer())
      targets_.errors.insert(absl::StatusCode::kFailedPrecondition);
  }

  Numbers ReadTerm(const v1::WeightedTerm& term) {
    if (term.has_near_text()) return Read(term.near_text());
    if (term.has_near_image()) return Read(term.near_image());
    if (term.has_near_object()) return Read(term.near_object());
    return Read(term.near_vector());
  }

  Numbers VectorOfObject(const std::string& id) {
    const auto object = collection_.objects.find(id);
    if (object == collection_.objects.end()) {
      targets_.errors.insert(absl::StatusCode::kNotFound);
      return {};
    }
    const auto vector = object->second.vectors.find(space_.name());
    if (vector == object->second.vectors.end()) {
      targets_.errors.insert(absl::StatusCode::kFailedPrecondition);
      return {};
    }
    return vector->second.numbers;
  }

  Numbers MeanOfTexts(const Texts& texts) {
    std::vector<Numbers> vectors;
    for (const std::string& text : texts)
      vectors.push_back(VectorOfInput(text));
    return Mean(vectors);
  }

  Numbers TargetOf(const v1::Move& move) {
    std::vector<Numbers> targets;
    if (!move.concepts().empty())
      targets.push_back(MeanOfTexts(move.concepts()));
    for (const std::string& id : move.object_ids())
      targets.push_back(VectorOfObject(id));
    if (targets.empty() || !targets_.errors.empty()) return {};
    return Mean(targets);
  }

  std::vector<Numbers> ExamplesOf(const Texts& ids) {
    std::vector<Numbers> examples;
    for (const std::string& id : ids) {
      targets_.excluded.insert(id);
      const Numbers vector = VectorOfObject(id);
      examples.push_back(space_.metric() == v1::METRIC_COSINE
                             ? Scaled(vector, 1 / Length(vector))
                             : vector);
    }
    return examples;
  }

  StoredCollection& collection_;
  v1::VectorSpace& space_;
  QueryTargets& targets_;
};

void AddWords(const v1::Keyword& words, const std::string& space, double weight,
              QueryTargets& targets) {
  bool wrong = words.text().empty() || !space.empty();
  const std::set<std::string> searched(words.properties().begin(),
                                       words.properties().end());
  for (const auto& [property, boost] : words.boosts()) {
    wrong = wrong || boost <= 0 ||
            (!searched.empty() && !searched.contains(property));
  }
  if (wrong) targets.errors.insert(absl::StatusCode::kInvalidArgument);
  targets.parts.push_back({nullptr, {}, &words, weight});
}

// `Part` is a QueryRequest or a FusionPart, which name their kinds alike.
template <typename Part>
void AddPart(StoredCollection& collection, const Part& part, double weight,
             QueryTargets& targets) {
  if (part.has_keyword()) {
    AddWords(part.keyword(), part.vector_space(), weight, targets);
    return;
  }
  v1::VectorSpace* space = collection.FindSpace(part.vector_space());
  if (space == nullptr) {
    targets.errors.insert(absl::StatusCode::kInvalidArgument);
    return;
  }
  PartReader reader(collection, *space, targets);
  Numbers vector;
  if (part.has_near_text()) vector = reader.Read(part.near_text());
  if (part.has_near_image()) vector = reader.Read(part.near_image());
  if (part.has_near_object()) vector = reader.Read(part.near_object());
  if (part.has_near_vector()) vector = reader.Read(part.near_vector());
  if (part.has_mix()) vector = reader.Read(part.mix());
  if (part.has_recommend()) vector = reader.Read(part.recommend());
  targets.parts.push_back({space, std::move(vector), nullptr, weight});
}

}  // namespace

QueryTargets TargetsOf(StoredCollection& collection,
                       const v1::QueryRequest& request) {
  QueryTargets targets;
  if (request.has_fusion()) {
    for (const v1::FusionPart& part : request.fusion().parts())
      AddPart(collection, part, part.weight() == 0 ? 1 : part.weight(),
              targets);
  } else if (request.query_case() != v1::QueryRequest::QUERY_NOT_SET) {
    AddPart(collection, request, 1, targets);
  }
  const bool of_distances = request.has_max_distance() ||
                            request.has_min_certainty() ||
                            request.has_diversity();
  if (request.has_keyword()
          ? of_distances
          : request.has_min_certainty() && !targets.parts.empty() &&
                targets.parts[0].space->metric() != v1::METRIC_COSINE) {
    targets.errors.insert(absl::StatusCode::kInvalidArgument);
  }
  return targets;
}

}  // namespace diptych::storage
