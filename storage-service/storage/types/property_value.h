// What a property of an object can hold.
//
// Concurrency: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace diptych::storage {

// A moment, in microseconds since 1970-01-01T00:00:00Z (proleptic Gregorian, no
// leap seconds).
struct Timestamp {
  int64_t unix_microseconds = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// WGS 84, in degrees. Latitude -90 to 90, longitude -180 to 180.
struct GeoPoint {
  double latitude = 0;
  double longitude = 0;
  friend bool operator==(const GeoPoint&, const GeoPoint&) = default;
};

// A picture. Objects hold the reference; the bytes lie once per content in the
// collection's image table.
struct ImageReference {
  // SHA-256 of the bytes (32 bytes, not hex); empty when only a URI is kept.
  std::string content_sha256;
  uint64_t size_bytes = 0;
  // Where it came from; may be empty.
  std::string uri;
  // The content lies at `uri` alone: hash and size are those of when it was
  // loaded, and the collection holds no bytes of it.
  bool external = false;
  friend bool operator==(const ImageReference&,
                         const ImageReference&) = default;
};

// std::monostate is null: the key is there, the value is not. Lists hold
// scalars of one type.
using PropertyValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, Timestamp,
                 GeoPoint, ImageReference, std::vector<bool>,
                 std::vector<int64_t>, std::vector<double>,
                 std::vector<std::string>, std::vector<Timestamp>>;

using Properties = std::map<std::string, PropertyValue, std::less<>>;

}  // namespace diptych::storage
