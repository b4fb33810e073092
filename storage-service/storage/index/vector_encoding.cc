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

// Upwards, so that the error is never too small.
float NormOf(double squared_error) {
  return static_cast<float>(std::sqrt(squared_error) * kRoundUp);
}

RowTrailer EncodeBfloat16(const float* vector, size_t dimension,
                          uint16_t* row) {
  double squared_norm = 0, squared_error = 0;
  for (size_t i = 0; i < dimension; ++i) {
    row[i] = ToBfloat16(vector[i]);
    const double kept = FromBfloat16(row[i]);
    squared_norm += kept * kept;
    squared_error += (vector[i] - kept) * (vector[i] - kept);
  }
  return {1.0f, 0, static_cast<float>(squared_norm), NormOf(squared_error)};
}

// As std::lrint, ties to even, for values that are not large: a float of this
// size has no room for a fraction.
int32_t Rounded(float value) {
  constexpr float kNoFraction = 12'582'912.0f;  // 1.5 * 2^23
  return static_cast<int32_t>((value + kNoFraction) - kNoFraction);
}

// Every search encodes its query, so the loops are cut into lanes that need not
// wait for each other.
RowTrailer EncodeInt8(const float* vector, size_t dimension, int8_t* row) {
  constexpr size_t kLanes = 8;
  const size_t whole = dimension / kLanes * kLanes;
  float largest_of_lane[kLanes] = {};
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float size = std::abs(vector[i + lane]);
      largest_of_lane[lane] =
          size > largest_of_lane[lane] ? size : largest_of_lane[lane];
    }
  }
  float largest = *std::max_element(largest_of_lane, largest_of_lane + kLanes);
  for (size_t i = whole; i < dimension; ++i) {
    largest = std::max(largest, std::abs(vector[i]));
  }
  RowTrailer trailer = {largest / kByteMax, 0, 0.0f, 0.0f};
  if (largest == 0) {
    std::fill_n(row, dimension, int8_t{0});
    return trailer;
  }
  int32_t sum = 0, squares = 0;  // exact
  double errors[kLanes] = {};
  const auto encode = [&](size_t i, double& squared_error) {
    // Not by the scale, which of the smallest floats is 0.
    const int32_t kept = Rounded(vector[i] / largest * kByteMax);
    row[i] = static_cast<int8_t>(kept);
    sum += kept;
    squares += kept * kept;
    const double error = vector[i] - static_cast<double>(trailer.scale) * kept;
    squared_error += error * error;
  };
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) encode(i + lane, errors[lane]);
  }
  for (size_t i = whole; i < dimension; ++i) encode(i, errors[0]);
  double squared_error = 0;
  for (const double error : errors) squared_error += error;
  trailer.byte_sum = sum;
  trailer.squared_norm = static_cast<float>(static_cast<double>(trailer.scale) *
                                            trailer.scale * squares);
  trailer.error = NormOf(squared_error);
  return trailer;
}

}  // namespace

VectorEncoding::VectorEncoding(VectorPrecision precision, size_t dimension)
    : precision_(precision),
      dimension_(dimension),
      trailer_offset_((dimension * ComponentBytes(precision) + 3) / 4 * 4),
      row_bytes_(trailer_offset_ + (compact() ? sizeof(RowTrailer) : 0)) {}

void VectorEncoding::Encode(const float* vector, void* row) const {
  RowTrailer trailer;
  switch (precision_) {
    case VectorPrecision::kFloat32:
      std::memcpy(row, vector, row_bytes_);
      return;
    case VectorPrecision::kBfloat16:
      trailer = EncodeBfloat16(vector, dimension_, static_cast<uint16_t*>(row));
      break;
    case VectorPrecision::kInt8:
      trailer = EncodeInt8(vector, dimension_, static_cast<int8_t*>(row));
      break;
  }
  std::memcpy(static_cast<char*>(row) + trailer_offset_, &trailer,
              sizeof(trailer));
}

}  // namespace diptych::storage
