#include "storage/index/vector_rows.h"

#include <algorithm>
#include <cstring>

namespace diptych::storage {
namespace {

constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kPrefetchBytesMax = 2048;
constexpr size_t kCacheLineBytes = 64;

}  // namespace

VectorRows::VectorRows(size_t row_bytes, size_t capacity)
    : row_bytes_(row_bytes),
      capacity_(capacity),
      stride_((row_bytes + kCacheLineBytes - 1) / kCacheLineBytes *
              kCacheLineBytes),
      prefetch_bytes_(std::min(row_bytes, kPrefetchBytesMax)) {
  while ((rows_per_chunk() * 2) * stride_ <= kChunkBytes &&
         rows_per_chunk() < capacity) {
    ++chunk_shift_;
  }
  chunks_.resize((capacity + rows_per_chunk() - 1) >> chunk_shift_);
  slots_.reset(new Slot[capacity]);
  dead_ = std::make_unique<std::atomic<uint64_t>[]>((capacity + 63) / 64);
}

std::byte* VectorRows::PlaceOfNext() {
  const size_t number = count_.load(std::memory_order_relaxed);
  auto& chunk = chunks_[number >> chunk_shift_];
  if (chunk == nullptr) {
    chunk.reset(static_cast<std::byte*>(::operator new(
        rows_per_chunk() * stride_, std::align_val_t(kCacheLineBytes))));
  }
  return chunk.get() + (number & (rows_per_chunk() - 1)) * stride_;
}

void VectorRows::CountNext(Slot slot) {
  const size_t number = count_.load(std::memory_order_relaxed);
  slots_[number] = slot;
  count_.store(number + 1, std::memory_order_release);
}

void VectorRows::Append(Slot slot, const void* row) {
  std::memcpy(PlaceOfNext(), row, row_bytes_);
  CountNext(slot);
}

std::byte* VectorRows::AppendEmpty(Slot slot) {
  std::byte* const place = PlaceOfNext();
  std::memset(place, 0, row_bytes_);
  CountNext(slot);
  return place;
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
  const size_t chunks = (count() + rows_per_chunk() - 1) >> chunk_shift_;
  return chunks * rows_per_chunk() * stride_ + capacity_ * sizeof(Slot) +
         (capacity_ + 63) / 64 * sizeof(uint64_t);
}

}  // namespace diptych::storage
