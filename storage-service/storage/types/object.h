// An object as it is stored and given back.
//
// Concurrency: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/types/property_value.h"

namespace diptych::storage {

// By name of vector space. A space may be absent: the object is then not found
// through it.
using NamedVectors = std::map<std::string, std::vector<float>, std::less<>>;

struct Object {
  std::string id;
  Properties properties;
  NamedVectors vectors;
  Timestamp create_time;
  Timestamp update_time;
  friend bool operator==(const Object&, const Object&) = default;
};

// What an answer carries besides the id.
struct Projection {
  bool all_properties = true;
  std::vector<std::string> properties;  // when not all
  bool vectors = false;
  bool image_bytes = false;
};

}  // namespace diptych::storage
