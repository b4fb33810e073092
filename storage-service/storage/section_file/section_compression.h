// Compresses and decompresses the frames of a section (RFC 8878, by libzstd,
// which is included by section_compression.cc only).
//
// Concurrency: an object belongs to one thread.
// Limits: some hundred KiB of memory each.
// Errors: RESOURCE_EXHAUSTED (reason OUT_OF_MEMORY): not enough memory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Of zstd.h.
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace diptych::storage {

// At most so many bytes come of `content_bytes`.
size_t CompressedBytesMax(size_t content_bytes);

class FrameCompressor {
 public:
  FrameCompressor();
  ~FrameCompressor();

  // Replaces what is in `frame`.
  absl::Status Compress(absl::string_view content, std::string& frame);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  const std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

class FrameDecompressor {
 public:
  FrameDecompressor();
  ~FrameDecompressor();

  // Writes the content, whose size it returns, of a frame that holds no more
  // than `content_bytes_max`. DATA_LOSS: it is no such frame.
  absl::StatusOr<size_t> Decompress(absl::string_view frame, char* content,
                                    size_t content_bytes_max);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  const std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace diptych::storage
