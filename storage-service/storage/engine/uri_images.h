// Loads the images that objects give as a URI.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/concurrency/call_context.h"
#include "storage/engine/requests.h"
#include "storage/engine/uri_loader.h"
#include "storage/types/collection_spec.h"
#include "storage/types/property_value.h"

namespace diptych::storage {

// An image property of a write whose bytes lie at its URI.
struct UriImage {
  // Position of the object in the caller's request, for error messages.
  size_t index = 0;
  std::string property;
  // Gets the hash and the size of what was loaded, and whether bytes are kept.
  ImageReference* image = nullptr;
  // Gets the bytes, under `property`.
  ImageBytes* bytes = nullptr;
};

// Whether the property feeds a space of `wanted` as an image.
bool ImageIsWanted(const CollectionSpec& spec, const std::vector<bool>& wanted,
                   const std::string& property);

// Operation: every distinct URI is loaded once.
// Concurrency: may be called from any thread; blocks.
// Limits: `bytes_max` bytes together.
// Errors: every image that could not be loaded is named in BadRequest as
// `objects[i].properties["name"].uri`. The code and the reason are those of the
// first that trying again would not mend, else those of the first; so an error
// with RetryAfterOf() is worth a second try. Where nothing is at a URI,
// ResourceInfo names it.
absl::Status LoadUriImages(const CallContext& context, UriLoader& loader,
                           size_t bytes_max, UriImages keep,
                           const std::vector<UriImage>& images);

}  // namespace diptych::storage
