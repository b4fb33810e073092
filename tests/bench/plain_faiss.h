// faiss's HNSW as it comes (Debian's build), to measure against.
//
// Operation: inner products of vectors of length 1, one thread.
// Concurrency: none.
// Limits: without libfaiss-dev at configure time, BuildPlainFaiss gives
// nothing.
#pragma once

#include <optional>

#include "tests/bench/index_contender.h"

namespace diptych {

std::optional<Contender> BuildPlainFaiss(const BenchmarkData& data,
                                         const storage::HnswSettings& settings);

}  // namespace diptych
