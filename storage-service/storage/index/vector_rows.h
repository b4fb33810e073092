// The vectors of one segment: rows that are appended, never moved, and marked
// dead when removed.
//
// Operation: a row is a vector as its VectorEncoding keeps it. Rows lie in
// chunks of 32,768, each row aligned to a cache line, so that growing neither
// copies nor invalidates what readers hold; the system gives memory as rows are
// written, all but the first 2 MiB on huge pages (huge_pages.h). A graph refers
// to the rows where they lie.
// Concurrency: one writer at a time (Append, AppendEmpty); MarkDead and const
// methods from any thread. A reader may look at rows below a count() that it
// has seen.
// Limits: the capacity is fixed at construction.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "storage/index/slot_set.h"

namespace diptych::storage {

class VectorRows {
 public:
  VectorRows(size_t row_bytes, size_t capacity);

  // Copies row_bytes() bytes. There must be room.
  void Append(Slot slot, const void* row);
  // As Append, for a row of zeros that the caller fills before any reader can
  // know of it.
  std::byte* AppendEmpty(Slot slot);
  // True if the row was live.
  bool MarkDead(size_t row);

  size_t capacity() const { return capacity_; }
  size_t count() const { return count_.load(std::memory_order_acquire); }
  size_t dead_count() const {
    return dead_count_.load(std::memory_order_acquire);
  }
  size_t row_bytes() const { return row_bytes_; }

  const std::byte* row(size_t row) const {
    return chunks_[row >> kChunkShift].get() +
           (row & (kRowsPerChunk - 1)) * stride_;
  }
  Slot slot(size_t row) const { return slots_[row]; }
  bool IsDead(size_t row) const {
    return (dead_[row / 64].load(std::memory_order_acquire) >> (row % 64)) & 1;
  }
  // Asks for a row's vector before it is needed: the processor does not foresee
  // rows in random order.
  void Prefetch(size_t row) const {
    const char* address = reinterpret_cast<const char*>(this->row(row));
    for (size_t offset = 0; offset < prefetch_bytes_; offset += 64) {
      __builtin_prefetch(address + offset);
    }
  }

  size_t memory_bytes() const;

 private:
  struct FreeAligned {
    std::align_val_t alignment{64};
    void operator()(std::byte* chunk) const {
      ::operator delete(chunk, alignment);
    }
  };
  using Chunk = std::unique_ptr<std::byte, FreeAligned>;

  static constexpr size_t kChunkShift = 15;
  // With rows of whole cache lines, a chunk is whole huge pages.
  static constexpr size_t kRowsPerChunk = size_t{1} << kChunkShift;

  // Of a chunk; the last one ends with the capacity.
  size_t ChunkBytes(size_t chunk) const;
  // Where the next row goes.
  std::byte* PlaceOfNext();
  void CountNext(Slot slot);

  const size_t row_bytes_;
  const size_t capacity_;
  const size_t stride_;          // bytes from row to row
  const size_t prefetch_bytes_;  // of a row; the rest follows by itself
  std::vector<Chunk> chunks_;    // all in place; null where no row is yet
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<std::atomic<uint64_t>[]> dead_;
  std::atomic<size_t> count_{0};
  std::atomic<size_t> dead_count_{0};
};

}  // namespace diptych::storage
