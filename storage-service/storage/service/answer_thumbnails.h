// Puts thumbnails into answers.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/concurrency/call_context.h"
#include "diptych/storage/v1/object.pb.h"
#include "storage/service/service_environment.h"

namespace diptych::storage {

// Operation: every image of an object whose bytes the collection holds gets a
// JPEG. One that cannot be decoded, or that was deleted meanwhile, gets none:
// that a picture is odd must not hide the object.
// Concurrency: one thread at a time; blocks while it decodes.
// Limits: `bytes_max` of all thumbnails of the answer together.
// Errors: DEADLINE_EXCEEDED, CANCELLED; the engine's.
class AnswerThumbnails {
 public:
  // `pixels` as Projection.thumbnail_pixels, checked; 0: none are wanted.
  // What is given outlives the object.
  AnswerThumbnails(const ServiceEnvironment& environment,
                   const CallContext& call, const std::string& collection,
                   int pixels, size_t bytes_max);

  // RESOURCE_EXHAUSTED: with this object's they are more than `bytes_max`.
  absl::Status AddTo(v1::Object& object);

  // Of all that were added.
  size_t bytes() const { return bytes_; }

 private:
  absl::StatusOr<std::string> Make(const std::string& content_sha256);

  const ServiceEnvironment& environment_;
  const CallContext& call_;
  const std::string& collection_;
  const int pixels_;
  const size_t bytes_max_;
  size_t bytes_ = 0;
};

}  // namespace diptych::storage
