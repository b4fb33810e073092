#include "inference/kernels/packed_transformer.h"

#include <algorithm>
#include <utility>

namespace diptych::inference {
namespace {

// Rows of a part that a thread takes through all layers: their values stay in a
// cache of 2 MiB, while the weights stream by.
constexpr int64_t kPartRows = 104;
// Fewer rows per part would read the weights too often.
constexpr int64_t kPartRowsLeast = 40;
// Rows whose inner values (4 times as wide) are there at a time.
constexpr int64_t kMlpRows = 104;
// Rows that one task normalises.
constexpr int64_t kRowsPerTask = 32;
// What normalising a value, and a product of attention, cost beside the
// operations of a large product.
constexpr int64_t kNormOperations = 64;
constexpr int64_t kAttentionOperations = 8;
// Rows that lie a power of two apart would fight for the same lines of a cache.
constexpr int64_t kStridePadding = 16;

int64_t DivideUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit;
}

float* Resized(std::vector<float>& buffer, int64_t size) {
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(size);
  return buffer.data();
}

}  // namespace

struct PackedTransformer::Buffers {
  std::vector<float> normed;
  std::vector<float> projected;
  std::vector<float> queries;
  std::vector<float> attended;
  std::vector<float> inner;
};

// Sequences that go through the layers together.
struct PackedTransformer::Part {
  float* rows = nullptr;
  int64_t row_count = 0;
  absl::Span<const int64_t> lengths;
  float* result = nullptr;
};

void NormalizeRows(const Kernels& kernels, const NormWeights& norm,
                   const ConstRows& from, const MutableRows& to,
                   const Parallel& parallel) {
  const auto width = static_cast<int64_t>(norm.weight.size());
  const Parallel& threads =
      ThreadsFor(kNormOperations * from.count * width, parallel);
  threads.For(DivideUp(from.count, kRowsPerTask), [&](int64_t task) {
    const int64_t end = std::min(from.count, (task + 1) * kRowsPerTask);
    for (int64_t row = task * kRowsPerTask; row < end; ++row) {
      kernels.normalize_row(from.data + row * from.stride, norm.weight.data(),
                            norm.bias.data(), norm.epsilon, width,
                            to.data + row * to.stride);
    }
  });
}

void AttendSequences(const Kernels& kernels, const ConstRows& queries,
                     const ConstRows& keys, const ConstRows& values,
                     absl::Span<const int64_t> lengths, int64_t heads,
                     int64_t head_size, bool single_query, bool causal,
                     const MutableRows& result, const Parallel& parallel) {
  std::vector<int64_t> begins;
  int64_t begin = 0;
  int64_t scores = 0;
  for (const int64_t length : lengths) {
    begins.push_back(begin);
    begin += length;
    scores += heads * length * (single_query ? 1 : length);
  }
  const auto count = static_cast<int64_t>(lengths.size());
  const Parallel& threads =
      ThreadsFor(kAttentionOperations * scores * head_size, parallel);
  threads.For(count * heads, [&](int64_t task) {
    static thread_local std::vector<float> scratch;
    const int64_t sequence = task / heads;
    const int64_t first = task % heads * head_size;
    const int64_t length = lengths[sequence];
    const int64_t query = single_query ? sequence : begins[sequence];
    kernels.attend(
        {.queries = queries.data + query * queries.stride + first,
         .query_stride = queries.stride,
         .query_count = single_query ? 1 : length,
         .keys = keys.data + begins[sequence] * keys.stride + first,
         .key_stride = keys.stride,
         .values = values.data + begins[sequence] * values.stride + first,
         .value_stride = values.stride,
         .length = length,
         .head_size = head_size,
         .causal = causal && !single_query,
         .out = result.data + query * result.stride + first,
         .out_stride = result.stride,
         .scratch =
             Resized(scratch, kernels.attention_scratch(length, head_size))});
  });
}

PackedTransformer::PackedTransformer(const PackedTransformerOptions& options,
                                     std::vector<PackedLayer> layers)
    : options_(options),
      kernels_(&KernelsOf(options.level)),
      layers_(std::move(layers)) {
  for (const PackedLayer& layer : layers_) {
    inner_size_ = std::max(inner_size_, layer.mlp_in.out());
  }
}

int64_t PackedTransformer::bytes() const {
  int64_t bytes = 0;
  for (const PackedLayer& layer : layers_) {
    for (const PackedLinear* linear :
         {&layer.query_key_value, &layer.query, &layer.key_value,
          &layer.attention_out, &layer.mlp_in, &layer.mlp_out}) {
      bytes += linear->bytes();
    }
  }
  return bytes;
}

void PackedTransformer::Run(absl::Span<float> rows,
                            absl::Span<const int64_t> lengths,
                            const Parallel& parallel,
                            absl::Span<float> result) const {
  const int64_t hidden = options_.hidden_size;
  const auto total = static_cast<int64_t>(rows.size()) / hidden;
  const int64_t threads = parallel.threads();
  // As many parts for each thread, so that all are done at the same time.
  const int64_t wanted =
      threads * DivideUp(DivideUp(total, kPartRows), threads);
  std::vector<Part> parts;
  Part part{rows.data(), 0, lengths.subspan(0, 0), result.data()};
  size_t first = 0;
  int64_t done = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    part.row_count += lengths[i];
    done += lengths[i];
    const int64_t end =
        total * (static_cast<int64_t>(parts.size()) + 1) / wanted;
    if (done < end && i + 1 < lengths.size()) continue;
    part.lengths = lengths.subspan(first, i + 1 - first);
    const int64_t results = options_.output == OutputRows::kAll
                                ? part.row_count
                                : static_cast<int64_t>(part.lengths.size());
    parts.push_back(part);
    part = {part.rows + part.row_count * hidden, 0, lengths.subspan(0, 0),
            part.result + results * hidden};
    first = i + 1;
  }
  const auto count = static_cast<int64_t>(parts.size());
  if (threads > 1 && count >= threads && total >= count * kPartRowsLeast) {
    const Serial serial;
    parallel.For(count, [&](int64_t i) { RunPart(parts[i], serial); });
  } else {
    for (const Part& each : parts) RunPart(each, parallel);
  }
}

void PackedTransformer::RunPart(const Part& part,
                                const Parallel& parallel) const {
  static thread_local Buffers buffers;
  const int64_t hidden = options_.hidden_size;
  int64_t count = part.row_count;
  for (const PackedLayer& layer : layers_) {
    const bool reduced =
        &layer == &layers_.back() && options_.output != OutputRows::kAll;
    AddAttention(part, layer, reduced, buffers, parallel);
    if (reduced) count = static_cast<int64_t>(part.lengths.size());
    const MutableRows rows = {part.rows, hidden};
    if (!options_.norm_first) {
      NormalizeRows(*kernels_, layer.attention_norm, {part.rows, hidden, count},
                    rows, parallel);
    }
    for (int64_t row = 0; row < count; row += kMlpRows) {
      AddMlp(part.rows + row * hidden, std::min(kMlpRows, count - row), layer,
             buffers, parallel);
    }
    if (!options_.norm_first) {
      NormalizeRows(*kernels_, layer.mlp_norm, {part.rows, hidden, count}, rows,
                    parallel);
    }
  }
  std::copy_n(part.rows, count * hidden, part.result);
}

void PackedTransformer::AddAttention(const Part& part, const PackedLayer& layer,
                                     bool reduced, Buffers& buffers,
                                     const Parallel& parallel) const {
  const int64_t hidden = options_.hidden_size;
  const int64_t stride = hidden + kStridePadding;
  const int64_t count = part.row_count;
  const auto sequences = static_cast<int64_t>(part.lengths.size());
  ConstRows normed = {part.rows, hidden, count};
  if (options_.norm_first) {
    float* const target = Resized(buffers.normed, count * stride);
    NormalizeRows(*kernels_, layer.attention_norm, normed, {target, stride},
                  parallel);
    normed = {target, stride, count};
  }
  const int64_t parts = reduced ? 2 : 3;
  const int64_t projected_stride = parts * hidden + kStridePadding;
  float* const projected = Resized(buffers.projected, count * projected_stride);
  (reduced ? layer.key_value : layer.query_key_value)
      .Run(normed, {projected, projected_stride}, Activation::kNone, false,
           parallel);
  const float* const keys = projected + (parts - 2) * hidden;
  ConstRows queries = {projected, projected_stride, count};
  if (reduced) {
    // The asked rows go to the front, which is never before where they are.
    float* const asked = Resized(buffers.attended, sequences * stride);
    int64_t begin = 0;
    for (int64_t i = 0; i < sequences; ++i) {
      const int64_t row = options_.output == OutputRows::kFirst
                              ? begin
                              : begin + part.lengths[i] - 1;
      std::copy_n(normed.data + row * normed.stride, hidden,
                  asked + i * stride);
      std::copy_n(part.rows + row * hidden, hidden, part.rows + i * hidden);
      begin += part.lengths[i];
    }
    float* const target = Resized(buffers.queries, sequences * stride);
    layer.query.Run({asked, stride, sequences}, {target, stride},
                    Activation::kNone, false, parallel);
    queries = {target, stride, sequences};
  }
  const int64_t asked_count = reduced ? sequences : count;
  float* const attended = Resized(buffers.attended, asked_count * stride);
  AttendSequences(*kernels_, queries, {keys, projected_stride, count},
                  {keys + hidden, projected_stride, count}, part.lengths,
                  options_.heads, hidden / options_.heads, reduced,
                  options_.causal, {attended, stride}, parallel);
  layer.attention_out.Run({attended, stride, asked_count}, {part.rows, hidden},
                          Activation::kNone, true, parallel);
}

void PackedTransformer::AddMlp(float* rows, int64_t count,
                               const PackedLayer& layer, Buffers& buffers,
                               const Parallel& parallel) const {
  const int64_t hidden = options_.hidden_size;
  const int64_t stride = hidden + kStridePadding;
  ConstRows in = {rows, hidden, count};
  if (options_.norm_first) {
    float* const normed = Resized(buffers.normed, count * stride);
    NormalizeRows(*kernels_, layer.mlp_norm, in, {normed, stride}, parallel);
    in = {normed, stride, count};
  }
  const int64_t inner_stride = inner_size_ + kStridePadding;
  float* const inner = Resized(buffers.inner, count * inner_stride);
  layer.mlp_in.Run(in, {inner, inner_stride}, options_.activation, false,
                   parallel);
  layer.mlp_out.Run({inner, inner_stride, count}, {rows, hidden},
                    Activation::kNone, true, parallel);
}

}  // namespace diptych::inference
