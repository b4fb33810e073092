#include "storage/engine/uri_images.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/status/error_details.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

// What one error of many says of all of them.
class LoadFailures {
 public:
  void Add(const UriImage& image, const absl::Status& status) {
    fields_.Add(absl::StrCat("objects[", image.index, "].properties",
                             Subscript(image.property), ".uri"),
                status.message());
    if (!chosen_.has_value() ||
        (RetryAfterOf(*chosen_).has_value() && !RetryAfterOf(status))) {
      chosen_ = status;
      uri_ = image.image->uri;
    }
  }

  absl::Status ToStatus() const {
    if (!chosen_.has_value()) return absl::OkStatus();
    const absl::Status fields = fields_.ToStatus();
    absl::Status status = absl::IsNotFound(*chosen_)
                              ? ResourceNotFound("uri", uri_, fields.message())
                              : absl::Status(chosen_->code(), fields.message());
    if (const std::string reason = ReasonOf(*chosen_); !reason.empty()) {
      status = WithReason(std::move(status), reason);
    }
    if (const auto delay = RetryAfterOf(*chosen_)) {
      status = WithRetryAfter(std::move(status), *delay);
    }
    return WithFieldViolationsOf(std::move(status), fields);
  }

 private:
  FieldViolations fields_;
  std::optional<absl::Status> chosen_;
  std::string uri_;
};

}  // namespace

bool ImageIsWanted(const CollectionSpec& spec, const std::vector<bool>& wanted,
                   const std::string& property) {
  for (size_t space = 0; space < wanted.size(); ++space) {
    const VectorSpace& description = spec.vector_spaces[space];
    if (!wanted[space] || !description.has_vectorizer) continue;
    for (const WeightedField& field : description.vectorizer.image_fields) {
      if (field.property == property) return true;
    }
  }
  return false;
}

absl::Status LoadUriImages(const CallContext& context, UriLoader& loader,
                           size_t bytes_max, UriImages keep,
                           const std::vector<UriImage>& images) {
  if (images.empty()) return absl::OkStatus();
  std::vector<std::string> uris;
  std::map<std::string, size_t, std::less<>> positions;
  for (const UriImage& image : images) {
    if (positions.try_emplace(image.image->uri, uris.size()).second) {
      uris.push_back(image.image->uri);
    }
  }
  const std::vector<absl::StatusOr<std::string>> loaded =
      loader.Load(context, uris, bytes_max);
  LoadFailures failures;
  for (const UriImage& image : images) {
    const auto& bytes = loaded[positions[image.image->uri]];
    if (!bytes.ok()) {
      failures.Add(image, bytes.status());
      continue;
    }
    image.image->content_sha256 = Sha256(*bytes);
    image.image->size_bytes = bytes->size();
    image.image->external = keep == UriImages::kReferenceOnly;
    (*image.bytes)[image.property] = *bytes;
  }
  return failures.ToStatus();
}

}  // namespace diptych::storage
