#include "storage/index/vector_rows.h"

#include <algorithm>
#include <cstring>

#include "storage/index/huge_pages.h"

namespace diptych::storage {
namespace {

constexpr size_t kPrefetchBytesMax = 2048;
constexpr size_t kCacheLineBytes = 64;

}  // namespace

VectorRows::VectorRows(size_t row_bytes, size_t capacity)
    : row_bytes_(row_bytes),
      capacity_(capacity),
      stride_((row_bytes + kCacheLineBytes - 1) / kCacheLineBytes *
              kCacheLineBytes),
      prefetch_bytes_(std::min(row_bytes, kPrefetchBytesMax)) {
  chunks_.resize((capacity + kRowsPerChunk - 1) >> kChunkShift);
  slots_.reset(new Slot[capacity]);
  dead_ = std::make_unique<std::atomic<uint64_t>[]>((capacity + 63) / 64);
}

size_t VectorRows::ChunkBytes(size_t chunk) const {
  return std::min(kRowsPerChunk, capacity_ - (chunk << kChunkShift)) * stride_;
}

std::byte* VectorRows::PlaceOfNext() {
  const size_t number = count_.load(std::memory_order_relaxed);
  const size_t chunk_number = number >> kChunkShift;
  Chunk& chunk = chunks_[chunk_number];
  if (chunk == nullptr) {
    const size_t bytes = ChunkBytes(chunk_number);
    const auto alignment = static_cast<std::align_val_t>(
        bytes < 2 * kHugePageBytes ? kCacheLineBytes : kHugePageBytes);
    chunk = Chunk(static_cast<std::byte*>(::operator new(bytes, alignment)),
                  FreeAligned{alignment});
    // Many a collection never fills one huge page.
    const size_t skipped = chunk_number == 0 ? kHugePageBytes : 0;
    if (bytes > skipped)
      PreferHugePages(chunk.get() + skipped, bytes - skipped);
  }
  return chunk.get() + (number & (kRowsPerChunk - 1)) * stride_;
}

void VectorRows::Append(Slot slot, const void* row) {
  std::memcpy(PlaceOfNext(), row, row_bytes_);
  const size_t number = count_.load(std::memory_order_relaxed);
  slots_[number] = slot;
  count_.store(number + 1, std::memory_order_release);
}

bool VectorRows::MarkDead(size_t row) {
  const uint64_t bit = uint64_t{1} << (row % 64);
  if (dead_[row / 64].fetch_or(bit, std::memory_order_acq_rel) & bit) {
    return false;
  }
  dead_count_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

size_t VectorRows::memory_bytes() const {
  return count() * stride_ + capacity_ * sizeof(Slot) +
         (capacity_ + 63) / 64 * sizeof(uint64_t);
}

}  // namespace diptych::storage
