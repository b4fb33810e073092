// A Chroma server over its HTTP API, version 2.
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "tests/bench/service_contender.h"

namespace diptych {
namespace {

constexpr char kCollections[] =
    "/api/v2/tenants/default_tenant/databases/default_database/collections";
constexpr std::chrono::milliseconds kPoll(5);
constexpr time_t kPatienceSeconds = 600;

absl::StatusOr<nlohmann::json> Answer(const httplib::Result& result) {
  if (!result) {
    return absl::UnavailableError(httplib::to_string(result.error()));
  }
  if (result->status >= 300) {
    return absl::UnknownError(
        absl::StrCat("HTTP ", result->status, ": ", result->body));
  }
  return nlohmann::json::parse(result->body, nullptr, false);
}

// JSON of a vector in a query.
std::string VectorText(const float* vector, size_t dimension) {
  std::string text = "[";
  char number[32];
  for (size_t i = 0; i < dimension; ++i) {
    std::snprintf(number, sizeof(number), i == 0 ? "%.9g" : ",%.9g", vector[i]);
    text += number;
  }
  return text + "]";
}

using PreparedQueries = std::vector<std::vector<std::string>>;

class ChromaClient final : public ServiceClient {
 public:
  ChromaClient(const ServiceData& data, int port, const std::string& collection,
               const PreparedQueries& queries)
      : data_(data),
        path_(absl::StrCat(kCollections, "/", collection)),
        queries_(queries),
        http_("127.0.0.1", port) {
    http_.set_keep_alive(true);
    http_.set_tcp_nodelay(true);
    http_.set_read_timeout(kPatienceSeconds, 0);
  }

  absl::Status Import(size_t first, size_t count) override {
    return Write("/add", first, count);
  }
  absl::Status Upsert(size_t first, size_t count) override {
    return Write("/upsert", first, count);
  }

  absl::StatusOr<std::vector<uint32_t>> Search(size_t query,
                                               size_t filter) override {
    const auto answer = Answer(http_.Post(
        path_ + "/query", queries_[filter][query], "application/json"));
    if (!answer.ok()) return answer.status();
    std::vector<uint32_t> rows;
    for (const auto& id : (*answer)["ids"][0]) {
      rows.push_back(ServiceRowOf(id.get_ref<const std::string&>()));
    }
    return rows;
  }

 private:
  // As Chroma's own client does: vectors in base64.
  absl::Status Write(const std::string& method, size_t first, size_t count) {
    std::string ids, embeddings, metadatas;
    for (size_t row = first; row < first + count; ++row) {
      const char* comma = row == first ? "" : ",";
      absl::StrAppend(&ids, comma, "\"", ServiceObjectId(row), "\"");
      absl::StrAppend(&embeddings, comma, "\"",
                      absl::Base64Escape(absl::string_view(
                          reinterpret_cast<const char*>(data_.row(row)),
                          data_.dimension * sizeof(float))),
                      "\"");
      absl::StrAppend(&metadatas, comma, "{\"bucket\":", data_.buckets[row],
                      ",\"region\":", data_.regions[row], ",\"title\":\"",
                      ServiceTitle(data_, row), "\"}");
    }
    return Answer(http_.Post(path_ + method,
                             absl::StrCat("{\"ids\":[", ids,
                                          "],\"embeddings\":[", embeddings,
                                          "],\"metadatas\":[", metadatas, "]}"),
                             "application/json"))
        .status();
  }

  const ServiceData& data_;
  const std::string path_;
  const PreparedQueries& queries_;
  httplib::Client http_;
};

class ChromaContender final : public ServiceContender {
 public:
  ChromaContender(const ServiceData& data, const ChromaOptions& options)
      : data_(data), options_(options) {
    for (const FilterCase& filter : data.filters) {
      auto& requests = queries_.emplace_back(filter.queries);
      const std::string where =
          filter.property.empty()
              ? ""
              : absl::StrCat(",\"where\":{\"", filter.property,
                             "\":{\"$lt\":", filter.limit, "}}");
      for (size_t q = 0; q < filter.queries; ++q) {
        requests[q] = absl::StrCat("{\"query_embeddings\":[",
                                   VectorText(data.query(q), data.dimension),
                                   "],\"n_results\":", kServiceNearest,
                                   ",\"include\":[\"distances\"]", where, "}");
      }
    }
  }

  std::string name() const override { return "chroma"; }

  void Start() override {
    port_ = FreePort();
    process_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{options_.program, "run", "--path",
                                 options_.directory, "--host", "127.0.0.1",
                                 "--port", absl::StrCat(port_)},
        options_.directory + ".log");
  }
  void Stop() override { process_.reset(); }

  void CreateCollection(const std::string& collection) override {
    httplib::Client http("127.0.0.1", port_);
    while (!http.Get("/api/v2/heartbeat")) {
      if (!process_->running()) EndBenchmark("the Chroma server has ended");
      std::this_thread::sleep_for(kPoll);
    }
    const nlohmann::json request = {{"name", collection},
                                    {"configuration",
                                     {{"hnsw",
                                       {{"space", "cosine"},
                                        {"ef_construction", 200},
                                        {"max_neighbors", 16},
                                        {"ef_search", 100}}}}}};
    const auto answer =
        Answer(http.Post(kCollections, request.dump(), "application/json"));
    if (!answer.ok()) {
      EndBenchmark(absl::StrCat("Chroma: ", answer.status().ToString()));
    }
    ids_[collection] = (*answer)["id"].get<std::string>();
    UseCollection(collection);
  }
  void UseCollection(const std::string& collection) override {
    id_ = ids_.at(collection);
  }
  void DropCollection(const std::string& collection) override {
    httplib::Client http("127.0.0.1", port_);
    http.set_read_timeout(kPatienceSeconds, 0);
    http.Delete(absl::StrCat(kCollections, "/", collection));
  }

  std::unique_ptr<ServiceClient> Connect() override {
    return std::make_unique<ChromaClient>(data_, port_, id_, queries_);
  }

  // A query brings the index up to date.
  void AwaitIndexed() override {
    const auto answer = Connect()->Search(0, 0);
    if (!answer.ok()) {
      EndBenchmark(absl::StrCat("Chroma: ", answer.status().ToString()));
    }
  }

  // Its breadth is a setting of the collection; this is its default.
  std::vector<size_t> breadths() const override { return {100}; }
  void SetBreadth(size_t /*ef*/) override {}

  uint64_t disk_bytes() override { return DiskBytes(options_.directory); }
  std::optional<ProcessMemory> memory() override {
    return MemoryOf(process_->pid());
  }

 private:
  const ServiceData& data_;
  const ChromaOptions options_;
  int port_ = 0;
  std::string id_;
  std::map<std::string, std::string> ids_;
  PreparedQueries queries_;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace

std::unique_ptr<ServiceContender> MakeChromaContender(
    const ServiceData& data, const ChromaOptions& options) {
  return std::make_unique<ChromaContender>(data, options);
}

}  // namespace diptych
