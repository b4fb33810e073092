#include "inference/weights/tensor_view.h"

#include <cmath>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace diptych::inference {
namespace {

float FloatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// IEEE 754 binary16.
float FloatOfHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return FloatOfBits(sign | 0x7f800000 | mantissa << 13);
  return FloatOfBits(sign | (exponent + 112) << 23 | mantissa << 13);
}

// Calls `each` with the bytes of every element of `tensor`, row by row.
template <typename Each>
void ForEachElement(const TensorView& tensor, int64_t element_bytes,
                    Each each) {
  const char* const begin = tensor.bytes.data();
  int64_t count = 1;
  for (const int64_t side : tensor.shape) count *= side;
  if (tensor.strides.empty()) {
    for (int64_t i = 0; i < count; ++i) each(begin + i * element_bytes);
    return;
  }
  std::vector<int64_t> index(tensor.shape.size(), 0);
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    each(begin + at * element_bytes);
    for (size_t side = index.size(); side-- > 0;) {
      at += tensor.strides[side];
      if (++index[side] < tensor.shape[side]) break;
      at -= tensor.strides[side] * tensor.shape[side];
      index[side] = 0;
    }
  }
}

// memcpy, because the formats do not align tensors.
template <typename T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

// Bytes of one element; 0 when the type is not known.
int64_t ElementBytes(absl::string_view type) {
  if (type == "F64" || type == "I64") return 8;
  if (type == "F32" || type == "I32") return 4;
  if (type == "F16" || type == "BF16" || type == "I16") return 2;
  if (type == "I8" || type == "U8" || type == "BOOL") return 1;
  return 0;
}

// Elements times bytes; none when that overflows.
std::optional<int64_t> BytesOfShape(absl::Span<const int64_t> shape,
                                    int64_t element_bytes) {
  int64_t bytes = element_bytes;
  for (const int64_t side : shape) {
    if (__builtin_mul_overflow(bytes, side, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

absl::StatusOr<std::vector<float>> FloatsOf(const TensorView& tensor) {
  const int64_t element_bytes = ElementBytes(tensor.type);
  std::vector<float> values;
  const auto read = [&](auto convert) {
    const auto bytes = BytesOfShape(tensor.shape, 1);
    values.reserve(static_cast<size_t>(bytes.value_or(0)));
    ForEachElement(tensor, element_bytes,
                   [&](const char* from) { values.push_back(convert(from)); });
  };
  if (tensor.type == "F32" && tensor.strides.empty() && !tensor.bytes.empty()) {
    values.resize(tensor.bytes.size() / sizeof(float));
    std::memcpy(values.data(), tensor.bytes.data(),
                values.size() * sizeof(float));
  } else if (tensor.type == "F32") {
    read([](const char* from) { return Load<float>(from); });
  } else if (tensor.type == "F64") {
    read([](const char* from) {
      return static_cast<float>(Load<double>(from));
    });
  } else if (tensor.type == "F16") {
    read([](const char* from) { return FloatOfHalf(Load<uint16_t>(from)); });
  } else if (tensor.type == "BF16") {
    read([](const char* from) {
      return FloatOfBits(static_cast<uint32_t>(Load<uint16_t>(from)) << 16);
    });
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", absl::Utf8SafeCEscape(tensor.name),
        " must be of type F64, F32, F16 or BF16; it is ", tensor.type));
  }
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", absl::Utf8SafeCEscape(tensor.name),
                       " holds a value that is not finite (NaN or infinity)"));
    }
  }
  return values;
}

}  // namespace diptych::inference
