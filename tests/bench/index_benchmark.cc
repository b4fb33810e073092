// bench-index: our index at each precision beside plain hnswlib, in one run.
// docs/performance.md says what the figures mean.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/index_contender.h"
#include "tests/bench/thread_clock.h"

namespace diptych {
namespace {

constexpr char kUsage[] =
    "usage: bench-index [--quick] [--rows N] [--queries N] [--dimension N]\n"
    "  --quick      20,000 rows and 300 queries: under a minute\n"
    "  --rows       100000 unless told (1000 to 10000000)\n"
    "  --queries    1000 unless told (10 to 100000)\n"
    "  --dimension  512 unless told (8 to 4096)\n";
constexpr size_t kBreadths[] = {16, 24, 32, 40, 50, 64, 80, 100, 140, 200, 300};
constexpr int kRounds = 3;
// Contenders are compared where each first reaches this.
constexpr double kRecallTarget = 0.98;

struct Settings {
  size_t rows = 100'000;
  size_t queries = 1'000;
  size_t dimension = 512;
};

struct Point {
  double recall = 0;
  double queries_per_second = 0;  // the best round
};

struct Measured {
  Contender contender;
  std::map<size_t, Point> points;  // by ef
};

size_t NumberAfter(const char* name, const char* value, size_t min,
                   size_t max) {
  size_t number = 0;
  if (value == nullptr || !absl::SimpleAtoi(value, &number) || number < min ||
      number > max) {
    std::fprintf(stderr, "%s takes a number from %zu to %zu\n%s", name, min,
                 max, kUsage);
    std::exit(2);
  }
  return number;
}

Settings ParseArguments(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--quick") {
      settings.rows = 20'000;
      settings.queries = 300;
      continue;
    }
    const char* value = i + 1 < count ? arguments[++i] : nullptr;
    if (name == "--rows") {
      settings.rows = NumberAfter("--rows", value, 1'000, 10'000'000);
    } else if (name == "--queries") {
      settings.queries = NumberAfter("--queries", value, 10, 100'000);
    } else if (name == "--dimension") {
      settings.dimension = NumberAfter("--dimension", value, 8, 4'096);
    } else {
      std::fprintf(stderr, "%s", kUsage);
      std::exit(name == "--help" ? 0 : 2);
    }
  }
  return settings;
}

// One round of all queries.
Point Search(const Contender& contender, const BenchmarkData& data, size_t ef) {
  size_t found = 0;
  double seconds = 0;
  for (size_t q = 0; q < data.query_count; ++q) {
    const double start = ThreadSeconds();
    const std::vector<uint32_t> rows = contender.search(data.query(q), ef);
    seconds += ThreadSeconds() - start;
    const uint32_t* nearest = &data.nearest[q * kNearest];
    for (const uint32_t row : rows) {
      found += std::count(nearest, nearest + kNearest, row);
    }
  }
  const auto queries = static_cast<double>(data.query_count);
  return {static_cast<double>(found) / (queries * kNearest), queries / seconds};
}

// Where the target is first reached; else the broadest.
Point AtTarget(const Measured& measured) {
  for (const auto& [ef, point] : measured.points) {
    if (point.recall >= kRecallTarget) return point;
  }
  return measured.points.rbegin()->second;
}

std::string Json(const Settings& settings, size_t default_ef,
                 const std::vector<Measured>& all) {
  const Measured& plain = all.front();
  const auto ratios = [&](const Measured& measured) {
    return absl::StrFormat(
        "\"qps_ratio_hnswlib\":%.3f,\"memory_ratio_hnswlib\":%.3f,"
        "\"build_ratio_hnswlib\":%.3f,\"recall\":%.4f,"
        "\"recall_at_target\":%.4f",
        AtTarget(measured).queries_per_second /
            AtTarget(plain).queries_per_second,
        static_cast<double>(measured.contender.memory_bytes) /
            static_cast<double>(plain.contender.memory_bytes),
        plain.contender.build_seconds / measured.contender.build_seconds,
        measured.points.at(default_ef).recall, AtTarget(measured).recall);
  };
  std::string json = absl::StrFormat(
      "{\"benchmark\":\"index\",\"rows\":%d,\"dimension\":%d,\"queries\":%d,"
      "\"recall_target\":%.2f,\"precision\":\"%s\",%s",
      settings.rows, settings.dimension, settings.queries, kRecallTarget,
      all.back().contender.name, ratios(all.back()));
  for (const Measured& measured : all) {
    absl::StrAppendFormat(&json, ",\"%s\":{%s,\"bytes_per_vector\":%.0f}",
                          measured.contender.name, ratios(measured),
                          static_cast<double>(measured.contender.memory_bytes) /
                              static_cast<double>(settings.rows));
  }
  return json + "}";
}

int Run(int count, char** arguments) {
  const Settings settings = ParseArguments(count, arguments);
  std::printf("%zu vectors of %zu components, %zu queries, k = %zu\n",
              settings.rows, settings.dimension, settings.queries, kNearest);
  std::fflush(stdout);
  const BenchmarkData data =
      MakeBenchmarkData(settings.rows, settings.queries, settings.dimension);
  const storage::HnswSettings hnsw;
  std::vector<Measured> all;
  const auto add = [&](Contender contender) {
    std::printf("%-9s built %8.0f vectors/s, %5.0f bytes per vector\n",
                contender.name.c_str(),
                static_cast<double>(settings.rows) / contender.build_seconds,
                static_cast<double>(contender.memory_bytes) /
                    static_cast<double>(settings.rows));
    std::fflush(stdout);
    all.push_back({std::move(contender), {}});
  };
  add(BuildPlainHnswlib(data, hnsw));
  for (const storage::VectorPrecision precision :
       {storage::VectorPrecision::kFloat32, storage::VectorPrecision::kBfloat16,
        storage::VectorPrecision::kInt8}) {
    add(BuildOwnIndex(data, hnsw, precision));
  }
  // The contenders take turns, so that a disturbance meets them all.
  for (int round = 0; round < kRounds; ++round) {
    for (const size_t ef : kBreadths) {
      for (Measured& measured : all) {
        const Point point = Search(measured.contender, data, ef);
        Point& best = measured.points[ef];
        best.recall = point.recall;
        best.queries_per_second =
            std::max(best.queries_per_second, point.queries_per_second);
      }
    }
  }
  std::printf("\n  ef");
  for (const Measured& measured : all) {
    std::printf(" | %9s recall    q/s", measured.contender.name.c_str());
  }
  std::printf("\n");
  for (const size_t ef : kBreadths) {
    std::printf("%4zu", ef);
    for (const Measured& measured : all) {
      const Point& point = measured.points.at(ef);
      std::printf(" | %16.4f %6.0f", point.recall, point.queries_per_second);
    }
    std::printf("\n");
  }
  std::printf("%s\n", Json(settings, hnsw.ef_search, all).c_str());
  return 0;
}

}  // namespace
}  // namespace diptych

int main(int count, char** arguments) { return diptych::Run(count, arguments); }
