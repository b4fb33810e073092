#include "storage/engine/import_preparation.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/engine/object_inputs.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

// The inputs of one model, and what became of them.
struct ModelWork {
  ModelInputs inputs;
  BulkVectorizer::Results results;
};

// One call of VectorizeImport; lives until all its models have answered.
struct Preparation {
  std::unique_ptr<LocalPreparedObjects> objects;
  ObjectImport::Prepared done;
  std::map<std::string, ModelWork> models;
  // Per object and space.
  std::vector<std::vector<std::vector<FieldInputs>>> fields;
  std::atomic<size_t> unanswered{0};
};

absl::Status Explain(const absl::Status& status, const InputOrigin& origin,
                     const std::string& model) {
  const std::string field = absl::StrCat(
      "objects[", origin.object, "].properties", Subscript(origin.property));
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return InvalidField(field, status.message());
    case absl::StatusCode::kNotFound:
      return absl::FailedPreconditionError(absl::StrCat(
          "the inference service does not serve the model of this collection; "
          "start it with that model, or bring your own vectors: ",
          model.empty() ? "its default model" : model, ": ",
          std::string(status.message())));
    default:
      return Annotate(status, "the vector could not be made");
  }
}

absl::Status ModelChanged() {
  return absl::FailedPreconditionError(
      "the inference service changed its model while the object's vector was "
      "made; send it again");
}

// Takes the vectors of the inputs of one field set; an error when one failed.
absl::Status CheckInputs(absl::Span<const FieldInputs> fields,
                         const std::string& name, const ModelWork& model,
                         std::string& fingerprint) {
  for (const FieldInputs& field : fields) {
    for (const size_t position : field.positions) {
      const auto& result = model.results[position];
      if (!result.ok()) {
        return Explain(result.status(), model.inputs.origins[position], name);
      }
      if (fingerprint.empty()) fingerprint = result->model_fingerprint;
      if (fingerprint != result->model_fingerprint) return ModelChanged();
    }
  }
  return absl::OkStatus();
}

absl::Status MakeVector(const VectorSpace& space,
                        absl::Span<const FieldInputs> fields,
                        const ModelWork& model, size_t index,
                        std::string& fingerprint, PendingVector& pending) {
  if (absl::Status status =
          CheckInputs(fields, space.vectorizer.model, model, fingerprint);
      !status.ok()) {
    return status;
  }
  pending.vector = WeightedMean(fields, model.inputs.vectors, space.metric);
  pending.made = true;
  if (!IsZero(pending.vector, space.metric)) return absl::OkStatus();
  return InvalidField(absl::StrCat("objects[", index, "].properties"),
                      kFieldsCancelOut);
}

// Bytes that were for vectors only.
void DropExternalImages(LocalPreparedObjects::Entry& entry) {
  if (entry.loaded_images.empty()) return;
  for (const auto& [name, value] : entry.pending.properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image != nullptr && image->external) {
      entry.loaded_images[0].erase(name);
    }
  }
}

void Finish(Preparation& preparation) {
  for (auto& [name, model] : preparation.models) {
    for (auto& result : model.results) {
      model.inputs.vectors.push_back(result.ok() ? std::move(result->vector)
                                                 : std::vector<float>());
    }
  }
  LocalPreparedObjects& objects = *preparation.objects;
  for (size_t i = 0; i < objects.entries.size(); ++i) {
    LocalPreparedObjects::Entry& entry = objects.entries[i];
    for (size_t space = 0; space < preparation.fields[i].size(); ++space) {
      const auto& fields = preparation.fields[i][space];
      if (fields.empty() || !entry.status.ok()) continue;
      const VectorSpace& description = objects.spec.vector_spaces[space];
      entry.status = MakeVector(
          description, fields, preparation.models[description.vectorizer.model],
          entry.pending.index, entry.fingerprints[space],
          entry.pending.vectors[space]);
    }
    DropExternalImages(entry);
  }
  std::move(preparation.done)(std::move(preparation.objects));
}

}  // namespace

size_t LocalPreparedObjects::bytes() const {
  size_t bytes = 0;
  for (const Entry& entry : entries) {
    if (!entry.status.ok()) continue;
    bytes += 256 + entry.pending.properties.size() * 64;
    for (const auto& [name, image] : *entry.pending.images) {
      bytes += image.size();
    }
    for (const PendingVector& vector : entry.pending.vectors) {
      bytes += vector.vector.size() * sizeof(float);
    }
  }
  return bytes;
}

void VectorizeImport(const CallContext& context, BulkVectorizer* vectorizer,
                     std::unique_ptr<LocalPreparedObjects> objects,
                     ObjectImport::Prepared done) {
  auto preparation = std::make_shared<Preparation>();
  const CollectionSpec& spec = objects->spec;
  for (LocalPreparedObjects::Entry& entry : objects->entries) {
    entry.fingerprints.resize(spec.vector_spaces.size());
    auto& fields = preparation->fields.emplace_back();
    if (!entry.status.ok() || entry.wanted.empty()) continue;
    fields.resize(spec.vector_spaces.size());
    const VectorizableObject object{entry.pending.index,
                                    &entry.pending.properties,
                                    entry.pending.images,
                                    {},
                                    {}};
    for (size_t space = 0; space < spec.vector_spaces.size(); ++space) {
      const VectorSpace& description = spec.vector_spaces[space];
      if (!entry.wanted[space]) continue;
      fields[space] = CollectInputs(
          description, object,
          preparation->models[description.vectorizer.model].inputs);
      if (fields[space].empty() || vectorizer != nullptr) continue;
      entry.status = absl::FailedPreconditionError(
          "this collection's vectors are made by an inference service, and "
          "the server has none; start it with --inference, or bring your own "
          "vectors");
    }
  }
  preparation->objects = std::move(objects);
  preparation->done = std::move(done);
  std::erase_if(preparation->models, [](const auto& model) {
    return model.second.inputs.inputs.empty();
  });
  if (vectorizer == nullptr || preparation->models.empty()) {
    Finish(*preparation);
    return;
  }
  preparation->unanswered = preparation->models.size();
  // Not the map's own iteration: the last answer may end the preparation.
  std::vector<std::pair<std::string, ModelWork*>> models;
  for (auto& [name, model] : preparation->models) {
    models.emplace_back(name, &model);
  }
  for (auto& [name, model] : models) {
    vectorizer->Submit(
        context, name, model->inputs.inputs,
        [preparation, model = model](BulkVectorizer::Results results) {
          model->results = std::move(results);
          if (preparation->unanswered.fetch_sub(1) == 1) Finish(*preparation);
        });
  }
}

}  // namespace diptych::storage
