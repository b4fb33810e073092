#include "storage/section_file/section_compression.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::storage {
namespace {

// On tables of properties and words, higher levels save little more and take
// several times as long.
constexpr int kLevel = 3;

absl::Status OutOfMemory() {
  return WithReason(absl::ResourceExhaustedError(
                        "there is no memory for the compression of an index "
                        "snapshot; give the server more memory"),
                    "OUT_OF_MEMORY");
}

}  // namespace

size_t CompressedBytesMax(size_t content_bytes) {
  return ZSTD_compressBound(content_bytes);
}

void FrameCompressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

FrameCompressor::FrameCompressor() : context_(ZSTD_createCCtx()) {}
FrameCompressor::~FrameCompressor() = default;

absl::Status FrameCompressor::Compress(absl::string_view content,
                                       std::string& frame) {
  if (context_ == nullptr) return OutOfMemory();
  frame.resize(CompressedBytesMax(content.size()));
  const size_t size =
      ZSTD_compressCCtx(context_.get(), frame.data(), frame.size(),
                        content.data(), content.size(), kLevel);
  // There is room, so nothing else can fail.
  if (ZSTD_isError(size)) return OutOfMemory();
  frame.resize(size);
  return absl::OkStatus();
}

void FrameDecompressor::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

FrameDecompressor::FrameDecompressor() : context_(ZSTD_createDCtx()) {}
FrameDecompressor::~FrameDecompressor() = default;

absl::StatusOr<size_t> FrameDecompressor::Decompress(absl::string_view frame,
                                                     char* content,
                                                     size_t content_bytes_max) {
  if (context_ == nullptr) return OutOfMemory();
  const size_t size = ZSTD_decompressDCtx(
      context_.get(), content, content_bytes_max, frame.data(), frame.size());
  if (!ZSTD_isError(size)) return size;
  if (ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation) {
    return OutOfMemory();
  }
  return absl::DataLossError(absl::StrCat("a compressed part cannot be read: ",
                                          ZSTD_getErrorName(size)));
}

}  // namespace diptych::storage
