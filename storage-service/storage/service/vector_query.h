// The kinds of query that come down to one vector in one space, and what that
// vector is made of.
//
// Operation: VectorQueryOf picks the kind out of a message of the API;
// CollectSources checks it and lists the texts and pictures to vectorise and
// the stored objects to read. Nothing is asked of anybody yet. Errors: every
// bad field, by its full path. Concurrency: pure functions; sources point into
// the message, which outlives them. Limits: kSourcesMax.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/status/error_details.h"
#include "diptych/storage/v1/search_service.pb.h"
#include "storage/engine/vectorizer.h"
#include "storage/types/collection_spec.h"
#include "storage/types/limits.h"

namespace diptych::storage {

// std::monostate: the message asks for none of these kinds.
using VectorQuery =
    std::variant<std::monostate, const v1::NearText*, const v1::NearImage*,
                 const v1::NearObject*, const v1::NearVector*, const v1::Mix*,
                 const v1::Recommend*>;

// Of a QueryRequest, a FusionPart or a WeightedTerm.
template <typename Message>
VectorQuery VectorQueryOf(const Message& message);

// The field that holds it: "near_text". Empty for none.
absl::string_view FieldOf(const VectorQuery& query);

// Whether it has texts or pictures, and so may wait for the inference service.
bool HasInputs(const VectorQuery& query);

struct QuerySources {
  struct Input {
    VectorizerInputKind kind = VectorizerInputKind::kText;
    const std::string* bytes = nullptr;
    std::string field;
  };
  struct StoredObject {
    const std::string* id = nullptr;
    std::string field;
  };
  std::vector<Input> inputs;
  std::vector<StoredObject> objects;
};

// A query of one space, checked.
struct SpaceQuery {
  VectorQuery query;
  // Of the query itself: "queries[1].near_text".
  std::string path;
  VectorSpace space;
  QuerySources sources;
};

// At most so many inputs, and so many objects, make one vector.
inline constexpr size_t kSourcesMax = Vectorizer::kInputsMax;

// `path` is the query's own: "queries[1].near_text". A query that is just
// near_object has no sources: the engine reads the object as it searches.
QuerySources CollectSources(const VectorQuery& query, absl::string_view path,
                            const VectorSpace& space, const Limits& limits,
                            FieldViolations& violations);

template <typename Message>
VectorQuery VectorQueryOf(const Message& message) {
  if (message.has_near_text()) return &message.near_text();
  if (message.has_near_image()) return &message.near_image();
  if (message.has_near_object()) return &message.near_object();
  if (message.has_near_vector()) return &message.near_vector();
  if constexpr (requires { message.mix(); }) {
    if (message.has_mix()) return &message.mix();
    if (message.has_recommend()) return &message.recommend();
  }
  return std::monostate();
}

}  // namespace diptych::storage
