#include "tests/bench/service_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace diptych {
namespace {

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

// Four significant digits are more than a benchmark knows.
double Rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale =
      std::pow(10.0, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

double Ratio(double value, double over) { return over > 0 ? value / over : 0; }

double BestImport(const ContenderFigures& figures) {
  double best = 0;
  for (const auto& [way, rate] : figures.imports) best = std::max(best, rate);
  return best;
}

nlohmann::ordered_json JsonOf(const QueryFigures& figures) {
  nlohmann::ordered_json json = {{"qps", Rounded(figures.queries_per_second)},
                                 {"p50_ms", Rounded(figures.p50_milliseconds)},
                                 {"p99_ms", Rounded(figures.p99_milliseconds)},
                                 {"recall", Rounded(figures.recall)},
                                 {"short_answers", figures.short_answers}};
  if (figures.layer_share >= 0) {
    json["layer_share"] = Rounded(figures.layer_share);
  }
  return json;
}

double MeanObjectBytes(const ServiceData& data) {
  double bytes = 0;
  for (size_t row = 0; row < data.row_count; ++row) {
    bytes += static_cast<double>(ServiceObjectBytes(data, row));
  }
  return bytes / static_cast<double>(data.row_count);
}

void PrintQueries(const char* what, const std::string& name,
                  const QueryFigures& figures) {
  std::printf("%-24s %-9s %9.0f %9.2f %9.2f %8.4f", what, name.c_str(),
              figures.queries_per_second, figures.p50_milliseconds,
              figures.p99_milliseconds, figures.recall);
  if (figures.short_answers > 0) {
    std::printf("  %zu short answers", figures.short_answers);
  }
  if (figures.layer_share >= 0) {
    std::printf("  %2.0f %% outside the engine", 100 * figures.layer_share);
  }
  std::printf("\n");
}

nlohmann::ordered_json RatiosOver(const ServiceData& data,
                                  const ContenderFigures& own,
                                  const ContenderFigures& peer) {
  nlohmann::ordered_json ratios;
  const std::string suffix = "_ratio_" + peer.name;
  for (const auto& [clients, rounds] : own.queries) {
    ratios["qps" + suffix][std::to_string(clients)] =
        Rounded(Ratio(rounds.Median().queries_per_second,
                      peer.queries.at(clients).Median().queries_per_second));
  }
  for (const auto& [filter, rounds] : own.filtered) {
    ratios["filtered_qps" + suffix][data.filters[filter].name] =
        Rounded(Ratio(rounds.Median().queries_per_second,
                      peer.filtered.at(filter).Median().queries_per_second));
  }
  for (const auto& [way, rate] : own.imports) {
    const auto found = peer.imports.find(way);
    if (found == peer.imports.end()) continue;
    ratios["import" + suffix][way] = Rounded(Ratio(rate, found->second));
  }
  ratios["import" + suffix]["best"] =
      Rounded(Ratio(BestImport(own), BestImport(peer)));
  ratios["memory" + suffix] = Rounded(
      Ratio(own.anonymous_bytes_per_object, peer.anonymous_bytes_per_object));
  ratios["disk" + suffix] =
      Rounded(Ratio(own.disk_bytes_per_object, peer.disk_bytes_per_object));
  return ratios;
}

}  // namespace

QueryFigures RoundFigures::Median() const {
  const auto median = [this](double QueryFigures::*member) {
    std::vector<double> values;
    for (const QueryFigures& round : rounds_) values.push_back(round.*member);
    return MedianOf(std::move(values));
  };
  QueryFigures result;
  result.queries_per_second = median(&QueryFigures::queries_per_second);
  result.p50_milliseconds = median(&QueryFigures::p50_milliseconds);
  result.p99_milliseconds = median(&QueryFigures::p99_milliseconds);
  result.recall = median(&QueryFigures::recall);
  result.layer_share = median(&QueryFigures::layer_share);
  for (const QueryFigures& round : rounds_) {
    result.short_answers += round.short_answers;
    result.upserts += round.upserts;
  }
  return result;
}

void PrintTables(const ServiceData& data,
                 const std::vector<ContenderFigures>& all) {
  std::printf("\n%-24s %-9s %9s\n", "import", "", "objects/s");
  for (const char* way : {"batch_100", "batch_1000", "bulk"}) {
    for (const ContenderFigures& figures : all) {
      const auto found = figures.imports.find(way);
      if (found == figures.imports.end()) continue;
      std::printf("%-24s %-9s %9.0f\n", way, figures.name.c_str(),
                  found->second);
    }
  }
  std::printf("\n%-24s %-9s %9s %9s %9s %8s\n", "queries", "", "per s",
              "p50 ms", "p99 ms", "recall");
  for (const auto& [clients, rounds] : all.front().queries) {
    for (const ContenderFigures& figures : all) {
      PrintQueries(absl::StrCat(clients, " clients").c_str(), figures.name,
                   figures.queries.at(clients).Median());
    }
  }
  for (const auto& [filter, rounds] : all.front().filtered) {
    for (const ContenderFigures& figures : all) {
      PrintQueries(absl::StrCat("filter ", data.filters[filter].name, " (",
                                data.filters[filter].matches, ")")
                       .c_str(),
                   figures.name, figures.filtered.at(filter).Median());
    }
  }
  for (const auto& [clients, rounds] : all.front().under_writes) {
    for (const ContenderFigures& figures : all) {
      PrintQueries(absl::StrCat("writes, ", clients, " clients").c_str(),
                   figures.name, figures.under_writes.at(clients).Median());
    }
  }
  std::printf("\n%-24s %9s %9s %12s %12s %12s %12s\n", "", "ef", "restart s",
              "indexing s", "disk/object", "memory/obj", "mapped/obj");
  for (const ContenderFigures& figures : all) {
    std::printf("%-24s %9zu %9.2f %12.1f %12.0f %12.0f %12.0f\n",
                figures.name.c_str(), figures.breadth, figures.restart_seconds,
                figures.indexing_seconds, figures.disk_bytes_per_object,
                figures.anonymous_bytes_per_object,
                figures.file_bytes_per_object);
  }
}

nlohmann::ordered_json ReportOf(const ServiceData& data,
                                const std::vector<ContenderFigures>& all) {
  const ContenderFigures& own = all.front();
  nlohmann::ordered_json json = {{"benchmark", "service"},
                                 {"rows", data.row_count},
                                 {"dimension", data.dimension}};
  for (size_t i = 1; i < all.size(); ++i) {
    json.update(RatiosOver(data, own, all[i]));
  }
  json["layer_share"] = Rounded(own.queries.at(1).Median().layer_share);
  for (const auto& [clients, rounds] : own.under_writes) {
    const QueryFigures median = rounds.Median();
    json["p99_over_p50_under_writes"][std::to_string(clients)] =
        Rounded(Ratio(median.p99_milliseconds, median.p50_milliseconds));
  }
  json["disk_ratio_given"] =
      Rounded(own.disk_bytes_per_object / MeanObjectBytes(data));
  for (const ContenderFigures& figures : all) {
    nlohmann::ordered_json& one = json[figures.name];
    one["ef"] = figures.breadth;
    for (const auto& [way, rate] : figures.imports) {
      one["import_per_s"][way] = Rounded(rate);
    }
    one["indexing_s"] = Rounded(figures.indexing_seconds);
    for (const auto& [clients, rounds] : figures.queries) {
      one["queries"][std::to_string(clients)] = JsonOf(rounds.Median());
    }
    for (const auto& [filter, rounds] : figures.filtered) {
      one["filtered"][data.filters[filter].name] = JsonOf(rounds.Median());
    }
    for (const auto& [clients, rounds] : figures.under_writes) {
      one["under_writes"][std::to_string(clients)] = JsonOf(rounds.Median());
    }
    one["restart_s"] = Rounded(figures.restart_seconds);
    one["disk_bytes_per_object"] = Rounded(figures.disk_bytes_per_object);
    one["memory_bytes_per_object"] =
        Rounded(figures.anonymous_bytes_per_object);
    one["mapped_bytes_per_object"] = Rounded(figures.file_bytes_per_object);
  }
  return json;
}

}  // namespace diptych
