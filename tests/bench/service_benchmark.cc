// bench-service: storage-server beside a Chroma server and PostgreSQL with
// pgvector, in one run. docs/performance.md says what the figures mean.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/bench/grpc_floor.h"
#include "tests/bench/service_contender.h"
#include "tests/bench/service_data.h"
#include "tests/bench/service_load.h"
#include "tests/bench/service_report.h"

namespace diptych {
namespace {

constexpr size_t kClients[] = {1, 4, 16};
constexpr size_t kClientsUnderWrites[] = {1, 4};
// Where there is no peer to be equal to.
constexpr double kRecallTarget = 0.985;
// Written in requests, where the rate of requests is measured.
constexpr size_t kImportRows = 10'000;
// Enough for the writes under load to go round in.
constexpr size_t kSpareRows = 2'000;

struct Settings {
  bool quick = false;
  bool growth = false;
  bool floor = false;
  size_t rows = 100'000;
  std::vector<size_t> growth_rows = {10'000, 100'000, 300'000};
  size_t dimension = 512;
  size_t queries = 1'000;
  double seconds = 2;
  size_t rounds = 3;
  size_t upserts_per_second = 200;
  std::string precision = "int8";
  std::string server;
  std::string chroma;
  std::string postgres;
  std::string directory = std::filesystem::temp_directory_path();
};

void Say(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
}

// Removes what the servers wrote.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent)
      : path_(std::filesystem::path(parent) /
              absl::StrCat("bench-service-", getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string Of(const std::string& name) const { return path_ / name; }

 private:
  const std::filesystem::path path_;
};

double PerObject(double bytes, const ServiceData& data) {
  return bytes / static_cast<double>(data.row_count);
}

void ImportAll(const ServiceData& data, ServiceContender& contender,
               ContenderFigures& figures) {
  Say(absl::StrCat(figures.name, ": importing"));
  contender.Start();
  const size_t part = std::min(data.row_count, kImportRows);
  contender.CreateCollection("batches");
  figures.imports["batch_100"] = MeasureImport(contender, 0, part, 100);
  contender.DropCollection("batches");
  contender.CreateCollection("objects");
  figures.imports["batch_1000"] = MeasureImport(contender, 0, part, 1000);
  contender.DropCollection("objects");
  contender.CreateCollection("objects");
  double start = SecondsNow();
  if (contender.ImportInBulk(data.row_count)) {
    figures.imports["bulk"] =
        static_cast<double>(data.row_count) / (SecondsNow() - start);
  } else {
    MeasureImport(contender, 0, data.row_count, 1000);
  }
  start = SecondsNow();
  contender.AwaitIndexed();
  figures.indexing_seconds = SecondsNow() - start;
  if (contender.restarts()) {
    Say(absl::StrCat(figures.name, ": restarting"));
    figures.restart_seconds = MeasureRestart(contender);
    contender.AwaitIndexed();
  }
  figures.disk_bytes_per_object =
      PerObject(static_cast<double>(contender.disk_bytes()), data);
}

void NoteMemory(const ServiceData& data, ServiceContender& contender,
                ContenderFigures& figures) {
  const auto memory = contender.memory();
  if (!memory.has_value()) return;
  figures.anonymous_bytes_per_object =
      PerObject(static_cast<double>(memory->anonymous_bytes), data);
  figures.file_bytes_per_object =
      PerObject(static_cast<double>(memory->file_bytes), data);
}

nlohmann::ordered_json Compare(const Settings& settings,
                               const ScratchDirectory& scratch) {
  Say("making vectors and their true neighbours");
  const ServiceData data =
      MakeServiceData(settings.rows, kSpareRows, settings.queries,
                      settings.queries / 5, settings.dimension);
  std::vector<std::unique_ptr<ServiceContender>> contenders;
  contenders.push_back(MakeDiptychContender(
      data, {settings.server, scratch.Of("diptych"), settings.precision}));
  if (!settings.chroma.empty()) {
    contenders.push_back(
        MakeChromaContender(data, {settings.chroma, scratch.Of("chroma")}));
  }
  if (!settings.postgres.empty()) {
    contenders.push_back(MakePgvectorContender(data, settings.postgres));
  }
  std::vector<ContenderFigures> all(contenders.size());
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].name = contenders[i]->name();
    ImportAll(data, *contenders[i], all[i]);
  }
  // All at the recall of the peer whose breadth is given.
  double target = kRecallTarget;
  for (auto& contender : contenders) {
    if (contender->breadths().size() == 1) {
      target = MeasureQueries(data, *contender, {.seconds = settings.seconds})
                   .recall;
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].breadth = ChooseBreadth(data, *contenders[i], target);
  }
  // They take turns, so that a disturbance meets them all.
  for (size_t round = 0; round < settings.rounds; ++round) {
    Say(absl::StrCat("round ", round + 1, " of ", settings.rounds));
    for (const size_t clients : kClients) {
      for (size_t i = 0; i < all.size(); ++i) {
        all[i].queries[clients].Add(
            MeasureQueries(data, *contenders[i],
                           {.clients = clients, .seconds = settings.seconds}));
      }
    }
    for (size_t filter = 1; filter < data.filters.size(); ++filter) {
      for (size_t i = 0; i < all.size(); ++i) {
        all[i].filtered[filter].Add(
            MeasureQueries(data, *contenders[i],
                           {.filter = filter, .seconds = settings.seconds}));
      }
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    NoteMemory(data, *contenders[i], all[i]);
  }
  // Last, because these writes stay.
  for (size_t round = 0; round < settings.rounds; ++round) {
    for (const size_t clients : kClientsUnderWrites) {
      for (size_t i = 0; i < all.size(); ++i) {
        all[i].under_writes[clients].Add(MeasureQueries(
            data, *contenders[i],
            {.clients = clients,
             .seconds = 2 * settings.seconds,
             .upserts_per_second = settings.upserts_per_second}));
      }
    }
  }
  std::printf("%zu objects of %zu dimensions, %s in our index\n",
              data.row_count, data.dimension, settings.precision.c_str());
  PrintTables(data, all);
  for (auto& contender : contenders) {
    contender->DropCollection("objects");
    contender->Stop();
  }
  return ReportOf(data, all);
}

nlohmann::ordered_json Grow(const Settings& settings,
                            const ScratchDirectory& scratch) {
  nlohmann::ordered_json json = {{"benchmark", "service growth"},
                                 {"dimension", settings.dimension}};
  std::printf("%9s %6s %10s %10s %8s %8s %8s %9s %9s %9s\n", "objects", "ef",
              "import/s", "indexing s", "p50 ms", "p99 ms", "recall",
              "memory/o", "disk/o", "restart s");
  for (const size_t rows : settings.growth_rows) {
    Say(absl::StrCat(rows, " objects"));
    const ServiceData data =
        MakeServiceData(rows, kSpareRows, 200, 20, settings.dimension);
    const auto contender = MakeDiptychContender(
        data, {settings.server, scratch.Of(absl::StrCat("growth-", rows)),
               settings.precision});
    contender->Start();
    contender->CreateCollection("objects");
    const double start = SecondsNow();
    contender->ImportInBulk(rows);
    const double imported = SecondsNow();
    contender->AwaitIndexed();
    const double indexed = SecondsNow();
    const double disk =
        PerObject(static_cast<double>(contender->disk_bytes()), data);
    const size_t ef = ChooseBreadth(data, *contender, kRecallTarget);
    RoundFigures rounds;
    for (size_t round = 0; round < settings.rounds; ++round) {
      rounds.Add(
          MeasureQueries(data, *contender, {.seconds = settings.seconds}));
    }
    const QueryFigures queries = rounds.Median();
    ContenderFigures figures;
    NoteMemory(data, *contender, figures);
    const double restart = MeasureRestart(*contender);
    std::printf("%9zu %6zu %10.0f %10.1f %8.2f %8.2f %8.4f %9.0f %9.0f %9.2f\n",
                rows, ef, static_cast<double>(rows) / (imported - start),
                indexed - imported, queries.p50_milliseconds,
                queries.p99_milliseconds, queries.recall,
                figures.anonymous_bytes_per_object, disk, restart);
    std::fflush(stdout);
    json["rows"][std::to_string(rows)] = {
        {"ef", ef},
        {"import_per_s", static_cast<double>(rows) / (imported - start)},
        {"build_s", indexed - start},
        {"qps", queries.queries_per_second},
        {"p50_ms", queries.p50_milliseconds},
        {"p99_ms", queries.p99_milliseconds},
        {"recall", queries.recall},
        {"memory_bytes_per_object", figures.anonymous_bytes_per_object},
        {"mapped_bytes_per_object", figures.file_bytes_per_object},
        {"disk_bytes_per_object", disk},
        {"restart_s", restart}};
    contender->Stop();
    std::filesystem::remove_all(scratch.Of(absl::StrCat("growth-", rows)));
  }
  return json;
}

nlohmann::ordered_json Floor(const Settings& settings) {
  nlohmann::ordered_json json = {{"benchmark", "service floor"},
                                 {"dimension", settings.dimension}};
  std::printf("%-18s %8s %8s %8s\n", "empty calls", "work ms", "p50 ms",
              "p99 ms");
  for (const GrpcFloor& floor : MeasureGrpcFloor(
           settings.dimension, settings.seconds, settings.rounds)) {
    std::printf("%-18s %8.1f %8.3f %8.3f\n", floor.api.c_str(),
                floor.work_milliseconds, floor.p50_milliseconds,
                floor.p99_milliseconds);
    json["calls"].push_back({{"api", floor.api},
                             {"work_ms", floor.work_milliseconds},
                             {"p50_ms", floor.p50_milliseconds},
                             {"p99_ms", floor.p99_milliseconds}});
  }
  return json;
}

int Run(int count, char** arguments) {
  Settings settings;
  settings.server =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() /
      "storage-server";
  CLI::App app(
      "Measures storage-server, and beside it a Chroma server and PostgreSQL "
      "with pgvector where it is told of them. See docs/performance.md.",
      "bench-service");
  app.add_flag("--quick", settings.quick,
               "10,000 rows and one short round: a minute");
  app.add_flag("--growth", settings.growth,
               "Instead: our service alone at growing sizes");
  app.add_flag("--floor", settings.floor,
               "Instead: empty calls of a query's size, by gRPC alone");
  const CLI::Range sizes(1'000, 10'000'000);
  const CLI::Option* rows =
      app.add_option("--rows", settings.rows, "Objects")->check(sizes);
  app.add_option("--growth-rows", settings.growth_rows, "Sizes of --growth")
      ->delimiter(',')
      ->check(sizes);
  app.add_option("--dimension", settings.dimension, "Of the vectors")
      ->check(CLI::Range(8, 2'000));
  app.add_option("--queries", settings.queries, "Different queries")
      ->check(CLI::Range(100, 100'000));
  const CLI::Option* seconds =
      app.add_option("--seconds", settings.seconds,
                     "Of each measurement of queries in each round")
          ->check(CLI::Range(0.1, 600.0));
  const CLI::Option* rounds = app.add_option("--rounds", settings.rounds,
                                             "In which contenders alternate")
                                  ->check(CLI::Range(1, 100));
  app.add_option("--upserts-per-second", settings.upserts_per_second,
                 "Objects, of the write load")
      ->check(CLI::Range(10, 100'000));
  app.add_option("--precision", settings.precision, "Of our index")
      ->check(CLI::IsMember({"float32", "bfloat16", "int8"}));
  app.add_option("--server", settings.server, "Path of storage-server")
      ->check(CLI::ExistingFile);
  app.add_option("--chroma", settings.chroma,
                 "Path of the program `chroma`; without it Chroma is left out")
      ->check(CLI::ExistingFile);
  app.add_option("--postgres", settings.postgres,
                 "Connection string of a PostgreSQL server with pgvector; "
                 "without it PostgreSQL is left out");
  app.add_option("--directory", settings.directory,
                 "Where the servers' data is kept meanwhile")
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, count, arguments);
  if (settings.quick) {
    if (rows->empty()) settings.rows = 10'000;
    if (seconds->empty()) settings.seconds = 0.5;
    if (rounds->empty()) settings.rounds = 1;
  }
  const ScratchDirectory scratch(settings.directory);
  const nlohmann::ordered_json report = settings.floor ? Floor(settings)
                                        : settings.growth
                                            ? Grow(settings, scratch)
                                            : Compare(settings, scratch);
  std::printf("%s\n", report.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace diptych

int main(int count, char** arguments) { return diptych::Run(count, arguments); }
