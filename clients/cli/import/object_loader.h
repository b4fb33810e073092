// Reads the files of one object.
//
// Operation: a picture becomes {image, path, file_name, folder}, with
// `document` from the text beside it; a text file {document, path, file_name,
// folder}. The sidecar's values are added and win over all of these but the
// image. `folder` is the path without the name, "" at the top.
// Concurrency: a free function; may be called from any thread.
// Limits: kPictureBytesMax, kTextBytesMax and kSidecarBytesMax.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "cli/import/import_plan.h"
#include "diptych/storage/v1/object.pb.h"

namespace diptych::cli {

// The server's limits on one image and on one object without it.
inline constexpr int64_t kPictureBytesMax = int64_t{32} << 20;
inline constexpr int64_t kTextBytesMax = int64_t{1} << 20;
inline constexpr int64_t kSidecarBytesMax = int64_t{1} << 20;

// INVALID_ARGUMENT when a file is empty, too large, no picture of a supported
// format, not UTF-8, or a sidecar that is no flat JSON object; UNAVAILABLE when
// it cannot be read. The message is a reason without the file's name, unless
// the fault is in a file beside it.
absl::StatusOr<storage::v1::Object> LoadObject(const ImportItem& item);

}  // namespace diptych::cli
