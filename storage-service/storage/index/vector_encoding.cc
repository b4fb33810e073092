#include "storage/index/vector_encoding.h"

#include <algorithm>
#include <cmath>

#include "storage/index/compact_kernels.h"

namespace diptych::storage {
namespace {

constexpr float kByteMax = 127.0f;
// The trailer's float32 figures may be rounded down by this much.
constexpr double kRoundUp = 1.0 + 1e-6;

size_t ComponentBytes(VectorPrecision precision) {
  switch (precision) {
    case VectorPrecision::kBfloat16:
      return sizeof(uint16_t);
    case VectorPrecision::kInt8:
      return sizeof(int8_t);
    case VectorPrecision::kFloat32:
      break;
  }
  return sizeof(float);
}

}  // namespace

VectorEncoding::VectorEncoding(VectorPrecision precision, size_t dimension)
    : precision_(precision),
      dimension_(dimension),
      trailer_offset_((dimension * ComponentBytes(precision) + 3) / 4 * 4),
      row_bytes_(trailer_offset_ + (compact() ? sizeof(RowTrailer) : 0)) {}

void VectorEncoding::Encode(const float* vector, void* row) const {
  if (!compact()) {
    std::memcpy(row, vector, row_bytes_);
    return;
  }
  RowTrailer trailer = {1.0f, 0, 0.0f, 0.0f};
  double squared_norm = 0, squared_error = 0;
  const auto account = [&](float given, double kept) {
    squared_norm += kept * kept;
    squared_error += (given - kept) * (given - kept);
  };
  if (precision_ == VectorPrecision::kBfloat16) {
    auto* out = static_cast<uint16_t*>(row);
    for (size_t i = 0; i < dimension_; ++i) {
      out[i] = ToBfloat16(vector[i]);
      account(vector[i], FromBfloat16(out[i]));
    }
  } else {
    float largest = 0;
    for (size_t i = 0; i < dimension_; ++i) {
      largest = std::max(largest, std::abs(vector[i]));
    }
    trailer.scale = largest / kByteMax;
    auto* out = static_cast<int8_t*>(row);
    for (size_t i = 0; i < dimension_; ++i) {
      // Not by the scale, which of the smallest floats is 0.
      const float share = largest == 0 ? 0 : vector[i] / largest;
      out[i] = static_cast<int8_t>(std::lrint(share * kByteMax));
      trailer.byte_sum += out[i];
      account(vector[i], static_cast<double>(trailer.scale) * out[i]);
    }
  }
  trailer.squared_norm = static_cast<float>(squared_norm);
  trailer.error = static_cast<float>(std::sqrt(squared_error) * kRoundUp);
  std::memcpy(static_cast<char*>(row) + trailer_offset_, &trailer,
              sizeof(trailer));
}

}  // namespace diptych::storage
