// Objects of which every part tells the write that it came from, so that a
// mixture of two writes shows.
//
// Operation: a version has two numbers: that of the write that brought
// everything but the picture, and that of the write that brought the picture
// (an update leaves it alone). Texts, tag, picture and vector are functions of
// them.
// Concurrency: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "diptych/storage/v1/object.pb.h"

namespace diptych::storage {

inline constexpr int kMarkedDimension = 8;
inline constexpr int kMarkedTags = 7;
inline constexpr int kMarkedGroups = 5;

struct MarkedVersion {
  int64_t write = 0;
  int64_t picture_write = 0;
  friend bool operator==(const MarkedVersion&, const MarkedVersion&) = default;
};

std::string MarkedTag(int64_t write);
// Text that no other write's objects have, and one that many have.
std::string MarkedWord(int64_t write);
std::string MarkedGroup(int64_t write);
std::vector<float> MarkedVector(int64_t write);

v1::Object MarkedObject(const std::string& id, const MarkedVersion& version);
// What an update of everything but the picture sends.
v1::Object MarkedUpdate(const std::string& id, int64_t write);

// Of an object with its vectors and the bytes of its picture. DATA_LOSS: its
// parts are not of one version, or changed.
absl::StatusOr<MarkedVersion> VersionOf(const v1::Object& object);

}  // namespace diptych::storage
