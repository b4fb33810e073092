// The layers of a transformer on a CPU.
//
// Operation: attention and MLP blocks, normalised before or behind, over the
// rows of many sequences that lie one after the other without padding, so that
// a batch costs what its tokens cost. Many sequences are divided into parts
// that fit in a cache, and every thread takes whole parts through all layers;
// where there are too few of them, the threads share each product instead.
// Where one row of a sequence is asked for, the last layer is computed for
// those rows alone. Products are in the layers' precision, all else is float32.
// A sequence's result does not depend on the other sequences or on threads, to
// the bit.
// Concurrency: Run may be called from any thread, in parallel. Each thread
// keeps the buffers of its largest part.
// Limits: the caller bounds the rows of one run.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "inference/kernels/packed_linear.h"
#include "inference/kernels/parallel.h"

namespace diptych::inference {

struct NormWeights {
  std::vector<float> weight;
  std::vector<float> bias;
  float epsilon = 1e-5f;
};

// One layer. Queries come scaled by head size^-0.5.
struct PackedLayer {
  NormWeights attention_norm;
  // One product for queries, keys and values; a last layer of which single
  // rows are asked has queries apart.
  PackedLinear query_key_value;
  PackedLinear query;
  PackedLinear key_value;
  PackedLinear attention_out;
  NormWeights mlp_norm;
  PackedLinear mlp_in;
  PackedLinear mlp_out;
};

// The rows of a sequence that are asked for.
enum class OutputRows { kAll, kFirst, kLast };

struct PackedTransformerOptions {
  int64_t hidden_size = 0;
  int64_t heads = 0;
  Activation activation = Activation::kNone;
  // Before attention and MLP, or behind the sum.
  bool norm_first = true;
  bool causal = false;
  OutputRows output = OutputRows::kAll;
  KernelLevel level = KernelLevel::kPortable;
};

class PackedTransformer {
 public:
  PackedTransformer() = default;
  PackedTransformer(const PackedTransformerOptions& options,
                    std::vector<PackedLayer> layers);

  int64_t bytes() const;

  // `rows` is [sum of lengths][hidden size], and is overwritten. `result` gets
  // the rows behind the last layer: as many, or one per sequence. No length
  // is 0.
  void Run(absl::Span<float> rows, absl::Span<const int64_t> lengths,
           const Parallel& parallel, absl::Span<float> result) const;

 private:
  struct Buffers;
  struct Part;

  void RunPart(const Part& part, const Parallel& parallel) const;
  // Adds what attention brings to the rows; of a reduced layer, to one row per
  // sequence, which `rows` is left with.
  void AddAttention(const Part& part, const PackedLayer& layer, bool reduced,
                    Buffers& buffers, const Parallel& parallel) const;
  void AddMlp(float* rows, int64_t count, const PackedLayer& layer,
              Buffers& buffers, const Parallel& parallel) const;

  PackedTransformerOptions options_;
  const Kernels* kernels_ = nullptr;
  std::vector<PackedLayer> layers_;
  int64_t inner_size_ = 0;
};

// Normalises `count` rows of `width` floats; `to` may be `from`.
void NormalizeRows(const Kernels& kernels, const NormWeights& norm,
                   const ConstRows& from, const MutableRows& to,
                   const Parallel& parallel);

// Attention of sequences that lie one after the other. Queries, keys and values
// have `heads` heads of `head_size` floats; a sequence has `lengths` keys, and
// as many queries, or one when `single_query` (causal is nothing to it then).
void AttendSequences(const Kernels& kernels, const ConstRows& queries,
                     const ConstRows& keys, const ConstRows& values,
                     absl::Span<const int64_t> lengths, int64_t heads,
                     int64_t head_size, bool single_query, bool causal,
                     const MutableRows& result, const Parallel& parallel);

}  // namespace diptych::inference
