#include "storage/service/vector_query.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/engine/object_validation.h"
#include "storage/service/value_conversion.h"

namespace diptych::storage {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

class SourceCollector {
 public:
  SourceCollector(const VectorSpace& space, const Limits& limits,
                  QuerySources& sources, FieldViolations& violations)
      : space_(space),
        limits_(limits),
        sources_(sources),
        violations_(violations) {}

  void Add(std::monostate, absl::string_view) {}

  void Add(const v1::NearText* query, absl::string_view path) {
    const std::string field = absl::StrCat(path, ".concepts");
    const size_t concepts = query->concepts_size();
    if (concepts == 0 || concepts > kSourcesMax) {
      violations_.Add(field, absl::StrCat("has ", concepts,
                                          " texts; give 1 to ", kSourcesMax));
    }
    AddTexts(query->concepts(), field);
    if (query->has_move_to()) {
      AddMove(query->move_to(), 1, absl::StrCat(path, ".move_to"));
    }
    if (query->has_move_away()) {
      AddMove(query->move_away(), HUGE_VAL, absl::StrCat(path, ".move_away"));
    }
  }

  void Add(const v1::NearImage* query, absl::string_view path) {
    const size_t bytes = query->image().size();
    std::string field = absl::StrCat(path, ".image");
    if (bytes == 0 || bytes > limits_.image_bytes_max) {
      violations_.Add(
          field, absl::StrCat("has ", bytes,
                              " bytes; give an encoded picture of at most ",
                              limits_.image_bytes_max));
    }
    sources_.inputs.push_back(
        {VectorizerInputKind::kImage, &query->image(), std::move(field)});
  }

  void Add(const v1::NearObject* query, absl::string_view path) {
    ValidateObjectId(query->id(), absl::StrCat(path, ".id"), violations_);
  }

  void Add(const v1::NearVector* query, absl::string_view path) {
    AddVector(*query, space_.metric, path);
  }

  void Add(const v1::Mix* query, absl::string_view path) {
    if (query->terms().empty()) {
      violations_.Add(absl::StrCat(path, ".terms"),
                      "is empty; give at least one term");
    }
    for (int i = 0; i < query->terms_size(); ++i) {
      const v1::WeightedTerm& term = query->terms(i);
      const std::string field = absl::StrCat(path, ".terms[", i, "]");
      if (term.weight() == 0 || !std::isfinite(term.weight())) {
        violations_.Add(
            absl::StrCat(field, ".weight"),
            absl::StrCat("is ", term.weight(), "; give a number other than 0"));
      }
      switch (term.term_case()) {
        case v1::WeightedTerm::kNearObject:
          AddObject(term.near_object().id(),
                    absl::StrCat(field, ".near_object.id"));
          break;
        case v1::WeightedTerm::kNearVector:
          // Terms are scaled to length 1, whatever the metric.
          AddVector(term.near_vector(), Metric::kCosine,
                    absl::StrCat(field, ".near_vector"));
          break;
        case v1::WeightedTerm::TERM_NOT_SET:
          violations_.Add(field,
                          "names nothing; give near_text, near_image, "
                          "near_object or near_vector");
          break;
        case v1::WeightedTerm::kNearText:
          Add(&term.near_text(), absl::StrCat(field, ".near_text"));
          break;
        case v1::WeightedTerm::kNearImage:
          Add(&term.near_image(), absl::StrCat(field, ".near_image"));
          break;
      }
    }
  }

  void Add(const v1::Recommend* query, absl::string_view path) {
    if (query->positive_ids().empty()) {
      violations_.Add(absl::StrCat(path, ".positive_ids"),
                      "is empty; give at least one object to be like");
    }
    AddObjects(query->positive_ids(), absl::StrCat(path, ".positive_ids"));
    AddObjects(query->negative_ids(), absl::StrCat(path, ".negative_ids"));
  }

 private:
  void AddTexts(const Texts& texts, absl::string_view field) {
    for (int i = 0; i < texts.size(); ++i) {
      std::string path = absl::StrCat(field, "[", i, "]");
      if (texts.Get(i).empty()) violations_.Add(path, "is empty; give a text");
      sources_.inputs.push_back(
          {VectorizerInputKind::kText, &texts.Get(i), std::move(path)});
    }
  }

  void AddObject(const std::string& id, std::string field) {
    ValidateObjectId(id, field, violations_);
    sources_.objects.push_back({&id, std::move(field)});
  }

  void AddObjects(const Texts& ids, absl::string_view field) {
    for (int i = 0; i < ids.size(); ++i)
      AddObject(ids.Get(i), absl::StrCat(field, "[", i, "]"));
  }

  void AddMove(const v1::Move& move, double force_max, absl::string_view path) {
    const std::string field = absl::StrCat(path, ".force");
    if (!(move.force() >= 0 && move.force() <= force_max) ||
        std::isinf(move.force())) {
      violations_.Add(field,
                      absl::StrCat("is ", move.force(), "; give ",
                                   force_max == 1 ? "0 to 1" : "0 or more"));
    } else if (move.force() > 0 && move.concepts().empty() &&
               move.object_ids().empty()) {
      violations_.Add(path,
                      "has a force, but neither concepts nor object_ids; say "
                      "what to move by");
    }
    AddTexts(move.concepts(), absl::StrCat(path, ".concepts"));
    AddObjects(move.object_ids(), absl::StrCat(path, ".object_ids"));
  }

  void AddVector(const v1::NearVector& query, Metric metric,
                 absl::string_view path) {
    const std::string field = absl::StrCat(path, ".vector");
    const std::vector<float> vector =
        VectorFromProto(query.vector(), field, violations_);
    if (vector.empty()) return;
    ValidateVector(vector, metric, field, limits_, violations_);
    if (space_.dimension != 0 && vector.size() != space_.dimension) {
      violations_.Add(field, absl::StrCat("has ", vector.size(),
                                          " dimensions; the vectors of this "
                                          "space have ",
                                          space_.dimension));
    }
  }

  const VectorSpace& space_;
  const Limits& limits_;
  QuerySources& sources_;
  FieldViolations& violations_;
};

struct FieldName {
  absl::string_view operator()(std::monostate) const { return ""; }
  absl::string_view operator()(const v1::NearText*) const {
    return "near_text";
  }
  absl::string_view operator()(const v1::NearImage*) const {
    return "near_image";
  }
  absl::string_view operator()(const v1::NearObject*) const {
    return "near_object";
  }
  absl::string_view operator()(const v1::NearVector*) const {
    return "near_vector";
  }
  absl::string_view operator()(const v1::Mix*) const { return "mix"; }
  absl::string_view operator()(const v1::Recommend*) const {
    return "recommend";
  }
};

}  // namespace

absl::string_view FieldOf(const VectorQuery& query) {
  return std::visit(FieldName(), query);
}

bool HasInputs(const VectorQuery& query) {
  if (std::holds_alternative<const v1::NearText*>(query) ||
      std::holds_alternative<const v1::NearImage*>(query)) {
    return true;
  }
  const auto* mix = std::get_if<const v1::Mix*>(&query);
  return mix != nullptr &&
         std::any_of((*mix)->terms().begin(), (*mix)->terms().end(),
                     [](const v1::WeightedTerm& term) {
                       return term.has_near_text() || term.has_near_image();
                     });
}

QuerySources CollectSources(const VectorQuery& query, absl::string_view path,
                            const VectorSpace& space, const Limits& limits,
                            FieldViolations& violations) {
  QuerySources sources;
  SourceCollector collector(space, limits, sources, violations);
  std::visit([&](const auto& kind) { collector.Add(kind, path); }, query);
  for (const auto& [count, what] :
       {std::pair(sources.inputs.size(), "texts and pictures"),
        std::pair(sources.objects.size(), "objects")}) {
    if (count <= kSourcesMax) continue;
    violations.Add(path,
                   absl::StrCat("has ", count, " ", what, " in all; at most ",
                                kSourcesMax, " are allowed"));
  }
  return sources;
}

}  // namespace diptych::storage
