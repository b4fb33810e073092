// The parts of bench-index beside the contenders. Each prints a table and gives
// its figures as members of a JSON object, without the braces.
#pragma once

#include <cstddef>
#include <string>

#include "storage/index/segmented_index.h"
#include "tests/bench/index_contender.h"

namespace diptych {

// Selectivities of 0.1 to 50 %, whole regions of the space or rows at random:
// the plan that the index chooses beside the scan and the graph alone.
std::string MeasureFilters(const storage::SegmentedIndex& index,
                           const BenchmarkData& data, int rounds);

// The exact scan beside a plain loop that reads as many bytes.
std::string MeasureScan(const storage::SegmentedIndex& index,
                        const BenchmarkData& data, int rounds);

// An index in which every vector was replaced `times` times, and one just
// filled, both as background work leaves them, beside one in one piece.
std::string MeasureReplacement(const BenchmarkData& data, size_t rows,
                               size_t times, int rounds);

// int8 at 10,000 rows and up to `rows_max`.
std::string MeasureGrowth(size_t rows_max, size_t queries, size_t dimension);

}  // namespace diptych
