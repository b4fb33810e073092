#include "tests/recovery/marked_object.h"

#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"

namespace diptych::storage {
namespace {

// Few, so that objects share pictures, and larger than a page of LMDB.
constexpr int64_t kPictures = 13;
constexpr size_t kPictureBytes = 5000;

// splitmix64 (https://prng.di.unimi.it/splitmix64.c).
uint64_t Mixed(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::string Picture(int64_t write) {
  std::string bytes = absl::StrCat("picture ", write % kPictures, " ");
  bytes.resize(kPictureBytes, static_cast<char>('a' + write % kPictures));
  return bytes;
}

void SetText(v1::Object& object, const char* name, std::string text) {
  (*object.mutable_properties())[name].set_text_value(std::move(text));
}

void SetNumber(v1::Object& object, const char* name, int64_t number) {
  (*object.mutable_properties())[name].set_integer_value(number);
}

}  // namespace

std::string MarkedTag(int64_t write) {
  return absl::StrCat("tag", write % kMarkedTags);
}

std::string MarkedWord(int64_t write) { return absl::StrCat("word", write); }

std::string MarkedGroup(int64_t write) {
  return absl::StrCat("group", write % kMarkedGroups);
}

std::vector<float> MarkedVector(int64_t write) {
  std::vector<float> vector;
  for (uint64_t i = 0; i < kMarkedDimension; ++i) {
    const uint64_t bits = Mixed(static_cast<uint64_t>(write) * 31 + i) >> 40;
    vector.push_back(static_cast<float>(bits) / (1 << 23) - 1.0f);
  }
  return vector;
}

v1::Object MarkedUpdate(const std::string& id, int64_t write) {
  v1::Object object;
  object.set_id(id);
  SetNumber(object, "write", write);
  SetText(object, "tag", MarkedTag(write));
  SetText(object, "words",
          absl::StrCat(MarkedWord(write), " ", MarkedGroup(write)));
  auto& dense = *(*object.mutable_vectors())["default"].mutable_dense();
  for (float value : MarkedVector(write)) dense.add_values(value);
  return object;
}

v1::Object MarkedObject(const std::string& id, const MarkedVersion& version) {
  v1::Object object = MarkedUpdate(id, version.write);
  SetNumber(object, "picture_write", version.picture_write);
  (*object.mutable_properties())["picture"].mutable_image_value()->set_data(
      Picture(version.picture_write));
  return object;
}

absl::StatusOr<MarkedVersion> VersionOf(const v1::Object& object) {
  const auto number = [&object](const char* name) -> int64_t {
    const auto found = object.properties().find(name);
    return found == object.properties().end() ? -1
                                              : found->second.integer_value();
  };
  const MarkedVersion version{number("write"), number("picture_write")};
  v1::Object whole = MarkedObject(object.id(), version);
  auto& image = *(*whole.mutable_properties())["picture"].mutable_image_value();
  image.set_content_sha256(Sha256(image.data()));
  image.set_size_bytes(static_cast<int64_t>(image.data().size()));
  image.set_stored(true);
  bool same = object.properties_size() == whole.properties_size() &&
              object.vectors_size() == whole.vectors_size();
  for (const auto& [name, value] : whole.properties()) {
    const auto found = object.properties().find(name);
    same = same && found != object.properties().end() &&
           found->second.SerializeAsString() == value.SerializeAsString();
  }
  for (const auto& [name, vector] : whole.vectors()) {
    const auto found = object.vectors().find(name);
    same = same && found != object.vectors().end() &&
           found->second.SerializeAsString() == vector.SerializeAsString();
  }
  if (same) return version;
  return absl::DataLossError(absl::StrCat(
      "an object is not whole: ", object.ShortDebugString().substr(0, 2000)));
}

}  // namespace diptych::storage
