// What a service benchmark stores and asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace diptych {

// As many neighbours does every query ask for.
constexpr size_t kServiceNearest = 10;

// `property` < `limit`; no property: all objects.
struct FilterCase {
  std::string name;
  std::string property;
  int32_t limit = 0;
  size_t matches = 0;
  // How many of the queries are asked with it.
  size_t queries = 0;
  // Rows of the true neighbours, nearest first, query after query; `width` for
  // each.
  size_t width = 0;
  std::vector<uint32_t> nearest;
};

// Row i is the object "object-i" with three properties: "bucket", 0 to 999,
// which has nothing to do with the vector; "region", 0 to 15, which of 16
// places its vector is nearest to; "title", a text.
struct ServiceData {
  size_t dimension = 0;
  size_t row_count = 0;
  // Rows behind row_count, for writes under load. They match no filter, and the
  // true neighbours do not count them.
  size_t spare_count = 0;
  size_t query_count = 0;
  std::vector<float> rows;
  std::vector<float> queries;
  std::vector<int32_t> buckets;
  std::vector<int32_t> regions;
  // The first is without a filter.
  std::vector<FilterCase> filters;

  const float* row(size_t i) const { return &rows[i * dimension]; }
  const float* query(size_t i) const { return &queries[i * dimension]; }
};

ServiceData MakeServiceData(size_t rows, size_t spare, size_t queries,
                            size_t filtered_queries, size_t dimension);

std::string ServiceObjectId(size_t row);
// The row of an id made by ServiceObjectId.
uint32_t ServiceRowOf(const std::string& id);
std::string ServiceTitle(const ServiceData& data, size_t row);
// Bytes of an object as it is given: vector, id, names and values.
size_t ServiceObjectBytes(const ServiceData& data, size_t row);

}  // namespace diptych
