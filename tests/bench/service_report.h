// What a service benchmark found, as tables for people and as one JSON object.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/bench/service_load.h"

namespace diptych {

// Of several rounds the median of each figure, so that a disturbance of one
// round does not count.
class RoundFigures {
 public:
  void Add(const QueryFigures& figures) { rounds_.push_back(figures); }
  bool empty() const { return rounds_.empty(); }
  QueryFigures Median() const;

 private:
  std::vector<QueryFigures> rounds_;
};

struct ContenderFigures {
  std::string name;
  size_t breadth = 0;
  // Rows per second, by way: "batch_100", "batch_1000", "bulk".
  std::map<std::string, double> imports;
  // From the last acknowledgement until everything is indexed.
  double indexing_seconds = 0;
  std::map<size_t, RoundFigures> queries;       // by clients
  std::map<size_t, RoundFigures> filtered;      // by filter, one client
  std::map<size_t, RoundFigures> under_writes;  // by clients
  double restart_seconds = 0;                   // 0: not measured
  double disk_bytes_per_object = 0;
  double anonymous_bytes_per_object = 0;
  double file_bytes_per_object = 0;
};

// The first is ours.
void PrintTables(const ServiceData& data,
                 const std::vector<ContenderFigures>& all);

// Figures of each contender by its name, and ours over Chroma's and
// PostgreSQL's on top.
nlohmann::ordered_json ReportOf(const ServiceData& data,
                                const std::vector<ContenderFigures>& all);

}  // namespace diptych
