#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "storage/index/huge_pages.h"
#include "storage/index/vector_encoding.h"
#include "tests/bench/index_parts.h"
#include "tests/bench/plain_read.h"
#include "tests/bench/thread_clock.h"

namespace diptych {

std::string MeasureScan(const storage::SegmentedIndex& index,
                        const BenchmarkData& data, int rounds) {
  constexpr size_t kScans = 10;
  const storage::VectorPrecision precision = index.options().precision;
  const storage::VectorEncoding encoding(precision, data.dimension);
  // Whole cache lines, as rows lie.
  const size_t bytes = data.row_count * ((encoding.row_bytes() + 63) / 64 * 64);
  std::vector<uint64_t> words(bytes / sizeof(uint64_t));
  storage::MoveToHugePages(words.data(), bytes);
  std::fill(words.begin(), words.end(), 1);
  double read = std::numeric_limits<double>::infinity();
  double scan = std::numeric_limits<double>::infinity();
  uint64_t sum = 0;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < kScans; ++i) {
      double start = ThreadSeconds();
      sum += SumOfWords(words.data(), words.size());
      read = std::min(read, ThreadSeconds() - start);
      storage::SearchOptions options;
      options.plan = storage::SegmentPlan::kScan;
      start = ThreadSeconds();
      sum +=
          SearchRanked(index, data, data.query(i % data.query_count), options)
              .size();
      scan = std::min(scan, ThreadSeconds() - start);
    }
  }
  if (sum == 0) std::printf("nothing was read\n");
  const auto gigabytes = 1e-9 * static_cast<double>(bytes);
  std::printf(
      "\nscan of all (%s): %.2f ms, %.1f GB/s; a plain loop reads %.1f GB/s: "
      "%.0f %%\n",
      NameOf(precision).c_str(), 1e3 * scan, gigabytes / scan, gigabytes / read,
      100 * read / scan);
  std::fflush(stdout);
  return absl::StrFormat("\"scan_bandwidth_share_%s\":%.3f", NameOf(precision),
                         read / scan);
}

}  // namespace diptych
