// The members of a zip file that are stored as they are.
//
// Operation: reads the central directory (also zip64's) and checks every
// member's place against the file. Format: PKWARE's APPNOTE.TXT 6.3. torch.save
// stores; a compressed or encrypted member is refused. Concurrency: a free
// function and value types. Limits: kZipMembersMax members.
#pragma once

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

inline constexpr size_t kZipMembersMax = 1 << 20;

// Whether a file of these `bytes` begins as a zip file does.
bool LooksLikeZip(absl::string_view bytes);

// Name and content of every member; the content lies in `bytes`.
// INVALID_ARGUMENT when the archive is malformed.
absl::StatusOr<absl::flat_hash_map<std::string, absl::string_view>>
ParseZipArchive(absl::string_view bytes);

}  // namespace diptych::inference
