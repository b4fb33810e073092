// Unit vectors with the shape of embeddings, for benchmarks.
//
// Operation: a vector is its cluster's centre and a spread around it in 24
// directions common to all, a spread in 12 directions of its cluster, and noise
// of standard deviation 0.15 in every component, normalised. Clusters are of
// unequal size (weight 1 / sqrt(rank)) and width. At 100,000 x 512 the local
// intrinsic dimension is about 27 (maximum likelihood over 100 neighbours) and
// the 10th neighbour has cosine 0.58: harder than most real embeddings.
// Equal arguments make equal vectors; queries are of another sample.
// Concurrency: a free function.
// Limits: memory is 4 bytes per component.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace diptych {

// Row after row.
std::vector<float> MakeBenchmarkVectors(size_t count, size_t dimension,
                                        uint64_t sample_seed);

}  // namespace diptych
