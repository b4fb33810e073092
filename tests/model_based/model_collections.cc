// Judging what is done with collections.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/model_based/filter_meaning.h"
#include "tests/model_based/model.h"

namespace diptych::storage {
namespace {

using google::protobuf::util::MessageDifferencer;

// How the two differ; the time of the last change is not foretold.
std::string Difference(v1::Collection expected, v1::Collection actual) {
  expected.clear_update_time();
  actual.clear_update_time();
  if (MessageDifferencer::Equals(expected, actual)) return "";
  return absl::StrCat("expected ", expected.ShortDebugString(), ", got ",
                      actual.ShortDebugString());
}

// What a new collection is described as: what was asked for, with the defaults
// of collection.proto.
v1::Collection WithDefaults(v1::Collection collection) {
  if (collection.vector_spaces().empty()) {
    v1::Vectorizer* vectorizer =
        collection.add_vector_spaces()->mutable_vectorizer();
    vectorizer->add_text_fields()->set_property("document");
    vectorizer->add_image_fields()->set_property("image");
  }
  if (collection.uri_images() == v1::URI_IMAGES_UNSPECIFIED)
    collection.set_uri_images(v1::URI_IMAGES_REFERENCE_ONLY);
  for (v1::VectorSpace& space : *collection.mutable_vector_spaces()) {
    if (space.name().empty()) space.set_name("default");
    if (space.metric() == v1::METRIC_UNSPECIFIED)
      space.set_metric(v1::METRIC_COSINE);
    if (space.precision() == v1::VECTOR_PRECISION_UNSPECIFIED)
      space.set_precision(v1::VECTOR_PRECISION_FLOAT32);
    v1::HnswSettings& hnsw = *space.mutable_hnsw();
    if (hnsw.max_neighbors() == 0) hnsw.set_max_neighbors(16);
    if (hnsw.ef_construction() == 0) hnsw.set_ef_construction(200);
    if (hnsw.ef_search() == 0) hnsw.set_ef_search(100);
    if (!space.has_vectorizer()) continue;
    for (auto* fields : {space.mutable_vectorizer()->mutable_text_fields(),
                         space.mutable_vectorizer()->mutable_image_fields()}) {
      for (v1::WeightedField& field : *fields) {
        if (field.weight() == 0) field.set_weight(1);
      }
    }
  }
  return collection;
}

}  // namespace

bool Near(double a, double b) {
  return std::abs(a - b) <= kTolerance * (1 + std::abs(a));
}

std::string JudgeStatus(const Codes& codes, const absl::Status& status) {
  if (codes.empty() ? status.ok() : codes.contains(status.code())) return "";
  std::string expected = codes.empty() ? "OK" : "";
  for (const absl::StatusCode code : codes)
    absl::StrAppend(&expected, " ", absl::StatusCodeToString(code));
  return absl::StrCat("expected ", expected, ", got ", status.ToString());
}

v1::VectorSpace* StoredCollection::FindSpace(const std::string& name) {
  for (v1::VectorSpace& space : *description.mutable_vector_spaces()) {
    if (space.name() == (name.empty() ? "default" : name)) return &space;
  }
  return nullptr;
}

std::set<std::string> StoredCollection::Matching(
    const v1::Filter* filter) const {
  std::set<std::string> ids;
  for (const auto& [id, object] : objects) {
    if (filter == nullptr || FilterMatches(*filter, id, object.properties))
      ids.insert(id);
  }
  return ids;
}

StoredCollection* Model::Find(const std::string& name) {
  const auto found = collections_.find(name);
  return found == collections_.end() ? nullptr : &found->second;
}

std::string Model::Judge(const v1::CreateCollectionRequest& request,
                         const Answer<v1::CreateCollectionResponse>& answer) {
  StoredCollection* existing = Find(request.collection().name());
  Codes codes;
  if (existing != nullptr && !request.get_or_create())
    codes = {absl::StatusCode::kAlreadyExists};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  if (answer->created() != (existing == nullptr))
    return absl::StrCat("created is ", answer->created());
  if (existing != nullptr)
    return Difference(existing->description, answer->collection());
  v1::Collection expected = WithDefaults(request.collection());
  expected.set_uid(answer->collection().uid());
  *expected.mutable_create_time() = answer->collection().create_time();
  for (const auto& [name, other] : collections_) {
    if (other.description.uid() == expected.uid())
      return absl::StrCat("the uid is that of ", name);
  }
  if (expected.uid().empty()) return "the collection has no uid";
  collections_[request.collection().name()].description = expected;
  return Difference(expected, answer->collection());
}

std::string Model::Judge(const v1::GetCollectionRequest& request,
                         const Answer<v1::GetCollectionResponse>& answer) {
  StoredCollection* existing = Find(request.name());
  Codes codes;
  if (existing == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  return Difference(existing->description, answer->collection());
}

std::string Model::Judge(
    const v1::ListCollectionsRequest& first_page,
    const Answer<std::vector<v1::ListCollectionsResponse>>& answer) {
  if (!answer.ok()) return JudgeStatus({}, answer.status());
  auto expected = collections_.begin();
  for (const v1::ListCollectionsResponse& page : *answer) {
    if (page.collections_size() > first_page.page_size())
      return absl::StrCat("a page of ", page.collections_size());
    for (const v1::Collection& collection : page.collections()) {
      if (expected == collections_.end())
        return absl::StrCat("lists what is not there: ", collection.name());
      if (auto difference =
              Difference(expected->second.description, collection);
          !difference.empty()) {
        return difference;
      }
      ++expected;
    }
  }
  if (expected == collections_.end()) return "";
  return absl::StrCat("does not list ", expected->first);
}

std::string Model::Judge(const v1::UpdateCollectionRequest& request,
                         const Answer<v1::UpdateCollectionResponse>& answer) {
  StoredCollection* existing = Find(request.name());
  bool rename = false, metadata = false, ef_search = false;
  for (const std::string& path : request.update_mask().paths()) {
    rename = rename || path == "name";
    metadata = metadata || path == "metadata";
    ef_search = ef_search || path == "vector_spaces.hnsw.ef_search";
  }
  Codes codes;
  if (existing == nullptr) codes.insert(absl::StatusCode::kNotFound);
  const std::string& new_name = request.collection().name();
  if (rename && new_name != request.name() && Find(new_name) != nullptr)
    codes.insert(absl::StatusCode::kAlreadyExists);
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  v1::Collection& description = existing->description;
  if (metadata)
    *description.mutable_metadata() = request.collection().metadata();
  if (ef_search) {
    for (const auto& space : request.collection().vector_spaces()) {
      existing->FindSpace(space.name())
          ->mutable_hnsw()
          ->set_ef_search(space.hnsw().ef_search());
    }
  }
  std::string difference;
  if (rename) description.set_name(new_name);
  difference = Difference(description, answer->collection());
  if (rename && new_name != request.name()) {
    auto node = collections_.extract(request.name());
    node.key() = new_name;
    collections_.insert(std::move(node));
  }
  return difference;
}

std::string Model::Judge(const v1::DeleteCollectionRequest& request,
                         const Answer<v1::DeleteCollectionResponse>& answer) {
  Codes codes;
  if (Find(request.name()) == nullptr) codes = {absl::StatusCode::kNotFound};
  collections_.erase(request.name());
  return JudgeStatus(codes, answer.status());
}

std::string Model::Judge(const v1::GetCollectionStatsRequest& request,
                         const Answer<v1::GetCollectionStatsResponse>& answer) {
  StoredCollection* existing = Find(request.name());
  Codes codes;
  if (existing == nullptr) codes = {absl::StatusCode::kNotFound};
  if (auto difference = JudgeStatus(codes, answer.status());
      !difference.empty() || !codes.empty()) {
    return difference;
  }
  std::set<std::string> images;
  std::map<std::string, int64_t> vectors;
  for (const auto& [id, object] : existing->objects) {
    for (const auto& [name, value] : object.properties) {
      if (!value.image_value().data().empty())
        images.insert(value.image_value().data());
    }
    for (const auto& [space, vector] : object.vectors) ++vectors[space];
  }
  const v1::CollectionStats& stats = answer->stats();
  if (stats.objects() != static_cast<int64_t>(existing->objects.size()))
    return absl::StrCat(stats.objects(), " objects, not ",
                        existing->objects.size());
  if (stats.images() != static_cast<int64_t>(images.size()))
    return absl::StrCat(stats.images(), " images, not ", images.size());
  if (stats.vector_spaces_size() != existing->description.vector_spaces_size())
    return "other vector spaces";
  for (int i = 0; i < stats.vector_spaces_size(); ++i) {
    const v1::VectorSpaceStats& actual = stats.vector_spaces(i);
    const v1::VectorSpace& space = existing->description.vector_spaces(i);
    if (actual.name() != space.name() ||
        actual.dimension() != space.dimension() ||
        actual.model_fingerprint() != space.model_fingerprint() ||
        actual.vectors() != vectors[space.name()]) {
      return absl::StrCat("of space ", space.ShortDebugString(), " with ",
                          vectors[space.name()], " vectors the stats say ",
                          actual.ShortDebugString());
    }
  }
  return "";
}

}  // namespace diptych::storage
