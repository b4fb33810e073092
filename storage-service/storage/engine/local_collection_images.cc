// Where the images of a write come from: the images half of
// LocalCollection's writing.
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/local_collection.h"
#include "storage/engine/object_table.h"
#include "storage/engine/object_validation.h"
#include "storage/engine/uri_images.h"

namespace diptych::storage {
namespace {

absl::Status LoadingIsOff(const std::vector<UriImage>& images) {
  FieldViolations violations;
  for (const UriImage& image : images) {
    violations.Add(
        absl::StrCat("objects[", image.index, "].properties",
                     Subscript(image.property), ".uri"),
        "is all that is kept of an image that a vector needs, and the server "
        "loads no URIs; give the image's bytes, or start the server with "
        "--uri-file-root or --uri-https-hosts");
  }
  const absl::Status fields = violations.ToStatus();
  return WithFieldViolationsOf(
      WithReason(absl::PermissionDeniedError(fields.message()), kUriNotAllowed),
      fields);
}

}  // namespace

absl::StatusOr<std::string> LocalCollection::Image(
    absl::string_view content_sha256) {
  DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
  return ReadImage(*read, content_sha256);
}

bool LocalCollection::MayLoadImages(const ObjectWrite& object) const {
  if (environment_.uri_loader == nullptr) return false;
  for (const auto& [name, value] : object.properties) {
    const auto* image = std::get_if<ImageReference>(&value);
    if (image != nullptr && !image->uri.empty() &&
        !object.images.contains(name)) {
      return true;
    }
  }
  return false;
}

absl::Status LocalCollection::LoadImages(
    const CallContext& context, const CollectionSpec& spec,
    const std::vector<ObjectWrite>& given, std::vector<PendingObject>& objects,
    const std::vector<std::vector<bool>>& wanted,
    std::vector<ImageBytes>& images) {
  images.assign(objects.size(), {});
  std::vector<UriImage> at_uris, cannot_load;
  // What earlier objects of the write bring counts as held.
  std::map<absl::string_view, const std::string*> brought;
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    for (size_t i = 0; i < objects.size(); ++i) {
      PendingObject& object = objects[i];
      if (!object.vectorized) continue;
      for (auto& [name, value] : object.properties) {
        auto* image = std::get_if<ImageReference>(&value);
        if (image == nullptr) continue;
        if (const auto bytes = object.images->find(name);
            bytes != object.images->end()) {
          brought.emplace(image->content_sha256, &bytes->second);
          continue;
        }
        const bool feeds = ImageIsWanted(spec, wanted[i], name);
        if (!image->external && !image->content_sha256.empty()) {
          DIPTYCH_ASSIGN_OR_RETURN(auto held,
                                   FindImage(*read, image->content_sha256));
          if (held.has_value() && feeds) {
            DIPTYCH_ASSIGN_OR_RETURN(images[i][name],
                                     ReadImage(*read, image->content_sha256));
            image->size_bytes = held->size_bytes;
          }
          const auto found = brought.find(image->content_sha256);
          if (!held.has_value() && found != brought.end()) {
            if (feeds) images[i][name] = *found->second;
            image->size_bytes = found->second->size();
            continue;
          }
          // Without a URI the write queue says that the content is missing.
          if (held.has_value()) continue;
        }
        if (image->uri.empty()) continue;
        const UriImage at_uri{object.index, name, image, &images[i]};
        const bool kept = spec.uri_images == UriImages::kKeepBytes &&
                          given[object.index].properties.contains(name);
        if (environment_.uri_loader == nullptr) {
          // A URI that was never loaded feeds nothing.
          if (feeds && image->external) cannot_load.push_back(at_uri);
        } else if (feeds || kept) {
          at_uris.push_back(at_uri);
        }
      }
    }
  }
  if (!cannot_load.empty()) return LoadingIsOff(cannot_load);
  if (!at_uris.empty()) {
    DIPTYCH_RETURN_IF_ERROR(LoadUriImages(
        context, *environment_.uri_loader,
        environment_.limits.uri_bytes_per_write_max, spec.uri_images, at_uris));
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    if (images[i].empty()) continue;
    images[i].insert(objects[i].images->begin(), objects[i].images->end());
    objects[i].images = &images[i];
  }
  return absl::OkStatus();
}

void LocalCollection::DropExternalImages(
    const std::vector<PendingObject>& objects,
    std::vector<ImageBytes>& images) {
  for (size_t i = 0; i < objects.size(); ++i) {
    for (const auto& [name, value] : objects[i].properties) {
      const auto* image = std::get_if<ImageReference>(&value);
      if (image != nullptr && image->external) images[i].erase(name);
    }
  }
}

}  // namespace diptych::storage
