// The arithmetic in which a tower's products are computed.
//
// Normalisations, attention and sums are float32 on the CPU whatever this says.
#pragma once

namespace diptych::inference {

enum class Precision {
  kFloat32,
  // On a CUDA device only.
  kFloat16,
  kBfloat16,
  // 8-bit integers: a scale per output of the weights, and one per row of what
  // they are multiplied with. On the CPU only.
  kInt8,
};

// "float32", "float16", "bfloat16" or "int8": ModelInfo::dtype.
inline const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kFloat16:
      return "float16";
    case Precision::kBfloat16:
      return "bfloat16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

}  // namespace diptych::inference
