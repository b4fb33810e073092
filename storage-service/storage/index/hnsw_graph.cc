#include "storage/index/hnsw_graph.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/memory/memory.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

// Scratch space kept for later searches; more is freed after use.
constexpr size_t kIdleScratchMax = 32;
// Above this many candidates a heap beats an array in order.
constexpr size_t kOrderedCandidatesMax = 1024;
// Bytes of rows asked for ahead of the distance being computed; beyond some 200
// cache lines the processor drops requests.
constexpr size_t kPrefetchAheadBytes = 12 << 10;
constexpr size_t kPrefetchAheadMax = 16;
// Rows hung on one row by LinkUnreachableRows.
constexpr size_t kAddedLinksMax = 8;
constexpr size_t kLinkingEf = 32;

struct Candidate {
  float distance;
  uint32_t row;
  bool expanded;
};

}  // namespace

struct HnswGraph::Scratch {
  explicit Scratch(size_t rows) : met(rows, 0) {}

  // A new walk: forgets all rows met.
  void Reset() {
    if (++epoch == 0) {
      std::fill(met.begin(), met.end(), 0);
      epoch = 1;
    }
  }
  // True the first time in a walk.
  bool Meet(uint32_t row) {
    if (met[row] == epoch) return false;
    met[row] = epoch;
    return true;
  }

  std::vector<uint16_t> met;  // the epoch in which a row was last met
  uint16_t epoch = 0;
  std::vector<uint32_t> batch;
  std::vector<Candidate> candidates;
};

class HnswGraph::ScratchLease {
 public:
  explicit ScratchLease(const HnswGraph& graph) : graph_(graph) {
    {
      absl::MutexLock lock(&graph_.mutex_);
      if (!graph_.idle_.empty()) {
        scratch_ = std::move(graph_.idle_.back());
        graph_.idle_.pop_back();
      }
    }
    if (scratch_ == nullptr) {
      scratch_ = std::make_unique<Scratch>(graph_.rows_->count());
    }
    scratch_->Reset();
  }
  ~ScratchLease() {
    absl::MutexLock lock(&graph_.mutex_);
    if (graph_.idle_.size() < kIdleScratchMax) {
      graph_.idle_.push_back(std::move(scratch_));
    }
  }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;

  Scratch& operator*() const { return *scratch_; }

 private:
  const HnswGraph& graph_;
  std::unique_ptr<Scratch> scratch_;
};

HnswGraph::HnswGraph(std::shared_ptr<const VectorRows> rows,
                     const DistanceFunction& distance, HnswLinks links)
    : rows_(std::move(rows)),
      distance_(distance),
      prefetch_ahead_(std::clamp<size_t>(
          kPrefetchAheadBytes / rows_->row_bytes(), 2, kPrefetchAheadMax)),
      links_(std::move(links)) {}

HnswGraph::~HnswGraph() = default;

absl::StatusOr<std::unique_ptr<HnswGraph>> HnswGraph::Build(
    std::shared_ptr<const VectorRows> rows, const DistanceFunction& distance,
    const HnswSettings& settings, uint64_t seed,
    const std::atomic<bool>& cancelled) {
  DIPTYCH_ASSIGN_OR_RETURN(
      HnswLinks links,
      BuildHnswLinks(*rows, distance, settings, seed, cancelled));
  auto graph = absl::WrapUnique(
      new HnswGraph(std::move(rows), distance, std::move(links)));
  graph->LinkUnreachableRows();
  return graph;
}

std::unique_ptr<HnswGraph> HnswGraph::Restore(
    std::shared_ptr<const VectorRows> rows, const DistanceFunction& distance,
    HnswLinks links) {
  return absl::WrapUnique(
      new HnswGraph(std::move(rows), distance, std::move(links)));
}

HnswGraph::Walk HnswGraph::Search(const void* query, size_t ef,
                                  const SlotSet* allowed,
                                  size_t visits_max) const {
  Walk walk;
  const Entry entry = Descend(query, &walk.visits);
  ScratchLease scratch(*this);
  if (allowed == nullptr && rows_->dead_count() == 0 &&
      ef <= kOrderedCandidatesMax) {
    WalkAll(query, ef, entry, *scratch, walk);
  } else {
    WalkMatching(query, ef, allowed, visits_max, entry, *scratch, walk);
  }
  return walk;
}

HnswGraph::Entry HnswGraph::Descend(const void* query, size_t* visits) const {
  uint32_t node = links_.entry_node;
  const HnswLinks::Layer& top = links_.layers.back();
  const uint32_t entry_row = top.rows.empty() ? node : top.rows[node];
  float nearest = distance_(query, rows_->row(entry_row));
  ++*visits;
  for (size_t level = links_.layers.size() - 1; level > 0; --level) {
    const HnswLinks::Layer& layer = links_.layers[level];
    for (bool moved = true; moved;) {
      moved = false;
      const absl::Span<const uint32_t> neighbors = layer.NeighborsOf(node);
      for (const uint32_t neighbor : neighbors) {
        rows_->Prefetch(layer.rows[neighbor]);
      }
      *visits += neighbors.size();
      for (const uint32_t neighbor : neighbors) {
        const float distance =
            distance_(query, rows_->row(layer.rows[neighbor]));
        if (distance < nearest) {
          nearest = distance;
          node = neighbor;
          moved = true;
        }
      }
    }
    node = layer.below[node];
  }
  return {node, nearest};
}

void HnswGraph::CollectUnvisited(uint32_t row, Scratch& scratch) const {
  const absl::Span<const uint32_t> neighbors =
      links_.layers[0].NeighborsOf(row);
  for (const uint32_t neighbor : neighbors) {
    __builtin_prefetch(&scratch.met[neighbor]);
  }
  scratch.batch.clear();
  for (const uint32_t neighbor : neighbors) {
    if (scratch.Meet(neighbor)) scratch.batch.push_back(neighbor);
  }
  const size_t ahead = std::min(prefetch_ahead_, scratch.batch.size());
  for (size_t i = 0; i < ahead; ++i) rows_->Prefetch(scratch.batch[i]);
}

// All rows match: the candidates to expand and the results are one array in
// order of distance.
void HnswGraph::WalkAll(const void* query, size_t ef, Entry entry,
                        Scratch& scratch, Walk& walk) const {
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  candidates.push_back({entry.distance, entry.row, false});
  scratch.Meet(entry.row);
  size_t next = 0;  // all before it are expanded
  while (next < candidates.size()) {
    if (candidates[next].expanded) {
      ++next;
      continue;
    }
    candidates[next].expanded = true;
    CollectUnvisited(candidates[next].row, scratch);
    const std::vector<uint32_t>& batch = scratch.batch;
    walk.visits += batch.size();
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i + prefetch_ahead_ < batch.size()) {
        rows_->Prefetch(batch[i + prefetch_ahead_]);
      }
      const float distance = distance_(query, rows_->row(batch[i]));
      if (candidates.size() == ef) {
        if (distance >= candidates.back().distance) continue;
        candidates.pop_back();
      }
      const auto place =
          std::lower_bound(candidates.begin(), candidates.end(), distance,
                           [](const Candidate& candidate, float value) {
                             return candidate.distance < value;
                           });
      next = std::min(next, static_cast<size_t>(place - candidates.begin()));
      candidates.insert(place, {distance, batch[i], false});
    }
  }
  walk.neighbors.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    walk.neighbors.push_back(Found(query, candidate.distance, candidate.row));
  }
}

// Rows that do not match are walked through but not kept, so the frontier is
// unbounded and the results are a heap of their own.
void HnswGraph::WalkMatching(const void* query, size_t ef,
                             const SlotSet* allowed, size_t visits_max,
                             Entry entry, Scratch& scratch, Walk& walk) const {
  using DistanceAndRow = std::pair<float, uint32_t>;
  std::priority_queue<DistanceAndRow, std::vector<DistanceAndRow>,
                      std::greater<DistanceAndRow>>
      frontier;
  std::priority_queue<DistanceAndRow> results;
  const auto matches = [&](uint32_t row) {
    return !rows_->IsDead(row) &&
           (allowed == nullptr || allowed->Contains(rows_->slot(row)));
  };
  const auto offer = [&](float distance, uint32_t row) {
    if (results.size() == ef && distance >= results.top().first) return;
    frontier.emplace(distance, row);
    if (!matches(row)) return;
    if (results.size() == ef) results.pop();
    results.emplace(distance, row);
  };
  scratch.Meet(entry.row);
  offer(entry.distance, entry.row);
  while (!frontier.empty()) {
    const DistanceAndRow nearest = frontier.top();
    if (results.size() == ef && nearest.first > results.top().first) break;
    if (walk.visits >= visits_max) {
      walk.complete = false;
      return;
    }
    frontier.pop();
    CollectUnvisited(nearest.second, scratch);
    const std::vector<uint32_t>& batch = scratch.batch;
    walk.visits += batch.size();
    for (size_t i = 0; i < batch.size(); ++i) {
      if (i + prefetch_ahead_ < batch.size()) {
        rows_->Prefetch(batch[i + prefetch_ahead_]);
      }
      offer(distance_(query, rows_->row(batch[i])), batch[i]);
    }
  }
  walk.neighbors.reserve(results.size());
  for (; !results.empty(); results.pop()) {
    walk.neighbors.push_back(
        Found(query, results.top().first, results.top().second));
  }
}

Neighbor HnswGraph::Found(const void* query, float distance,
                          uint32_t row) const {
  return {rows_->slot(row), distance,
          distance_.ErrorBound(query, rows_->row(row))};
}

std::vector<bool> HnswGraph::ReachableRows() const {
  // Where a walk enters layer 0 depends on the query; the one place that is
  // sure is below the entry node.
  uint32_t entry = links_.entry_node;
  for (size_t level = links_.layers.size() - 1; level > 0; --level) {
    entry = links_.layers[level].below[entry];
  }
  std::vector<bool> reachable(rows_->count(), false);
  std::vector<uint32_t> pending = {entry};
  reachable[entry] = true;
  while (!pending.empty()) {
    const uint32_t row = pending.back();
    pending.pop_back();
    for (const uint32_t neighbor : links_.layers[0].NeighborsOf(row)) {
      if (reachable[neighbor]) continue;
      reachable[neighbor] = true;
      pending.push_back(neighbor);
    }
  }
  return reachable;
}

void HnswGraph::LinkUnreachableRows() {
  std::vector<bool> reachable = ReachableRows();
  const auto count = static_cast<uint32_t>(reachable.size());
  absl::flat_hash_map<uint32_t, std::vector<uint32_t>> added;
  // Rows that were hung on a row, in order, itself first: those with room take
  // further ones, so that no row gets very many links.
  absl::flat_hash_map<uint32_t, std::deque<uint32_t>> hosts;
  for (uint32_t row = 0; row < count; ++row) {
    if (reachable[row]) continue;
    size_t visits = 0;
    const Entry near = Descend(rows_->row(row), &visits);
    ScratchLease scratch(*this);
    std::vector<Candidate>& candidates = (*scratch).candidates;
    Walk walk;
    WalkAll(rows_->row(row), kLinkingEf, near, *scratch, walk);
    uint32_t nearest = links_.entry_node;
    for (size_t level = links_.layers.size() - 1; level > 0; --level) {
      nearest = links_.layers[level].below[nearest];
    }
    for (const Candidate& candidate : candidates) {
      if (!reachable[candidate.row]) continue;
      nearest = candidate.row;
      break;
    }
    std::deque<uint32_t>& queue =
        hosts.try_emplace(nearest, std::deque<uint32_t>{nearest}).first->second;
    while (queue.size() > 1 && added[queue.front()].size() >= kAddedLinksMax) {
      queue.pop_front();
    }
    added[queue.front()].push_back(row);
    queue.push_back(row);
    // What hangs on the row is reachable now, too.
    std::vector<uint32_t> pending = {row};
    reachable[row] = true;
    while (!pending.empty()) {
      const uint32_t reached = pending.back();
      pending.pop_back();
      for (const uint32_t next : links_.layers[0].NeighborsOf(reached)) {
        if (reachable[next]) continue;
        reachable[next] = true;
        pending.push_back(next);
      }
    }
  }
  if (added.empty()) return;
  const HnswLinks::Layer& old = links_.layers[0];
  HnswLinks::Layer layer;
  layer.offsets.reserve(count + 1);
  layer.offsets.push_back(0);
  layer.neighbors.reserve(old.neighbors.size() + added.size() * kAddedLinksMax);
  for (uint32_t row = 0; row < count; ++row) {
    const absl::Span<const uint32_t> neighbors = old.NeighborsOf(row);
    layer.neighbors.insert(layer.neighbors.end(), neighbors.begin(),
                           neighbors.end());
    if (const auto found = added.find(row); found != added.end()) {
      layer.neighbors.insert(layer.neighbors.end(), found->second.begin(),
                             found->second.end());
    }
    layer.offsets.push_back(static_cast<uint32_t>(layer.neighbors.size()));
  }
  layer.neighbors.shrink_to_fit();
  links_.layers[0] = std::move(layer);
}

}  // namespace diptych::storage
