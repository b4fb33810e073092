// What a collection is: how its objects become vectors, and how these are
// searched.
//
// Concurrency: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/types/property_value.h"

namespace diptych::storage {

// Distances are Chroma's; smaller is nearer:
//   kCosine        1 - cos(a, b)            0 to 2
//   kSquaredL2     sum((a_i - b_i)^2)       0 to infinity
//   kInnerProduct  1 - dot(a, b)            unbounded
enum class Metric : uint8_t { kCosine = 1, kSquaredL2 = 2, kInnerProduct = 3 };

// How the index keeps vectors. The full-precision vector is always stored and
// decides the final order.
enum class VectorPrecision : uint8_t { kFloat32 = 1, kBfloat16 = 2, kInt8 = 3 };

struct HnswSettings {
  uint32_t max_neighbors = 16;     // M: 4 to 64
  uint32_t ef_construction = 200;  // 8 to 2000
  uint32_t ef_search = 100;        // 8 to 10000; a query may ask for more
  friend bool operator==(const HnswSettings&, const HnswSettings&) = default;
};

// A field that feeds a vector, and its share. Shares are normalised to 1 over
// the fields that an object has.
struct WeightedField {
  std::string property;
  double weight = 1.0;  // greater than 0
  friend bool operator==(const WeightedField&, const WeightedField&) = default;
};

// Says that vectors are made by the inference service from an object's own
// fields.
struct VectorizerSource {
  std::string model;  // empty: the inference service's default model, resolved
                      // when the first vector is made
  std::vector<WeightedField> text_fields;
  std::vector<WeightedField> image_fields;
  friend bool operator==(const VectorizerSource&,
                         const VectorizerSource&) = default;
};

struct VectorSpace {
  std::string name;
  Metric metric = Metric::kCosine;
  // 0 until the first vector (own or made) fixes it.
  uint32_t dimension = 0;
  HnswSettings hnsw;
  VectorPrecision precision = VectorPrecision::kFloat32;
  // No fields at all: the caller brings the vectors.
  bool has_vectorizer = false;
  VectorizerSource vectorizer;
  // Fingerprint of the model whose vectors lie here; empty until the first one
  // is made. Others are refused.
  std::string model_fingerprint;
  friend bool operator==(const VectorSpace&, const VectorSpace&) = default;
};

// The space that queries mean when they name none.
inline constexpr char kDefaultVectorSpace[] = "default";

// What is kept of an image that was loaded from its URI, beside URI, hash and
// size.
enum class UriImages : uint8_t { kReferenceOnly = 1, kKeepBytes = 2 };

struct CollectionSpec {
  std::string name;
  std::vector<VectorSpace> vector_spaces;  // at least one, names unique
  Properties metadata;                     // the user's own, without images
  UriImages uri_images = UriImages::kReferenceOnly;
  friend bool operator==(const CollectionSpec&,
                         const CollectionSpec&) = default;
};

struct Collection {
  uint64_t id = 0;  // never used again after deletion
  // A UUID in its text form. Stays when the collection is renamed.
  std::string uid;
  CollectionSpec spec;
  Timestamp create_time;
  Timestamp update_time;
  friend bool operator==(const Collection&, const Collection&) = default;
};

// A collection created with nothing but a name: one cosine space named
// "default", fed by the fields "document" (text) and "image" with equal weight,
// by the inference service's default model.
CollectionSpec DefaultCollectionSpec(std::string name);

}  // namespace diptych::storage
