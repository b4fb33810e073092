#include "storage/service/object_conversion.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/service/value_conversion.h"
#include "storage/thumbnail/thumbnail_encoder.h"

namespace diptych::storage {

ObjectWrite ObjectFromProto(const v1::Object& object, absl::string_view path,
                            FieldViolations& violations) {
  ObjectWrite converted;
  converted.id = object.id();
  converted.properties = PropertiesFromProto(
      object.properties(), absl::StrCat(path, ".properties"), violations);
  converted.images = ImagesFromProto(object.properties());
  for (const auto& [space, vector] : object.vectors()) {
    const std::string vector_path =
        absl::StrCat(path, ".vectors[\"", space, "\"]");
    converted.vectors.emplace(space,
                              VectorFromProto(vector, vector_path, violations));
  }
  return converted;
}

std::vector<ObjectWrite> ObjectsFromProto(
    const google::protobuf::RepeatedPtrField<v1::Object>& objects,
    FieldViolations& violations) {
  std::vector<ObjectWrite> result;
  result.reserve(objects.size());
  for (int i = 0; i < objects.size(); ++i) {
    result.push_back(ObjectFromProto(
        objects.Get(i), absl::StrCat("objects[", i, "]"), violations));
  }
  return result;
}

Projection ProjectionFromProto(const v1::Projection& projection,
                               absl::string_view path,
                               FieldViolations& violations) {
  Projection result;
  result.properties.assign(projection.properties().begin(),
                           projection.properties().end());
  result.all_properties =
      result.properties.empty() && !projection.no_properties();
  result.vectors = projection.vectors();
  result.image_bytes = projection.image_bytes();
  if (projection.no_properties() && !result.properties.empty()) {
    violations.Add(absl::StrCat(path, ".no_properties"),
                   "is set beside properties; give one of the two");
  }
  const int32_t pixels = projection.thumbnail_pixels();
  if (pixels != 0 && (pixels < ThumbnailLimits::kPixelsMin ||
                      pixels > ThumbnailLimits::kPixelsMax)) {
    violations.Add(
        absl::StrCat(path, ".thumbnail_pixels"),
        absl::StrCat("is ", pixels, "; give ", ThumbnailLimits::kPixelsMin,
                     " to ", ThumbnailLimits::kPixelsMax,
                     ", or 0 for no thumbnails"));
  }
  return result;
}

v1::Object ObjectToProto(const ObjectView& view) {
  v1::Object out;
  out.set_id(view.object.id);
  for (const auto& [name, value] : view.object.properties) {
    v1::Value& converted = (*out.mutable_properties())[name];
    converted = ValueToProto(value);
    if (const auto found = view.images.find(name); found != view.images.end()) {
      converted.mutable_image_value()->set_data(found->second);
    }
  }
  for (const auto& [space, vector] : view.object.vectors)
    (*out.mutable_vectors())[space] = VectorToProto(vector);
  *out.mutable_create_time() = TimestampToProto(view.object.create_time);
  *out.mutable_update_time() = TimestampToProto(view.object.update_time);
  return out;
}

}  // namespace diptych::storage
