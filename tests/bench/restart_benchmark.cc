// bench-restart: how long an engine takes to be ready again, and what its
// directory holds beside what it was given.
//
//   bench-restart [--objects 300000] [--precision int8] [--dir DIR] [--reopen]
//                 [--quick]
//
// Fills a collection with objects of a vector of 512 dimensions, five
// properties and a text of 30 words, builds the graphs, compacts the store, and
// opens the engine again and again. --reopen takes what an earlier run left in
// --dir, so that the first start may find nothing in the page cache. The last
// line is one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/observability/logging.h"
#include "storage/engine/local_engine.h"

namespace diptych::storage {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr char kCollection[] = "objects";
constexpr size_t kDimension = 512;
constexpr size_t kClusters = 1000;
constexpr size_t kBatch = 1000;
constexpr int kStarts = 5;

struct Options {
  size_t objects = 300'000;
  VectorPrecision precision = VectorPrecision::kInt8;
  fs::path directory = fs::temp_directory_path() / "diptych-bench-restart";
  bool reopen = false;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of all threads of the process.
double ProcessorSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * time.tv_nsec;
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// Vectors around centres; words with frequencies as in a language.
class Objects {
 public:
  Objects() {
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < kClusters; ++i) {
      std::vector<float>& centre = centres_.emplace_back(kDimension);
      for (float& value : centre) value = normal(random_);
    }
  }

  ObjectWrite Next(size_t number) {
    ObjectWrite object;
    object.id = absl::StrFormat("object-%09d", number);
    object.vectors["default"] = Vector();
    Properties& properties = object.properties;
    properties["price"] = static_cast<double>(random_() % 100'000) / 100;
    properties["stock"] = static_cast<int64_t>(random_() % 1000);
    properties["category"] = absl::StrCat("category ", random_() % 200);
    properties["available"] = random_() % 2 == 0;
    properties["added"] =
        Timestamp{1'700'000'000'000'000 + static_cast<int64_t>(number) * 1000};
    std::string document;
    for (int i = 0; i < 30; ++i) absl::StrAppend(&document, "w", Word(), " ");
    properties["document"] = std::move(document);
    given_bytes_ += object.id.size() + kDimension * sizeof(float);
    for (const auto& [name, value] : properties) {
      const auto* text = std::get_if<std::string>(&value);
      given_bytes_ += name.size() + (text != nullptr ? text->size() : 8);
    }
    return object;
  }

  std::vector<float> Vector() {
    std::vector<float> vector = centres_[random_() % kClusters];
    std::normal_distribution<float> normal(0, 0.7f);
    for (float& value : vector) value += normal(random_);
    return vector;
  }

  uint64_t given_bytes() const { return given_bytes_; }

 private:
  uint64_t Word() {
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    return static_cast<uint64_t>(50'000 * share * share * share);
  }

  std::mt19937_64 random_{1};
  std::vector<std::vector<float>> centres_;
  uint64_t given_bytes_ = 0;
};

uint64_t BytesOf(const fs::path& directory, bool snapshots) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    if ((entry.path().extension() == ".snapshot") == snapshots) {
      bytes += entry.file_size();
    }
  }
  return bytes;
}

std::unique_ptr<LocalEngine> Open(const Options& options,
                                  uint64_t changes_min) {
  LocalEngineOptions engine_options;
  engine_options.data_directory = options.directory;
  engine_options.index_snapshots.changes_min = changes_min;
  auto engine = LocalEngine::Open(engine_options);
  Check(engine.status());
  return *std::move(engine);
}

void Fill(const Options& options, Objects& objects) {
  fs::remove_all(options.directory);
  auto engine = Open(options, 1000);
  CreateCollectionRequest create;
  create.spec.name = kCollection;
  VectorSpace& space = create.spec.vector_spaces.emplace_back();
  space.name = kDefaultVectorSpace;
  space.metric = Metric::kCosine;
  space.precision = options.precision;
  Check(engine->CreateCollection({}, create).status());
  const auto start = Clock::now();
  for (size_t first = 0; first < options.objects; first += kBatch) {
    WriteObjectsRequest request{kCollection, WriteMode::kUpsert, {}};
    for (size_t i = first; i < std::min(first + kBatch, options.objects); ++i) {
      request.objects.push_back(objects.Next(i));
    }
    Check(engine->WriteObjects({}, std::move(request)).status());
  }
  std::printf("written in %.1f s\n", SecondsSince(start));
  Check(engine->AwaitIndexing({}, kCollection));
  std::printf("graphs after %.1f s\n", SecondsSince(start));
  Check(engine->CompactCollection({}, kCollection).status());
  const auto closing = Clock::now();
  engine.reset();
  std::printf("closed, with a snapshot, in %.2f s\n", SecondsSince(closing));
}

// Asks one of every kind; all must answer.
void Query(LocalEngine& engine, Objects& objects) {
  SearchRequest near;
  near.collection = kCollection;
  near.query = objects.Vector();
  const auto found = engine.Search({}, near);
  Check(found.status());
  KeywordSearchRequest words;
  words.collection = kCollection;
  words.keywords.text = "w17 w4711";
  const auto ranked = engine.SearchKeywords({}, words);
  Check(ranked.status());
  near.filter = Filter{CompareFilter{"stock", CompareOperator::kLess,
                                     FilterOperand(int64_t{10})}};
  const auto filtered = engine.Search({}, near);
  Check(filtered.status());
  if (found->hits.size() != 10 || ranked->hits.empty() ||
      filtered->hits.size() != 10) {
    Check(absl::InternalError("a query found too little"));
  }
}

int Run(const Options& options) {
  Check(SetLogLevel("warning"));
  Objects objects;
  if (!options.reopen) Fill(options, objects);
  std::vector<double> starts, queries, processor;
  double first = 0;
  for (int i = 0; i < kStarts; ++i) {
    const auto start = Clock::now();
    const double processor_start = ProcessorSeconds();
    auto engine = Open(options, 1000);
    starts.push_back(SecondsSince(start));
    processor.push_back(ProcessorSeconds() - processor_start);
    if (i == 0) first = starts.back();
    Query(*engine, objects);
    queries.push_back(SecondsSince(start));
  }
  const auto start = Clock::now();
  // Without snapshots, from the records; it leaves the files alone.
  Open(options, 0);
  const double rebuilt = SecondsSince(start);
  std::sort(starts.begin(), starts.end());
  std::sort(queries.begin(), queries.end());
  std::sort(processor.begin(), processor.end());
  const uint64_t records = BytesOf(options.directory, false);
  const uint64_t snapshot = BytesOf(options.directory, true);
  const auto given = static_cast<double>(objects.given_bytes());
  std::printf(
      "{\"benchmark\":\"restart\",\"objects\":%zu,\"restart_seconds\":%.3f,"
      "\"first_restart_seconds\":%.3f,\"restart_processor_seconds\":%.3f,"
      "\"restart_and_queries_seconds\":%.3f,\"from_records_seconds\":%.3f,"
      "\"record_bytes\":%llu,\"snapshot_bytes\":%llu,\"given_bytes\":%.0f,"
      "\"disk_ratio_records\":%.3f,\"disk_ratio\":%.3f}\n",
      options.objects, starts[kStarts / 2], first, processor[kStarts / 2],
      queries[kStarts / 2], rebuilt, static_cast<unsigned long long>(records),
      static_cast<unsigned long long>(snapshot), given,
      given > 0 ? static_cast<double>(records) / given : 0,
      given > 0 ? static_cast<double>(records + snapshot) / given : 0);
  return 0;
}

std::optional<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--quick") {
      options.objects = 20'000;
    } else if (flag == "--reopen") {
      options.reopen = true;
    } else if (flag == "--objects" &&
               absl::SimpleAtoi(value, &options.objects)) {
      ++i;
    } else if (flag == "--dir" && !value.empty()) {
      options.directory = value;
      ++i;
    } else if (flag == "--precision" && value == "int8") {
      options.precision = VectorPrecision::kInt8;
      ++i;
    } else if (flag == "--precision" && value == "bfloat16") {
      options.precision = VectorPrecision::kBfloat16;
      ++i;
    } else if (flag == "--precision" && value == "float32") {
      options.precision = VectorPrecision::kFloat32;
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace
}  // namespace diptych::storage

int main(int argc, char** argv) {
  const auto options = diptych::storage::Parse(argc, argv);
  if (!options.has_value()) {
    std::fprintf(stderr,
                 "bench-restart [--objects N] [--precision "
                 "float32|bfloat16|int8] [--dir DIR] [--reopen] [--quick]\n");
    return 2;
  }
  return diptych::storage::Run(*options);
}
