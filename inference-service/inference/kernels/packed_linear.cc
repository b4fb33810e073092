#include "inference/kernels/packed_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace diptych::inference {
namespace {

constexpr int64_t kCacheLine = 64;
// Rows that one task rounds.
constexpr int64_t kRowsPerTask = 32;
constexpr float kInt8Most = 127;
// What rounding a value costs beside the operations of a product.
constexpr int64_t kValueOperations = 64;

// To the nearest, ties to even. Weights are finite.
uint16_t RoundToBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits += 0x7fff + ((bits >> 16) & 1);
  return static_cast<uint16_t>(bits >> 16);
}

int64_t BytesOf(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return 4;
    case Precision::kFloat16:
    case Precision::kBfloat16:
      return 2;
    case Precision::kInt8:
      return 1;
  }
  return 4;
}

int64_t RoundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

// Rows of whole groups, filled up with zeros.
struct PackedLinear::Rounded {
  const void* rows = nullptr;
  int64_t row_bytes = 0;
  const float* scales = nullptr;
  const float* offsets = nullptr;
};

bool HasPrecision(KernelLevel level, Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
    case Precision::kInt8:
      return true;
    case Precision::kBfloat16:
      return KernelsOf(level).bfloat16.run != nullptr;
    case Precision::kFloat16:
      return false;
  }
  return false;
}

PackedLinear::PackedLinear(absl::Span<const float> weight,
                           absl::Span<const float> bias, int64_t out,
                           int64_t in, Precision precision, KernelLevel level)
    : kernels_(&KernelsOf(level)),
      precision_(precision == Precision::kInt8 && in > kInt8DepthMax
                     ? Precision::kFloat32
                     : precision),
      in_(in),
      out_(out) {
  const ProductKernel& product = kernel();
  groups_ = RoundUp(in, product.group) / product.group;
  panels_ = RoundUp(out, product.columns) / product.columns;
  panel_bytes_ =
      groups_ * product.group * product.columns * BytesOf(precision_);
  weights_ = AlignedBytes(panels_ * panel_bytes_);
  const int64_t padded = panels_ * product.columns;
  if (!bias.empty()) {
    bias_.assign(bias.begin(), bias.end());
    bias_.resize(padded);
  }
  if (precision_ == Precision::kInt8) {
    scales_.resize(padded);
    sums_.resize(padded);
  }
  for (int64_t panel = 0; panel < panels_; ++panel) PackPanel(weight, panel);
}

const ProductKernel& PackedLinear::kernel() const {
  switch (precision_) {
    case Precision::kBfloat16:
      return kernels_->bfloat16;
    case Precision::kInt8:
      return kernels_->int8;
    case Precision::kFloat32:
    case Precision::kFloat16:
      break;
  }
  return kernels_->float32;
}

int64_t PackedLinear::bytes() const {
  return static_cast<int64_t>(
      weights_.size() +
      sizeof(float) * (bias_.size() + scales_.size() + sums_.size()));
}

template <typename Value, typename Round>
void PackedLinear::PackValues(absl::Span<const float> weight, int64_t panel,
                              const Round& round) {
  const ProductKernel& product = kernel();
  const int64_t first = panel * product.columns;
  const int64_t columns = std::min<int64_t>(product.columns, out_ - first);
  // In the order of the panel: a cache holds a line of each output's weights.
  uint8_t* to = weights_.data() + panel * panel_bytes_;
  for (int64_t begin = 0; begin < in_; begin += product.group) {
    const int64_t end = std::min<int64_t>(begin + product.group, in_);
    for (int64_t column = 0; column < columns; ++column) {
      const float* const from = weight.data() + (first + column) * in_;
      for (int64_t i = begin; i < end; ++i) {
        const Value value = round(from[i], column);
        std::memcpy(to + (column * product.group + i - begin) * sizeof(value),
                    &value, sizeof(value));
      }
    }
    to += product.columns * product.group * sizeof(Value);
  }
}

void PackedLinear::PackPanel(absl::Span<const float> weight, int64_t panel) {
  if (precision_ == Precision::kBfloat16) {
    return PackValues<uint16_t>(weight, panel, [](float value, int64_t) {
      return RoundToBfloat16(value);
    });
  }
  if (precision_ != Precision::kInt8) {
    return PackValues<float>(weight, panel,
                             [](float value, int64_t) { return value; });
  }
  const int64_t first = panel * kernel().columns;
  const int64_t columns = std::min<int64_t>(kernel().columns, out_ - first);
  std::vector<int64_t> sums(columns);
  float* const scales = scales_.data() + first;
  for (int64_t column = 0; column < columns; ++column) {
    float most = 0;
    for (const float value : weight.subspan((first + column) * in_, in_)) {
      most = std::max(most, std::abs(value));
    }
    scales[column] = most / kInt8Most;
  }
  PackValues<int8_t>(weight, panel, [&](float value, int64_t column) {
    const float scale = scales[column];
    const float steps =
        scale > 0 ? std::clamp(value / scale, -kInt8Most, kInt8Most) : 0;
    const auto rounded =
        static_cast<int8_t>(steps + std::copysign(0.5f, steps));
    sums[column] += rounded;
    return rounded;
  });
  for (int64_t column = 0; column < columns; ++column) {
    sums_[first + column] = scales[column] * static_cast<float>(sums[column]);
  }
}

PackedLinear::Rounded PackedLinear::RoundRows(const ConstRows& rows,
                                              const Parallel& parallel) const {
  if (precision_ == Precision::kFloat32) {
    return {rows.data, rows.stride * int64_t{sizeof(float)}};
  }
  static thread_local std::vector<uint8_t> bytes;
  static thread_local std::vector<float> factors;
  const int64_t filled = groups_ * kernel().group * BytesOf(precision_);
  // Rows that lie a power of two apart would fight for the same lines of a
  // cache.
  const int64_t row_bytes = RoundUp(filled, kCacheLine) + kCacheLine;
  if (static_cast<int64_t>(bytes.size()) < rows.count * row_bytes) {
    bytes.resize(rows.count * row_bytes);
  }
  if (static_cast<int64_t>(factors.size()) < 2 * rows.count) {
    factors.resize(2 * rows.count);
  }
  uint8_t* const target = bytes.data();
  float* const scales = factors.data();
  float* const offsets = scales + rows.count;
  const int64_t tasks = RoundUp(rows.count, kRowsPerTask) / kRowsPerTask;
  const int64_t used = in_ * BytesOf(precision_);
  parallel.For(tasks, [&](int64_t task) {
    const int64_t end = std::min(rows.count, (task + 1) * kRowsPerTask);
    for (int64_t row = task * kRowsPerTask; row < end; ++row) {
      const float* const from = rows.data + row * rows.stride;
      uint8_t* const to = target + row * row_bytes;
      if (precision_ == Precision::kInt8) {
        kernels_->quantize_row(from, in_, to, scales + row, offsets + row);
      } else {
        kernels_->round_row(from, in_, reinterpret_cast<uint16_t*>(to));
      }
      std::memset(to + used, 0, filled - used);
    }
  });
  return {target, row_bytes, scales, offsets};
}

void PackedLinear::Run(const ConstRows& rows, const MutableRows& result,
                       Activation activation, bool accumulate,
                       const Parallel& threads) const {
  if (rows.count == 0) return;
  const Parallel& parallel = ThreadsFor(2 * rows.count * in_ * out_, threads);
  const ProductKernel& product = kernel();
  const Rounded rounded =
      RoundRows(rows, ThreadsFor(kValueOperations * rows.count * in_, threads));
  const bool integers = precision_ == Precision::kInt8;
  // Threads take panels in turn.
  const int64_t ahead = parallel.threads();
  parallel.For(panels_, [&](int64_t panel) {
    const int64_t first = panel * product.columns;
    const int64_t next = panel + ahead;
    product.run(
        {.rows = rounded.rows,
         .row_bytes = rounded.row_bytes,
         .row_count = rows.count,
         .panel = weights_.data() + panel * panel_bytes_,
         .group_bytes = product.group * product.columns * BytesOf(precision_),
         .groups = groups_,
         .next_panel =
             next < panels_ ? weights_.data() + next * panel_bytes_ : nullptr,
         .columns =
             static_cast<int>(std::min<int64_t>(product.columns, out_ - first)),
         .bias = bias_.empty() ? nullptr : bias_.data() + first,
         .row_scales = integers ? rounded.scales : nullptr,
         .row_offsets = integers ? rounded.offsets : nullptr,
         .column_scales = integers ? scales_.data() + first : nullptr,
         .column_sums = integers ? sums_.data() + first : nullptr,
         .activation = activation,
         .accumulate = accumulate,
         .out = result.data + first,
         .out_stride = result.stride});
  });
}

}  // namespace diptych::inference
