#include "storage/service/answer_thumbnails.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "common/time/clock.h"
#include "storage/thumbnail/thumbnail_maker.h"

namespace diptych::storage {

AnswerThumbnails::AnswerThumbnails(const ServiceEnvironment& environment,
                                   const CallContext& call,
                                   const std::string& collection, int pixels,
                                   size_t bytes_max)
    : environment_(environment),
      call_(call),
      collection_(collection),
      pixels_(pixels),
      bytes_max_(bytes_max) {}

absl::StatusOr<std::string> AnswerThumbnails::Make(
    const std::string& content_sha256) {
  auto made = environment_.thumbnails->Make(content_sha256, pixels_, [&] {
    return environment_.engine.GetImage(call_, collection_, content_sha256);
  });
  if (absl::IsNotFound(made.status())) return "";
  return made;
}

absl::Status AnswerThumbnails::AddTo(v1::Object& object) {
  if (pixels_ == 0 || environment_.thumbnails == nullptr) {
    return absl::OkStatus();
  }
  for (auto& [name, value] : *object.mutable_properties()) {
    if (!value.has_image_value() || !value.image_value().stored()) continue;
    DIPTYCH_RETURN_IF_ERROR(call_.Check(Clock::System().Now()));
    DIPTYCH_ASSIGN_OR_RETURN(std::string thumbnail,
                             Make(value.image_value().content_sha256()));
    bytes_ += thumbnail.size();
    if (bytes_ > bytes_max_) {
      return WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              "the thumbnails of the answer would be larger than is allowed; "
              "ask for fewer objects, or for smaller thumbnails: bytes "
              "allowed ",
              bytes_max_)),
          "ANSWER_TOO_LARGE");
    }
    value.mutable_image_value()->set_thumbnail(std::move(thumbnail));
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
