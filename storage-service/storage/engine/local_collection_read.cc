// Reading objects of a LocalCollection by id, and counting.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/filter/filter_validation.h"

namespace diptych::storage {
namespace {

class ValueBytes {
 public:
  size_t operator()(const std::string& value) const { return value.size() + 8; }
  size_t operator()(const ImageReference& image) const {
    return image.uri.size() + 64;
  }
  size_t operator()(const std::vector<std::string>& values) const {
    size_t bytes = 8;
    for (const std::string& value : values) bytes += value.size() + 4;
    return bytes;
  }
  template <typename T>
  size_t operator()(const std::vector<T>& values) const {
    return values.size() * 12 + 8;
  }
  template <typename T>
  size_t operator()(const T&) const {
    return 24;
  }
};

}  // namespace

size_t ViewBytes(const ObjectView& view) {
  size_t bytes = 64 + view.object.id.size();
  for (const auto& [name, value] : view.object.properties) {
    bytes += name.size() + std::visit(ValueBytes(), value);
  }
  for (const auto& [name, vector] : view.object.vectors) {
    bytes += name.size() + vector.size() * sizeof(float) + 16;
  }
  for (const auto& [name, image] : view.images) {
    bytes += name.size() + image.size() + 16;
  }
  return bytes;
}

absl::StatusOr<ObjectView> LocalCollection::View(ReadTransaction& transaction,
                                                 Slot slot, ObjectRecord record,
                                                 const Projection& projection,
                                                 const CollectionSpec& spec) {
  ObjectView view;
  view.object.id = std::move(record.id);
  view.object.create_time = record.create_time;
  view.object.update_time = record.update_time;
  if (projection.all_properties) {
    view.object.properties = std::move(record.properties);
  } else {
    for (const std::string& name : projection.properties) {
      const auto found = record.properties.find(name);
      if (found != record.properties.end()) {
        view.object.properties.insert(*found);
      }
    }
  }
  if (projection.vectors) {
    for (const ObjectRecord::VectorEntry& entry : record.vectors) {
      if (entry.space >= spec.vector_spaces.size()) continue;
      DIPTYCH_ASSIGN_OR_RETURN(
          view.object.vectors[spec.vector_spaces[entry.space].name],
          ReadVector(transaction, slot, entry));
    }
  }
  if (projection.image_bytes) {
    for (const auto& [name, value] : view.object.properties) {
      const auto* image = std::get_if<ImageReference>(&value);
      if (image == nullptr || image->content_sha256.empty() ||
          image->external) {
        continue;
      }
      auto bytes = ReadImage(transaction, image->content_sha256);
      if (absl::IsNotFound(bytes.status())) {
        return absl::DataLossError(absl::StrCat(
            "an image of an object is missing; write or delete the object: ",
            view.object.id));
      }
      DIPTYCH_ASSIGN_OR_RETURN(view.images[name], std::move(bytes));
    }
  }
  return view;
}

absl::StatusOr<std::vector<std::string>> LocalCollection::IdsOf(
    ReadTransaction& transaction, const SlotSet& slots) {
  std::vector<std::string> ids;
  absl::Status status;
  slots.ForEachFrom(0, [&](Slot slot) {
    auto record = ReadObject(transaction, slot);
    status = record.status();
    if (!status.ok()) return false;
    if (record->has_value()) ids.push_back(std::move((*record)->id));
    return true;
  });
  DIPTYCH_RETURN_IF_ERROR(status);
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<GetObjectsResult> LocalCollection::Get(
    const GetObjectsRequest& request) {
  const Limits& limits = environment_.limits;
  FieldViolations violations;
  if (request.ids.empty() ||
      request.ids.size() > limits.objects_per_batch_max) {
    violations.Add(
        "ids", absl::StrCat("has ", request.ids.size(), " members; give 1 to ",
                            limits.objects_per_batch_max));
  }
  for (size_t i = 0; i < request.ids.size(); ++i) {
    ValidateObjectId(request.ids[i], absl::StrCat("ids[", i, "]"), violations);
  }
  DIPTYCH_RETURN_IF_ERROR(violations.ToStatus());
  const CollectionSpec spec = description().spec;
  GetObjectsResult result;
  size_t bytes = 0;
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  for (const std::string& id : request.ids) {
    DIPTYCH_ASSIGN_OR_RETURN(auto slot, FindSlot(*read, id));
    std::optional<ObjectRecord> record;
    if (slot.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(record, ReadObject(*read, *slot));
    }
    if (!slot.has_value()) {
      result.missing_ids.push_back(id);
      continue;
    }
    if (!record.has_value()) {
      return absl::DataLossError(absl::StrCat(
          "the record of an object is missing; write or delete it: ", id));
    }
    DIPTYCH_ASSIGN_OR_RETURN(
        ObjectView view,
        View(*read, *slot, *std::move(record), request.projection, spec));
    bytes += ViewBytes(view);
    if (bytes > limits.answer_bytes_max) {
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              "the answer would be larger than is allowed; ask for fewer "
              "objects, or for less of each: bytes allowed ",
              limits.answer_bytes_max)),
          "ANSWER_TOO_LARGE");
    }
    result.objects.push_back(std::move(view));
  }
  return result;
}

absl::StatusOr<uint64_t> LocalCollection::Count(
    const CountObjectsRequest& request) {
  if (request.filter.has_value()) {
    DIPTYCH_RETURN_IF_ERROR(
        ValidateFilter(*request.filter, environment_.limits));
    DIPTYCH_ASSIGN_OR_RETURN(SlotSet slots, index_.Evaluate(*request.filter));
    return slots.Count();
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  DIPTYCH_ASSIGN_OR_RETURN(Counters counters, ReadCounters(*read));
  return counters.objects;
}

}  // namespace diptych::storage
