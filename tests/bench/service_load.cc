#include "tests/bench/service_load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace diptych {
namespace {

constexpr std::chrono::milliseconds kRestartPoll(1);
constexpr double kRestartPatienceSeconds = 300;

struct ClientFigures {
  std::vector<double> latencies;
  size_t found = 0;
  size_t wanted = 0;
  size_t short_answers = 0;
};

void EndUnlessOk(const ServiceContender& contender,
                 const absl::Status& status) {
  if (status.ok()) return;
  EndBenchmark(absl::StrCat(contender.name(), ": ", status.ToString()));
}

// Asks from `first` on until told to stop.
void AskQueries(const ServiceData& data, const ServiceContender& contender,
                ServiceClient& client, size_t filter_index, size_t first,
                const std::atomic<bool>& stop, ClientFigures& figures) {
  const FilterCase& filter = data.filters[filter_index];
  for (size_t query = first % filter.queries; !stop;
       query = (query + 1) % filter.queries) {
    const double start = SecondsNow();
    const auto rows = client.Search(query, filter_index);
    figures.latencies.push_back(SecondsNow() - start);
    EndUnlessOk(contender, rows.status());
    const uint32_t* nearest = &filter.nearest[query * filter.width];
    for (const uint32_t row : *rows) {
      figures.found +=
          static_cast<size_t>(std::count(nearest, nearest + filter.width, row));
    }
    figures.wanted += filter.width;
    figures.short_answers += rows->size() < filter.width ? 1 : 0;
  }
}

// Upserts spare rows at an even pace until told to stop; how many.
size_t UpsertSteadily(const ServiceData& data,
                      const ServiceContender& contender, ServiceClient& client,
                      size_t rows_per_second, const std::atomic<bool>& stop) {
  const auto pause =
      std::chrono::nanoseconds(1'000'000'000 * kUpsertRows / rows_per_second);
  auto next = std::chrono::steady_clock::now();
  size_t written = 0;
  while (!stop) {
    const size_t first = written % (data.spare_count - kUpsertRows + 1);
    EndUnlessOk(contender, client.Upsert(data.row_count + first, kUpsertRows));
    written += kUpsertRows;
    next += pause;
    std::this_thread::sleep_until(next);
  }
  return written;
}

double Percentile(const std::vector<double>& sorted, double share) {
  const auto place =
      static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(place, sorted.size() - 1)];
}

}  // namespace

double SecondsNow() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

QueryFigures MeasureQueries(const ServiceData& data,
                            ServiceContender& contender,
                            const QueryLoad& load) {
  std::vector<std::unique_ptr<ServiceClient>> clients;
  for (size_t i = 0; i < load.clients + 1; ++i) {
    clients.push_back(contender.Connect());
    // Connections are made before the time is taken.
    EndUnlessOk(contender, clients.back()->Search(i, load.filter).status());
  }
  const auto engine_before = contender.engine_time();
  std::atomic<bool> stop{false};
  std::vector<ClientFigures> figures(load.clients);
  std::vector<std::thread> threads;
  const double start = SecondsNow();
  for (size_t i = 0; i < load.clients; ++i) {
    threads.emplace_back([&, i] {
      const size_t first = i * data.filters[load.filter].queries / load.clients;
      AskQueries(data, contender, *clients[i], load.filter, first, stop,
                 figures[i]);
    });
  }
  QueryFigures result;
  if (load.upserts_per_second > 0) {
    threads.emplace_back([&] {
      result.upserts = UpsertSteadily(data, contender, *clients.back(),
                                      load.upserts_per_second, stop);
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(load.seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double seconds = SecondsNow() - start;
  const auto engine_after = contender.engine_time();

  ClientFigures all;
  for (const ClientFigures& client : figures) {
    all.latencies.insert(all.latencies.end(), client.latencies.begin(),
                         client.latencies.end());
    all.found += client.found;
    all.wanted += client.wanted;
    all.short_answers += client.short_answers;
  }
  double latency_sum = 0;
  for (const double latency : all.latencies) latency_sum += latency;
  std::sort(all.latencies.begin(), all.latencies.end());
  result.queries_per_second =
      static_cast<double>(all.latencies.size()) / seconds;
  result.p50_milliseconds = 1e3 * Percentile(all.latencies, 0.5);
  result.p99_milliseconds = 1e3 * Percentile(all.latencies, 0.99);
  result.recall = all.wanted == 0 ? 1
                                  : static_cast<double>(all.found) /
                                        static_cast<double>(all.wanted);
  result.short_answers = all.short_answers;
  if (engine_before.has_value() && engine_after.has_value() &&
      engine_after->searches > engine_before->searches) {
    result.layer_share =
        1 - (engine_after->seconds - engine_before->seconds) / latency_sum;
  }
  return result;
}

size_t ChooseBreadth(const ServiceData& data, ServiceContender& contender,
                     double recall) {
  const std::vector<size_t> breadths = contender.breadths();
  const FilterCase& filter = data.filters[0];
  for (const size_t ef : breadths) {
    contender.SetBreadth(ef);
    const auto client = contender.Connect();
    size_t found = 0;
    for (size_t query = 0; query < filter.queries; ++query) {
      const auto rows = client->Search(query, 0);
      EndUnlessOk(contender, rows.status());
      const uint32_t* nearest = &filter.nearest[query * filter.width];
      for (const uint32_t row : *rows) {
        found += static_cast<size_t>(
            std::count(nearest, nearest + filter.width, row));
      }
    }
    if (static_cast<double>(found) >=
            recall * static_cast<double>(filter.nearest.size()) ||
        ef == breadths.back()) {
      return ef;
    }
  }
  return breadths.back();
}

double MeasureImport(ServiceContender& contender, size_t first, size_t count,
                     size_t batch) {
  const auto client = contender.Connect();
  const double start = SecondsNow();
  for (size_t done = 0; done < count; done += batch) {
    EndUnlessOk(contender,
                client->Import(first + done, std::min(batch, count - done)));
  }
  return static_cast<double>(count) / (SecondsNow() - start);
}

double MeasureRestart(ServiceContender& contender) {
  const auto before = contender.Connect()->Search(0, 0);
  EndUnlessOk(contender, before.status());
  contender.Stop();
  const double start = SecondsNow();
  contender.Start();
  while (SecondsNow() - start < kRestartPatienceSeconds) {
    const auto now = contender.Connect()->Search(0, 0);
    if (now.ok() && *now == *before) return SecondsNow() - start;
    std::this_thread::sleep_for(kRestartPoll);
  }
  EndBenchmark(absl::StrCat(contender.name(),
                            " does not answer as before it was restarted"));
}

}  // namespace diptych
