// Loads that a service benchmark puts on a contender, and what they measure.
#pragma once

#include <cstddef>
#include <string>

#include "tests/bench/service_contender.h"
#include "tests/bench/service_data.h"

namespace diptych {

struct QueryLoad {
  size_t filter = 0;  // of ServiceData::filters
  size_t clients = 1;
  double seconds = 1;
  // Rows per second that one more client upserts meanwhile, in requests of
  // kUpsertRows, evenly spread.
  size_t upserts_per_second = 0;
};
constexpr size_t kUpsertRows = 10;

struct QueryFigures {
  double queries_per_second = 0;
  double p50_milliseconds = 0;
  double p99_milliseconds = 0;
  double recall = 0;
  // Answers with fewer than kServiceNearest rows though more match.
  size_t short_answers = 0;
  // Of all requests' time, what the server did not spend in its engine; -1
  // where it does not say.
  double layer_share = -1;
  size_t upserts = 0;
};

// Every client asks query after query, each as soon as the one before is
// answered.
QueryFigures MeasureQueries(const ServiceData& data,
                            ServiceContender& contender, const QueryLoad& load);

// The smallest breadth with which the queries without filter are answered with
// at least `recall`, or the largest there is; it stays set.
size_t ChooseBreadth(const ServiceData& data, ServiceContender& contender,
                     double recall);

// Rows [first, first + count) by one client, `batch` a request; rows per
// second.
double MeasureImport(ServiceContender& contender, size_t first, size_t count,
                     size_t batch);

// Stops the server and starts it: seconds until it answers the first query as
// it did before.
double MeasureRestart(ServiceContender& contender);

double SecondsNow();

}  // namespace diptych
