// PostgreSQL with pgvector over libpq, with prepared statements and binary
// parameters.
#include <arpa/inet.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/service_contender.h"

namespace diptych {
namespace {

constexpr size_t kCopyRows = 10'000;
constexpr char kCopyHeader[] = "PGCOPY\n\377\r\n\0";  // 11 bytes with the 0

void AppendInt16(uint16_t value, std::string& bytes) {
  const uint16_t network = htons(value);
  bytes.append(reinterpret_cast<const char*>(&network), sizeof(network));
}
void AppendInt32(uint32_t value, std::string& bytes) {
  const uint32_t network = htonl(value);
  bytes.append(reinterpret_cast<const char*>(&network), sizeof(network));
}

// pgvector's binary form: dimension, 0, components.
std::string VectorBytes(const float* vector, size_t dimension) {
  std::string bytes;
  AppendInt16(static_cast<uint16_t>(dimension), bytes);
  AppendInt16(0, bytes);
  for (size_t i = 0; i < dimension; ++i) {
    uint32_t bits;
    std::memcpy(&bits, vector + i, sizeof(bits));
    AppendInt32(bits, bytes);
  }
  return bytes;
}

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

struct ConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, ConnectionDeleter>;

Connection Open(const std::string& where) {
  Connection connection(PQconnectdb(where.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    EndBenchmark(
        absl::StrCat("PostgreSQL: ", PQerrorMessage(connection.get())));
  }
  // "does not exist, skipping" is no news.
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

Result Run(const Connection& connection, const std::string& sql) {
  Result result(PQexec(connection.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
      status != PGRES_COPY_IN) {
    EndBenchmark(absl::StrCat("PostgreSQL: ", sql, ": ",
                              PQerrorMessage(connection.get())));
  }
  return result;
}

class PgvectorClient final : public ServiceClient {
 public:
  PgvectorClient(const ServiceData& data, const std::string& where,
                 std::string table, size_t ef,
                 const std::vector<std::string>& vectors)
      : data_(data),
        table_(std::move(table)),
        vectors_(vectors),
        connection_(Open(where)) {
    Run(connection_, absl::StrCat("SET hnsw.ef_search = ", ef));
    // Without it a filter makes answers short.
    Run(connection_, "SET hnsw.iterative_scan = strict_order");
    for (size_t f = 0; f < data.filters.size(); ++f) {
      const FilterCase& filter = data.filters[f];
      const std::string where_clause =
          filter.property.empty()
              ? ""
              : absl::StrCat(" WHERE ", filter.property, " < ", filter.limit);
      const Result prepared(
          PQprepare(connection_.get(), absl::StrCat("search", f).c_str(),
                    absl::StrCat("SELECT id FROM ", table_, where_clause,
                                 " ORDER BY embedding <=> $1::vector LIMIT ",
                                 kServiceNearest)
                        .c_str(),
                    0, nullptr));
      if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) {
        EndBenchmark(
            absl::StrCat("PostgreSQL: ", PQerrorMessage(connection_.get())));
      }
    }
  }

  absl::Status Import(size_t first, size_t count) override {
    return Copy(table_, first, count);
  }
  absl::Status Upsert(size_t first, size_t count) override {
    Run(connection_, "BEGIN");
    Run(connection_, absl::StrCat("DELETE FROM ", table_, " WHERE id >= ",
                                  first, " AND id < ", first + count));
    const absl::Status copied = Copy(table_, first, count);
    Run(connection_, copied.ok() ? "COMMIT" : "ROLLBACK");
    return copied;
  }

  absl::StatusOr<std::vector<uint32_t>> Search(size_t query,
                                               size_t filter) override {
    const char* values[] = {vectors_[query].data()};
    const int lengths[] = {static_cast<int>(vectors_[query].size())};
    const int formats[] = {1};
    const Result result(PQexecPrepared(connection_.get(),
                                       absl::StrCat("search", filter).c_str(),
                                       1, values, lengths, formats, 0));
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
      return absl::UnknownError(PQerrorMessage(connection_.get()));
    }
    std::vector<uint32_t> rows(static_cast<size_t>(PQntuples(result.get())));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!absl::SimpleAtoi(PQgetvalue(result.get(), static_cast<int>(i), 0),
                            &rows[i])) {
        return absl::DataLossError("an id is no number");
      }
    }
    return rows;
  }

 private:
  absl::Status Copy(const std::string& table, size_t first, size_t count) {
    Run(connection_, absl::StrCat("COPY ", table,
                                  " (id, bucket, region, title, embedding) "
                                  "FROM STDIN (FORMAT binary)"));
    std::string bytes(kCopyHeader, 11);
    AppendInt32(0, bytes);
    AppendInt32(0, bytes);
    for (size_t row = first; row < first + count; ++row) {
      AppendInt16(5, bytes);
      for (const int32_t number : {static_cast<int32_t>(row),
                                   data_.buckets[row], data_.regions[row]}) {
        AppendInt32(sizeof(number), bytes);
        AppendInt32(static_cast<uint32_t>(number), bytes);
      }
      for (const std::string& field :
           {ServiceTitle(data_, row),
            VectorBytes(data_.row(row), data_.dimension)}) {
        AppendInt32(static_cast<uint32_t>(field.size()), bytes);
        bytes += field;
      }
    }
    AppendInt16(0xffff, bytes);
    PQputCopyData(connection_.get(), bytes.data(),
                  static_cast<int>(bytes.size()));
    PQputCopyEnd(connection_.get(), nullptr);
    absl::Status status;
    while (const Result result{PQgetResult(connection_.get())}) {
      if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        status = absl::UnknownError(PQresultErrorMessage(result.get()));
      }
    }
    return status;
  }

  const ServiceData& data_;
  const std::string table_;
  const std::vector<std::string>& vectors_;
  const Connection connection_;
};

class PgvectorContender final : public ServiceContender {
 public:
  PgvectorContender(const ServiceData& data, std::string where)
      : data_(data), where_(std::move(where)) {
    for (size_t q = 0; q < data.query_count; ++q) {
      vectors_.push_back(VectorBytes(data.query(q), data.dimension));
    }
  }

  std::string name() const override { return "pgvector"; }
  bool restarts() const override { return false; }
  void Start() override {
    Run(Open(where_), "CREATE EXTENSION IF NOT EXISTS vector");
  }
  void Stop() override {}

  void CreateCollection(const std::string& collection) override {
    UseCollection(collection);
    const Connection connection = Open(where_);
    Run(connection, absl::StrCat("DROP TABLE IF EXISTS ", table_));
    Run(connection,
        absl::StrCat("CREATE TABLE ", table_,
                     " (id integer PRIMARY KEY, bucket integer, region "
                     "integer, title text, embedding vector(",
                     data_.dimension, "))"));
    Run(connection, absl::StrCat("ALTER TABLE ", table_,
                                 " ALTER embedding SET STORAGE plain"));
    CreateIndexes();
  }
  void UseCollection(const std::string& collection) override {
    table_ = "diptych_bench_" + collection;
  }
  void DropCollection(const std::string& collection) override {
    Run(Open(where_), "DROP TABLE diptych_bench_" + collection);
  }

  // As pgvector's documentation advises: the indexes come last.
  bool ImportInBulk(size_t count) override {
    const Connection connection = Open(where_);
    for (const char* column : {"embedding", "bucket", "region"}) {
      Run(connection, absl::StrCat("DROP INDEX ", table_, "_", column));
    }
    const auto client = Connect();
    for (size_t first = 0; first < count; first += kCopyRows) {
      const absl::Status status =
          client->Import(first, std::min(kCopyRows, count - first));
      if (!status.ok()) EndBenchmark(status.ToString());
    }
    CreateIndexes();
    return true;
  }

  std::unique_ptr<ServiceClient> Connect() override {
    return std::make_unique<PgvectorClient>(data_, where_, table_, ef_,
                                            vectors_);
  }
  void AwaitIndexed() override {
    Run(Open(where_), absl::StrCat("VACUUM ANALYZE ", table_));
  }

  std::vector<size_t> breadths() const override {
    return {40, 64, 80, 100, 140, 200};
  }
  void SetBreadth(size_t ef) override { ef_ = ef; }

  uint64_t disk_bytes() override {
    uint64_t bytes = 0;
    const Result result =
        Run(Open(where_),
            absl::StrCat("SELECT pg_total_relation_size('", table_, "')"));
    if (!absl::SimpleAtoi(PQgetvalue(result.get(), 0, 0), &bytes)) return 0;
    return bytes;
  }

 private:
  void CreateIndexes() {
    const Connection connection = Open(where_);
    Run(connection,
        absl::StrCat("CREATE INDEX ", table_, "_embedding ON ", table_,
                     " USING hnsw (embedding vector_cosine_ops) WITH (m = 16, "
                     "ef_construction = 200)"));
    for (const char* column : {"bucket", "region"}) {
      Run(connection, absl::StrCat("CREATE INDEX ", table_, "_", column, " ON ",
                                   table_, " (", column, ")"));
    }
  }

  const ServiceData& data_;
  const std::string where_;
  std::string table_;
  size_t ef_ = 100;
  std::vector<std::string> vectors_;
};

}  // namespace

std::unique_ptr<ServiceContender> MakePgvectorContender(
    const ServiceData& data, const std::string& connection) {
  return std::make_unique<PgvectorContender>(data, connection);
}

}  // namespace diptych
