// Products, normalisation and rounding of float32, for the sources of kernel
// levels: see vector_math.h.
#pragma once

#include <cstdint>

#include "inference/kernels/kernels.h"
#include "inference/kernels/product_tiles.h"
#include "inference/kernels/vector_math.h"

namespace diptych::inference::DIPTYCH_KERNEL_LEVEL {

struct FloatDot {
  using Row = Floats;
  using Columns = Floats;
  using Sum = Floats;
  static Sum Zero() { return Floats{}; }
  static Row ReadRow(const char* from) {
    float value;
    __builtin_memcpy(&value, from, sizeof(value));
    return Broadcast(value);
  }
  static Columns ReadColumns(const char* from) {
    Floats columns;
    __builtin_memcpy(&columns, from, sizeof(columns));
    return columns;
  }
  static Sum Add(Sum sum, Row row, const Columns& columns) {
    return sum + row * columns;
  }
  static Floats ToFloats(Sum sum) { return sum; }
};

static void FloatProduct(const PanelProduct& product) {
  RunProduct<FloatDot>(product);
}

static void NormalizeRow(const float* in, const float* weight,
                         const float* bias, float epsilon, int64_t width,
                         float* out) {
  const int64_t whole = width / kLanes * kLanes;
  Floats sums = {};
  for (int64_t i = 0; i < whole; i += kLanes) sums += Load(in + i);
  float sum = Sum(sums);
  for (int64_t i = whole; i < width; ++i) sum += in[i];
  const float mean = sum / static_cast<float>(width);
  Floats squares = {};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats difference = Load(in + i) - mean;
    squares += difference * difference;
  }
  float square = Sum(squares);
  for (int64_t i = whole; i < width; ++i) {
    square += (in[i] - mean) * (in[i] - mean);
  }
  const float factor =
      1.0f / __builtin_sqrtf(square / static_cast<float>(width) + epsilon);
  for (int64_t i = 0; i < whole; i += kLanes) {
    Store(out + i,
          (Load(in + i) - mean) * factor * Load(weight + i) + Load(bias + i));
  }
  for (int64_t i = whole; i < width; ++i) {
    out[i] = (in[i] - mean) * factor * weight[i] + bias[i];
  }
}

static void QuantizeRow(const float* in, int64_t width, uint8_t* out,
                        float* scale, float* offset) {
  const int64_t whole = width / kLanes * kLanes;
  Floats least = Broadcast(in[0]);
  Floats most = least;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats value = Load(in + i);
    least = Min(least, value);
    most = Max(most, value);
  }
  float low = -Largest(-least);
  float high = Largest(most);
  for (int64_t i = whole; i < width; ++i) {
    low = in[i] < low ? in[i] : low;
    high = in[i] > high ? in[i] : high;
  }
  *offset = low;
  *scale = (high - low) / 255.0f;
  const float inverse = high > low ? 255.0f / (high - low) : 0.0f;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats value = (Load(in + i) - low) * inverse + 0.5f;
    const Bytes bytes =
        __builtin_convertvector(__builtin_convertvector(value, Ints), Bytes);
    __builtin_memcpy(out + i, &bytes, sizeof(bytes));
  }
  for (int64_t i = whole; i < width; ++i) {
    out[i] =
        static_cast<uint8_t>(static_cast<int>((in[i] - low) * inverse + 0.5f));
  }
}

}  // namespace diptych::inference::DIPTYCH_KERNEL_LEVEL
