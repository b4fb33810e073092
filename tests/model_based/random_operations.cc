#include "tests/model_based/random_operations.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/model_based/proto_of_values.h"

namespace diptych::storage {
RandomOperations::RandomOperations(uint64_t seed)
    : random_(seed, RandomValues::kOfRequests) {}

Operation RandomOperations::Next() {
  Operation operation;
  operation.send_filter_text = Chance(0.5);
  const size_t dice = Below(1000);
  if (dice < 5) {
    operation.request = Restart();
  } else if (dice < 30) {
    operation.request = CreateCollection();
  } else if (dice < 32) {
    v1::DeleteCollectionRequest request;
    request.set_name(CollectionName());
    operation.request = request;
  } else if (dice < 40) {
    operation.request = UpdateCollection();
  } else if (dice < 50) {
    v1::GetCollectionRequest request;
    request.set_name(CollectionName());
    operation.request = request;
  } else if (dice < 55) {
    ListAllCollections list;
    list.first_page.set_page_size(1 + static_cast<int>(Below(4)));
    operation.request = list;
  } else if (dice < 80) {
    v1::GetCollectionStatsRequest request;
    request.set_name(CollectionName());
    operation.request = request;
  } else if (dice < 140) {
    operation.request = Write<v1::InsertObjectsRequest>();
  } else if (dice < 160) {
    operation.request = ImportSome();
  } else if (dice < 300) {
    operation.request = Write<v1::UpsertObjectsRequest>();
  } else if (dice < 390) {
    operation.request = Write<v1::UpdateObjectsRequest>();
  } else if (dice < 440) {
    operation.request = Delete();
  } else if (dice < 510) {
    operation.request = Get();
  } else if (dice < 570) {
    operation.request = List();
  } else if (dice < 620) {
    v1::CountObjectsRequest request;
    request.set_collection(CollectionName());
    AddFilter(request);
    operation.request = request;
  } else if (dice < 950) {
    operation.request = Query();
  } else {
    operation.request = BatchQuery();
  }
  return operation;
}

// The name "alpha" always means vectors that the index keeps in full, so that
// its queries need not ask for an exact search.
std::string RandomOperations::CollectionName() {
  return random_.PickFrom<std::string>(
      {"alpha", "alpha", "beta", "beta", "gamma", "delta"});
}

v1::CreateCollectionRequest RandomOperations::CreateCollection() {
  v1::CreateCollectionRequest request;
  request.set_get_or_create(Chance(0.5));
  v1::Collection& collection = *request.mutable_collection();
  collection.set_name(CollectionName());
  if (Chance(0.3))
    (*collection.mutable_metadata())["note"] = ProtoOf(PropertyValue(Text()));
  if (collection.name() == "alpha") return request;
  const auto metric = [this] { return static_cast<v1::Metric>(Below(4)); };
  const auto precision = [this] {
    return static_cast<v1::VectorPrecision>(Below(4));
  };
  v1::VectorSpace& first = *collection.add_vector_spaces();
  first.set_metric(metric());
  first.set_precision(precision());
  if (collection.name() == "gamma") {
    first.set_dimension(8);
  } else {
    const auto weight = [this] { return random_.PickFrom<double>({0, 1, 3}); };
    v1::Vectorizer& vectorizer = *first.mutable_vectorizer();
    for (const char* property : {"title", "tags"}) {
      v1::WeightedField& field = *vectorizer.add_text_fields();
      field.set_property(property);
      field.set_weight(weight());
    }
    v1::WeightedField& photo = *vectorizer.add_image_fields();
    photo.set_property("photo");
    photo.set_weight(weight());
  }
  v1::VectorSpace& second = *collection.add_vector_spaces();
  second.set_name("own");
  second.set_metric(metric());
  second.set_precision(precision());
  second.set_dimension(Chance(0.5) ? 8 : 0);
  return request;
}

v1::UpdateCollectionRequest RandomOperations::UpdateCollection() {
  v1::UpdateCollectionRequest request;
  request.set_name(CollectionName());
  v1::Collection& collection = *request.mutable_collection();
  switch (Below(3)) {
    case 0:
      request.mutable_update_mask()->add_paths("name");
      collection.set_name(
          random_.PickFrom<std::string>({"beta", "gamma", "delta"}));
      break;
    case 1:
      request.mutable_update_mask()->add_paths("metadata");
      (*collection.mutable_metadata())["note"] = ProtoOf(PropertyValue(Text()));
      break;
    default:
      request.mutable_update_mask()->add_paths("vector_spaces.hnsw.ef_search");
      collection.add_vector_spaces()->mutable_hnsw()->set_ef_search(
          8 + static_cast<int>(Below(100)));
  }
  return request;
}

}  // namespace diptych::storage
