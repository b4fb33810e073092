// Memory for packed weights.
//
// Operation: zeros, on a boundary of a cache line, so that no vector crosses
// one; large ones on huge pages where the system has them, since weights are
// read from end to end and each small page would cost a walk of the page table.
// Concurrency: a value type; moved, not copied. Limits: those of memory; throws
// std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace diptych::inference {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t size);

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uint8_t* data) const;
  };
  std::unique_ptr<uint8_t[], Free> data_;
  size_t size_ = 0;
};

}  // namespace diptych::inference
