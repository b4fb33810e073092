#include "storage/types/collection_spec.h"

#include <utility>

namespace diptych::storage {

CollectionSpec DefaultCollectionSpec(std::string name) {
  VectorSpace space;
  space.name = kDefaultVectorSpace;
  space.has_vectorizer = true;
  space.vectorizer.text_fields.push_back({"document", 1.0});
  space.vectorizer.image_fields.push_back({"image", 1.0});
  CollectionSpec spec;
  spec.name = std::move(name);
  spec.vector_spaces.push_back(std::move(space));
  return spec;
}

}  // namespace diptych::storage
