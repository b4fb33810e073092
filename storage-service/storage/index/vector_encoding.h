// How a row keeps a vector.
//
// Operation: float32 rows are the vector itself. bfloat16 and int8 rows are its
// rounded components, one after the other, and a trailer. int8 components are
// of a scale of the vector's own: its largest component becomes 127. The
// trailer also says by how much rounding moved the vector, from which follows
// how far a distance can be off.
// Concurrency: a plain value.
// Limits: a row of an int8 vector of 512 components is 528 bytes, of bfloat16
// 1,040, of float32 2,048. int8 loses what is 250 times smaller than the
// largest component.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "storage/types/collection_spec.h"

namespace diptych::storage {

// Follows the components of a compact row. "Kept" is the vector that the row
// stands for.
struct RowTrailer {
  float scale;         // int8: kept component = scale * byte
  int32_t byte_sum;    // int8: sum of the bytes
  float squared_norm;  // of the kept vector
  float error;         // at least the norm of (vector - kept vector)
};

class VectorEncoding {
 public:
  VectorEncoding(VectorPrecision precision, size_t dimension);

  VectorPrecision precision() const { return precision_; }
  size_t dimension() const { return dimension_; }
  bool compact() const { return precision_ != VectorPrecision::kFloat32; }
  size_t row_bytes() const { return row_bytes_; }
  // Of a compact row's trailer, in the row.
  size_t trailer_offset() const { return trailer_offset_; }

  // Writes row_bytes() bytes. All components of `vector` are finite.
  void Encode(const float* vector, void* row) const;

  // Of a compact row.
  RowTrailer TrailerOf(const void* row) const {
    RowTrailer trailer;
    std::memcpy(&trailer, static_cast<const char*>(row) + trailer_offset_,
                sizeof(trailer));
    return trailer;
  }

 private:
  VectorPrecision precision_;
  size_t dimension_;
  size_t trailer_offset_;
  size_t row_bytes_;
};

}  // namespace diptych::storage
