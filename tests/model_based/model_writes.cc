// Judging what is written of objects.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/hash/sha256.h"
#include "tests/model_based/model.h"

namespace diptych::storage {
namespace {

using Properties = std::map<std::string, v1::Value>;

Numbers NumbersOf(const v1::Vector& vector) {
  return Numbers(vector.dense().values().begin(),
                 vector.dense().values().end());
}

// As the service stores them: with the hashes and sizes of images.
Properties StoredPropertiesOf(const v1::Object& object) {
  Properties properties(object.properties().begin(), object.properties().end());
  for (auto& [name, value] : properties) {
    if (!value.has_image_value() || value.image_value().data().empty())
      continue;
    v1::Image& image = *value.mutable_image_value();
    image.set_content_sha256(Sha256(image.data()));
    image.set_size_bytes(static_cast<int64_t>(image.data().size()));
    image.set_stored(true);
  }
  return properties;
}

// Whether the object can be refused without knowing what is stored.
bool IsMalformed(StoredCollection& collection, const v1::Object& object) {
  for (const auto& [name, value] : object.properties()) {
    if (name.empty() || name[0] == '#' || name[0] == '$') return true;
  }
  for (const auto& [name, vector] : object.vectors()) {
    const v1::VectorSpace* space = collection.FindSpace(name);
    const Numbers numbers = NumbersOf(vector);
    if (space == nullptr ||
        std::any_of(numbers.begin(), numbers.end(),
                    [](double number) { return !std::isfinite(number); }) ||
        (space->metric() == v1::METRIC_COSINE && Length(numbers) == 0)) {
      return true;
    }
  }
  return false;
}

template <typename Request>
bool IsMalformed(StoredCollection& collection, const Request& request) {
  std::set<std::string> ids;
  for (const v1::Object& object : request.objects()) {
    if (IsMalformed(collection, object)) return true;
    if (!object.id().empty() && !ids.insert(object.id()).second) return true;
  }
  return request.objects().empty();
}

std::vector<Numbers> VectorsOfField(const v1::Value& value) {
  std::vector<Numbers> vectors;
  if (!value.text_value().empty())
    vectors.push_back(VectorOfInput(value.text_value()));
  for (const std::string& text : value.text_list().values()) {
    if (!text.empty()) vectors.push_back(VectorOfInput(text));
  }
  return vectors;
}

// The weighted mean over the fields that the object has; none without fields.
std::optional<Numbers> MadeVector(const v1::VectorSpace& space,
                                  const Properties& properties) {
  Numbers sum(kModelDimension);
  double weights = 0;
  const auto add = [&](const v1::WeightedField& field, const Numbers& vector) {
    sum = Sum(sum, Scaled(vector, field.weight()));
    weights += field.weight();
  };
  for (const auto& field : space.vectorizer().text_fields()) {
    const auto found = properties.find(field.property());
    if (found == properties.end()) continue;
    const std::vector<Numbers> vectors = VectorsOfField(found->second);
    if (!vectors.empty()) add(field, Mean(vectors));
  }
  for (const auto& field : space.vectorizer().image_fields()) {
    const auto found = properties.find(field.property());
    if (found == properties.end()) continue;
    const std::string& bytes = found->second.image_value().data();
    if (!bytes.empty()) add(field, VectorOfInput(bytes));
  }
  if (weights == 0) return std::nullopt;
  return Scaled(
      sum, space.metric() == v1::METRIC_COSINE ? 1 / Length(sum) : 1 / weights);
}

// Stores the object; false where a vector's length is not that of its space.
bool Put(StoredCollection& collection, const std::string& id,
         StoredObject object) {
  for (auto& space : *collection.description.mutable_vector_spaces()) {
    const auto found = object.vectors.find(space.name());
    if (found == object.vectors.end()) continue;
    const int dimension = static_cast<int>(found->second.numbers.size());
    if (space.dimension() == 0) space.set_dimension(dimension);
    if (space.dimension() != dimension) return false;
    if (found->second.made) space.set_model_fingerprint("fake-fingerprint");
  }
  collection.objects[id] = std::move(object);
  return true;
}

StoredObject NewObject(StoredCollection& collection, const v1::Object& object) {
  StoredObject stored;
  stored.properties = StoredPropertiesOf(object);
  for (const auto& [name, vector] : object.vectors())
    stored.vectors[collection.FindSpace(name)->name()] = {NumbersOf(vector)};
  for (const auto& space : collection.description.vector_spaces()) {
    if (!space.has_vectorizer() || stored.vectors.contains(space.name()))
      continue;
    if (auto made = MadeVector(space, stored.properties); made.has_value())
      stored.vectors[space.name()] = {*std::move(made), true};
  }
  return stored;
}

void UpdateObject(StoredCollection& collection, const v1::Object& update,
                  StoredObject& stored) {
  for (const auto& [name, value] : StoredPropertiesOf(update)) {
    if (value.has_null_value()) {
      stored.properties.erase(name);
    } else {
      stored.properties[name] = value;
    }
  }
  for (const auto& space : collection.description.vector_spaces()) {
    const auto given = update.vectors().find(space.name());
    if (given != update.vectors().end()) {
      stored.vectors[space.name()] = {NumbersOf(given->second)};
      continue;
    }
    const auto old = stored.vectors.find(space.name());
    if (old != stored.vectors.end() && !old->second.made) continue;
    const auto fed = [&update](const v1::WeightedField& field) {
      return update.properties().contains(field.property());
    };
    const auto& text = space.vectorizer().text_fields();
    const auto& image = space.vectorizer().image_fields();
    if (std::none_of(text.begin(), text.end(), fed) &&
        std::none_of(image.begin(), image.end(), fed)) {
      continue;
    }
    stored.vectors.erase(space.name());
    if (auto made = MadeVector(space, stored.properties); made.has_value())
      stored.vectors[space.name()] = {*std::move(made), true};
  }
}

struct Written {
  Codes codes;
  StoredCollection after;
  // By position in the request.
  std::vector<bool> existed;
};

// `ids` are those of the request, with names for those that it leaves out.
Written Write(StoredCollection* collection,
              const google::protobuf::RepeatedPtrField<v1::Object>& objects,
              const std::vector<std::string>& ids, bool malformed,
              bool keep_existing) {
  Written written;
  if (collection == nullptr) {
    written.codes.insert(absl::StatusCode::kNotFound);
    return written;
  }
  if (malformed) {
    written.codes.insert(absl::StatusCode::kInvalidArgument);
    return written;
  }
  written.after = *collection;
  for (int i = 0; i < objects.size(); ++i) {
    const auto existing = written.after.objects.find(ids[i]);
    written.existed.push_back(existing != written.after.objects.end());
    if (written.existed.back() && keep_existing) continue;
    StoredObject object = NewObject(written.after, objects.Get(i));
    if (written.existed.back())
      object.create_time = existing->second.create_time;
    if (!Put(written.after, ids[i], std::move(object)))
      written.codes.insert(absl::StatusCode::kInvalidArgument);
  }
  return written;
}

// The ids of the request, those that it leaves out taken from the answer.
template <typename Request, typename Answer>
std::vector<std::string> IdsOf(const Request& request, const Answer& answer) {
  std::vector<std::string> ids;
  for (int i = 0; i < request.objects_size(); ++i) {
    std::string id = request.objects(i).id();
    if (id.empty()) {
      id = answer.ok() && i < answer->ids_size() ? answer->ids(i)
                                                 : absl::StrCat("new ", i);
    }
    ids.push_back(std::move(id));
  }
  return ids;
}

template <typename Answer>
std::string JudgeIds(const std::vector<std::string>& ids,
                     const Answer& answer) {
  const std::vector<std::string> actual(answer->ids().begin(),
                                        answer->ids().end());
  if (actual == ids) return "";
  return absl::StrCat("ids are ", absl::StrJoin(actual, ", "), ", not ",
                      absl::StrJoin(ids, ", "));
}

}  // namespace

std::string Model::Judge(const v1::InsertObjectsRequest& request,
                         const Answer<v1::InsertObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  const std::vector<std::string> ids = IdsOf(request, answer);
  Written written =
      Write(collection, request.objects(), ids,
            collection != nullptr && IsMalformed(*collection, request), true);
  if (auto difference = JudgeStatus(written.codes, answer.status());
      !difference.empty() || !written.codes.empty()) {
    return difference;
  }
  *collection = std::move(written.after);
  std::vector<std::string> existing;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (written.existed[i]) existing.push_back(ids[i]);
  }
  const std::vector<std::string> reported(answer->existing_ids().begin(),
                                          answer->existing_ids().end());
  if (reported != existing)
    return absl::StrCat("existing_ids: ", absl::StrJoin(reported, ", "));
  return JudgeIds(ids, answer);
}

std::string Model::Judge(const v1::UpsertObjectsRequest& request,
                         const Answer<v1::UpsertObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  const std::vector<std::string> ids = IdsOf(request, answer);
  Written written =
      Write(collection, request.objects(), ids,
            collection != nullptr && IsMalformed(*collection, request), false);
  if (auto difference = JudgeStatus(written.codes, answer.status());
      !difference.empty() || !written.codes.empty()) {
    return difference;
  }
  *collection = std::move(written.after);
  const auto inserted =
      std::count(written.existed.begin(), written.existed.end(), false);
  if (answer->inserted_count() != inserted)
    return absl::StrCat("inserted_count is ", answer->inserted_count());
  return JudgeIds(ids, answer);
}

std::string Model::Judge(const v1::UpdateObjectsRequest& request,
                         const Answer<v1::UpdateObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  StoredCollection after;
  std::vector<std::string> missing;
  if (collection == nullptr) {
    codes.insert(absl::StatusCode::kNotFound);
  } else if (IsMalformed(*collection, request)) {
    codes.insert(absl::StatusCode::kInvalidArgument);
  } else {
    after = *collection;
    for (const v1::Object& update : request.objects()) {
      const auto found = after.objects.find(update.id());
      if (found == after.objects.end()) {
        missing.push_back(update.id());
        continue;
      }
      StoredObject object = found->second;
      UpdateObject(after, update, object);
      if (!Put(after, update.id(), std::move(object)))
        codes.insert(absl::StatusCode::kInvalidArgument);
    }
  }
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  *collection = std::move(after);
  const std::vector<std::string> reported(answer->missing_ids().begin(),
                                          answer->missing_ids().end());
  if (reported != missing)
    return absl::StrCat("missing_ids: ", absl::StrJoin(reported, ", "));
  return "";
}

std::string Model::Judge(const v1::DeleteObjectsRequest& request,
                         const Answer<v1::DeleteObjectsResponse>& answer) {
  StoredCollection* collection = Find(request.collection());
  Codes codes;
  if (collection == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  std::set<std::string> ids =
      collection->Matching(request.has_filter() ? &request.filter() : nullptr);
  if (!request.ids().empty()) {
    const std::set<std::string> named(request.ids().begin(),
                                      request.ids().end());
    std::erase_if(ids,
                  [&named](const auto& id) { return !named.contains(id); });
  }
  int64_t deleted = 0;
  for (const std::string& id : ids) {
    if (request.limit() != 0 && deleted == request.limit()) break;
    collection->objects.erase(id);
    ++deleted;
  }
  if (answer->deleted_count() != deleted)
    return absl::StrCat("deleted ", answer->deleted_count(), ", not ", deleted);
  return "";
}

std::string Model::Judge(
    const Import& import,
    const Answer<std::vector<v1::ImportObjectsResponse>>& answer) {
  StoredCollection* collection = Find(import.header.collection());
  Codes codes;
  if (collection == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  using Position = std::pair<int64_t, int>;
  std::map<Position, std::string> made_ids;
  std::vector<Position> errors, expected_errors;
  std::vector<std::string> existing, expected_existing;
  for (const v1::ImportObjectsResponse& response : *answer) {
    for (const v1::ImportedId& made : response.made_ids())
      made_ids[{made.sequence_number(), made.index()}] = made.id();
    for (const v1::ImportError& error : response.errors()) {
      errors.emplace_back(error.sequence_number(), error.index());
      if (error.status().code() !=
          static_cast<int>(absl::StatusCode::kInvalidArgument)) {
        return absl::StrCat("an object failed: ", error.ShortDebugString());
      }
    }
    existing.insert(existing.end(), response.existing_ids().begin(),
                    response.existing_ids().end());
  }
  const bool insert = import.header.mode() == v1::IMPORT_MODE_INSERT;
  int64_t written_count = 0;
  for (const v1::ImportChunk& chunk : import.chunks) {
    for (int i = 0; i < chunk.objects_size(); ++i) {
      const Position position(chunk.sequence_number(), i);
      google::protobuf::RepeatedPtrField<v1::Object> objects;
      *objects.Add() = chunk.objects(i);
      const std::string id = chunk.objects(i).id().empty()
                                 ? made_ids[position]
                                 : chunk.objects(i).id();
      Written written =
          Write(collection, objects, {id},
                IsMalformed(*collection, chunk.objects(i)), insert);
      if (!written.codes.empty()) {
        expected_errors.push_back(position);
        continue;
      }
      *collection = std::move(written.after);
      if (insert && written.existed[0]) {
        expected_existing.push_back(id);
      } else {
        ++written_count;
      }
    }
  }
  if (errors != expected_errors) {
    return absl::StrCat(errors.size(), " objects failed, not ",
                        expected_errors.size());
  }
  if (existing != expected_existing)
    return absl::StrCat("existing_ids: ", absl::StrJoin(existing, ", "));
  if (answer->empty() ||
      answer->back().committed_sequence_number() !=
          import.chunks.back().sequence_number() ||
      answer->back().written_count() != written_count) {
    return absl::StrCat("not all is acknowledged; written: ", written_count);
  }
  return "";
}

}  // namespace diptych::storage
