// bench-index: our index at each precision beside others, under filters, after
// replacements and as it grows, in one run. docs/performance.md says what the
// figures mean.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tests/bench/index_contender.h"
#include "tests/bench/index_parts.h"
#include "tests/bench/plain_faiss.h"
#include "tests/bench/thread_clock.h"

namespace diptych {
namespace {

constexpr char kUsage[] =
    "usage: bench-index [--quick] [--growth] [--rows N] [--queries N]\n"
    "                   [--dimension N] [--rounds N] [--contenders NAMES]\n"
    "  --quick      15,000 rows and 200 queries: about a minute\n"
    "  --growth     int8 alone at 10,000, 100,000, ... --rows (1,000,000)\n"
    "  --rows       100000 unless told (1000 to 10000000)\n"
    "  --queries    1000, with --growth 200, unless told (10 to 100000)\n"
    "  --dimension  512 unless told (8 to 4096)\n"
    "  --rounds     3 unless told (1 to 100)\n"
    "  --contenders hnswlib,faiss,float32,bfloat16,int8 unless told; hnswlib\n"
    "               and int8 always take part\n";
constexpr size_t kBreadths[] = {10, 16, 24,  30,  36,  42, 50,
                                64, 80, 100, 140, 200, 300};
// Contenders are compared where each reaches this.
constexpr double kRecallTarget = 0.98;
constexpr size_t kReplacements = 10;

struct Settings {
  size_t rows = 100'000;
  size_t queries = 1'000;
  size_t dimension = 512;
  size_t rounds = 3;
  bool growth = false;
  std::vector<std::string> contenders = {"faiss", "float32", "bfloat16"};

  bool Wants(const std::string& name) const {
    return std::find(contenders.begin(), contenders.end(), name) !=
           contenders.end();
  }
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
      settings.rows = 15'000;
      settings.queries = 200;
      continue;
    }
    if (name == "--growth") {
      settings.growth = true;
      settings.rows = 1'000'000;
      settings.queries = 200;
      continue;
    }
    const char* value = i + 1 < count ? arguments[++i] : nullptr;
    if (name == "--rows") {
      settings.rows = NumberAfter("--rows", value, 1'000, 10'000'000);
    } else if (name == "--queries") {
      settings.queries = NumberAfter("--queries", value, 10, 100'000);
    } else if (name == "--dimension") {
      settings.dimension = NumberAfter("--dimension", value, 8, 4'096);
    } else if (name == "--contenders" && value != nullptr) {
      settings.contenders = absl::StrSplit(value, ',');
    } else if (name == "--rounds") {
      settings.rounds = NumberAfter("--rounds", value, 1, 100);
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
    found += CountFound(rows, &data.nearest[q * kNearest]);
  }
  const auto queries = static_cast<double>(data.query_count);
  return {static_cast<double>(found) / (queries * kNearest), queries / seconds};
}

// Where the target is reached, between the two breadths around it; else the
// narrowest or the broadest.
Point AtTarget(const Measured& measured) {
  std::optional<Point> below;
  for (const auto& [ef, point] : measured.points) {
    if (point.recall < kRecallTarget) {
      below = point;
      continue;
    }
    if (!below.has_value()) return point;
    const double share =
        (kRecallTarget - below->recall) / (point.recall - below->recall);
    return {kRecallTarget,
            below->queries_per_second *
                std::pow(point.queries_per_second / below->queries_per_second,
                         share)};
  }
  return measured.points.rbegin()->second;
}

// Members of a JSON object.
std::string Json(size_t rows, size_t default_ef,
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
      "\"precision\":\"%s\",%s", all.back().contender.name, ratios(all.back()));
  for (const Measured& measured : all) {
    absl::StrAppendFormat(&json, ",\"%s\":{%s,\"bytes_per_vector\":%.0f}",
                          measured.contender.name, ratios(measured),
                          static_cast<double>(measured.contender.memory_bytes) /
                              static_cast<double>(rows));
  }
  return json;
}

void PrintTable(const std::vector<Measured>& all) {
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
  std::fflush(stdout);
}

std::string MeasureContenders(const Settings& settings,
                              const BenchmarkData& data) {
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
  if (settings.Wants("faiss")) {
    if (auto faiss = BuildPlainFaiss(data, hnsw); faiss.has_value()) {
      add(*std::move(faiss));
    } else {
      std::printf("faiss     was not there when this was built\n");
    }
  }
  for (const storage::VectorPrecision precision :
       {storage::VectorPrecision::kFloat32, storage::VectorPrecision::kBfloat16,
        storage::VectorPrecision::kInt8}) {
    if (precision == storage::VectorPrecision::kInt8 ||
        settings.Wants(NameOf(precision))) {
      add(BuildOwnIndex(data, precision));
    }
  }
  // The contenders take turns, so that a disturbance meets them all.
  for (size_t round = 0; round < settings.rounds; ++round) {
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
  PrintTable(all);
  std::string json = Json(settings.rows, hnsw.ef_search, all);
  const auto rounds = static_cast<int>(settings.rounds);
  for (const Measured& measured : all) {
    const auto& index = measured.contender.index;
    if (index == nullptr) continue;
    absl::StrAppend(&json, ",", MeasureScan(*index, data, rounds));
  }
  absl::StrAppend(&json, ",",
                  MeasureFilters(*all.back().contender.index, data, rounds));
  return json;
}

int Run(int count, char** arguments) {
  const Settings settings = ParseArguments(count, arguments);
  std::printf("%zu vectors of %zu components, %zu queries, k = %zu\n",
              settings.rows, settings.dimension, settings.queries, kNearest);
  std::fflush(stdout);
  std::string json;
  if (settings.growth) {
    json = MeasureGrowth(settings.rows, settings.queries, settings.dimension);
  } else {
    const BenchmarkData data =
        MakeBenchmarkData(settings.rows, settings.queries, settings.dimension);
    json = MeasureContenders(settings, data);
    absl::StrAppend(&json, ",",
                    MeasureReplacement(data, settings.rows / 5, kReplacements,
                                       static_cast<int>(settings.rounds)));
  }
  std::printf(
      "{\"benchmark\":\"index\",\"rows\":%zu,\"dimension\":%zu,"
      "\"queries\":%zu,\"recall_target\":%.2f,%s}\n",
      settings.rows, settings.dimension, settings.queries, kRecallTarget,
      json.c_str());
  return 0;
}

}  // namespace
}  // namespace diptych

int main(int count, char** arguments) { return diptych::Run(count, arguments); }
