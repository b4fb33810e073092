#include "storage/engine/page_token.h"

#include <xxhash.h>

#include "absl/strings/escaping.h"
#include "common/status/error_details.h"
#include "storage/record/byte_codec.h"

namespace diptych::storage {
namespace {

constexpr uint8_t kVersion = 1;

absl::Status Invalid(absl::string_view what) {
  return InvalidField("page_token",
                      std::string(what) +
                          "; give next_page_token of the page before as it is, "
                          "or leave it empty to begin anew");
}

}  // namespace

uint64_t PageRequestHash(absl::string_view canonical_request) {
  return XXH3_64bits(canonical_request.data(), canonical_request.size());
}

std::string EncodePageToken(uint64_t request_hash, absl::string_view position) {
  ByteWriter writer;
  writer.Integer(kVersion);
  writer.Integer(request_hash);
  writer.String(position);
  writer.Integer(PageRequestHash(writer.bytes()));
  return absl::WebSafeBase64Escape(writer.bytes());
}

absl::StatusOr<std::string> DecodePageToken(uint64_t request_hash,
                                            absl::string_view token) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(token, &bytes) ||
      bytes.size() < sizeof(uint64_t)) {
    return Invalid("is not a page token");
  }
  const absl::string_view body =
      absl::string_view(bytes).substr(0, bytes.size() - sizeof(uint64_t));
  ByteReader trailer(absl::string_view(bytes).substr(body.size()));
  uint64_t checksum = 0, hash = 0;
  uint8_t version = 0;
  std::string position;
  ByteReader reader(body);
  if (!trailer.Integer(checksum) || checksum != PageRequestHash(body) ||
      !reader.Integer(version) || version != kVersion ||
      !reader.Integer(hash) || !reader.String(position) || !reader.empty() ||
      // Base64 leaves bits unused; only the one right spelling is accepted.
      absl::WebSafeBase64Escape(bytes) != token) {
    return Invalid("is not a page token");
  }
  if (hash != request_hash) return Invalid("belongs to another request");
  return position;
}

}  // namespace diptych::storage
