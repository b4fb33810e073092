// What an index is like after a long life, and when it has grown.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/concurrency/executor.h"
#include "tests/bench/index_parts.h"
#include "tests/bench/thread_clock.h"

namespace diptych {
namespace {

using storage::SegmentedIndex;
using storage::VectorPrecision;

// Background work is done between writes, so that its time is measured and runs
// are alike.
class WaitingTasks final : public Executor {
 public:
  [[nodiscard]] bool TrySchedule(Task task) override {
    tasks_.push_back(std::move(task));
    return true;
  }
  void RunAll() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      std::move(task)();
    }
  }

 private:
  std::deque<Task> tasks_;
};

struct Quality {
  double recall = 0;
  double seconds = std::numeric_limits<double>::infinity();  // best round
};

// One round of all queries with the default breadth.
void MeasureRound(const SegmentedIndex& index, const BenchmarkData& data,
                  Quality& quality) {
  size_t found = 0;
  double seconds = 0;
  for (size_t q = 0; q < data.query_count; ++q) {
    const double start = ThreadSeconds();
    const auto rows = SearchRanked(index, data, data.query(q), {});
    seconds += ThreadSeconds() - start;
    found += CountFound(rows, &data.nearest[q * kNearest]);
  }
  quality.recall = static_cast<double>(found) /
                   static_cast<double>(data.query_count * kNearest);
  quality.seconds = std::min(quality.seconds, seconds);
}

double QueriesPerSecond(const Quality& quality, const BenchmarkData& data) {
  return static_cast<double>(data.query_count) / quality.seconds;
}

}  // namespace

std::string MeasureReplacement(const BenchmarkData& all, size_t rows,
                               size_t times, int rounds) {
  const BenchmarkData data = MakeBenchmarkData(
      rows, std::min<size_t>(all.query_count, 300), all.dimension);
  // As many segments come and go as at full size.
  const size_t flat_rows = rows / 5;
  struct Life {
    const char* name;
    size_t replacements;
    bool compact;
    std::shared_ptr<SegmentedIndex> index;
    Quality quality;
  };
  Life lives[] = {{"one piece", 0, true, nullptr, {}},
                  {"fresh", 0, false, nullptr, {}},
                  {"replaced", times, false, nullptr, {}}};
  WaitingTasks executor;
  for (Life& life : lives) {
    life.index =
        CreateIndex(data, VectorPrecision::kInt8, &executor, flat_rows);
    std::mt19937_64 random(13);
    std::vector<uint32_t> order(rows);
    std::iota(order.begin(), order.end(), 0);
    for (const uint32_t row : order) {
      AddRow(*life.index, data, row);
      executor.RunAll();
    }
    for (size_t i = 0; i < life.replacements; ++i) {
      std::shuffle(order.begin(), order.end(), random);
      for (const uint32_t row : order) {
        CheckOk(life.index->Remove(row));
        AddRow(*life.index, data, row);
        executor.RunAll();
      }
    }
    if (life.compact) CheckOk(life.index->Compact());
  }
  for (int round = 0; round < rounds; ++round) {
    for (Life& life : lives) MeasureRound(*life.index, data, life.quality);
  }
  std::printf(
      "\n%zu vectors, int8, flat segments of %zu; every one replaced "
      "%zu times\n           | segments  dead | recall    q/s\n",
      rows, flat_rows, times);
  for (const Life& life : lives) {
    size_t dead = 0;
    const auto segments = life.index->segments();
    for (const auto& segment : segments) dead += segment.dead;
    std::printf("%-10s | %8zu %5zu | %.4f %6.0f\n", life.name, segments.size(),
                dead, life.quality.recall,
                QueriesPerSecond(life.quality, data));
  }
  std::fflush(stdout);
  const Quality& one = lives[0].quality;
  const Quality& fresh = lives[1].quality;
  const Quality& replaced = lives[2].quality;
  return absl::StrFormat(
      "\"segments_qps_ratio\":%.3f,\"replaced_recall_ratio\":%.4f,"
      "\"replaced_qps_ratio\":%.3f",
      one.seconds / fresh.seconds, replaced.recall / fresh.recall,
      fresh.seconds / replaced.seconds);
}

std::string MeasureGrowth(size_t rows_max, size_t queries, size_t dimension) {
  std::printf(
      "   rows | import s compact s | bytes/vector | recall us/query | "
      "us/query "
      "as imported (segments)\n");
  std::string json = "\"growth\":[";
  for (const size_t rows : {10'000, 100'000, 300'000, 1'000'000}) {
    if (rows > rows_max) break;
    const BenchmarkData data = MakeBenchmarkData(rows, queries, dimension);
    WaitingTasks executor;
    const size_t before = ResidentBytes();
    const double start = ThreadSeconds();
    const auto index = CreateIndex(data, VectorPrecision::kInt8, &executor,
                                   storage::SegmentedIndexOptions().flat_rows);
    for (size_t row = 0; row < rows; ++row) {
      AddRow(*index, data, row);
      executor.RunAll();
    }
    const double import = ThreadSeconds() - start;
    const size_t segments = index->segments().size();
    Quality imported, quality;
    for (int round = 0; round < 3; ++round) {
      MeasureRound(*index, data, imported);
    }
    const double compact_start = ThreadSeconds();
    CheckOk(index->Compact());
    const double compact = ThreadSeconds() - compact_start;
    const double bytes = static_cast<double>(ResidentBytes() - before) /
                         static_cast<double>(rows);
    for (int round = 0; round < 3; ++round) MeasureRound(*index, data, quality);
    const auto micros = [&](const Quality& of) {
      return 1e6 * of.seconds / static_cast<double>(queries);
    };
    std::printf("%7zu | %8.1f %9.1f | %12.0f | %.4f %8.1f | %.1f (%zu)\n", rows,
                import, compact, bytes, quality.recall, micros(quality),
                micros(imported), segments);
    std::fflush(stdout);
    absl::StrAppendFormat(
        &json,
        "%s{\"rows\":%d,\"import_seconds\":%.1f,\"compact_seconds\":%.1f,"
        "\"bytes_per_vector\":%.0f,\"recall\":%.4f,"
        "\"microseconds_per_query\":%.1f,"
        "\"microseconds_per_query_imported\":%.1f,\"segments\":%d}",
        json.back() == '[' ? "" : ",", rows, import, compact, bytes,
        quality.recall, micros(quality), micros(imported), segments);
  }
  return json + "]";
}

}  // namespace diptych
