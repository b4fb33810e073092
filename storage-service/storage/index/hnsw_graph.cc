#include "storage/index/hnsw_graph.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/memory/memory.h"
#include "common/status/status_macros.h"
#include "storage/index/huge_pages.h"

namespace diptych::storage {
namespace {

// Scratch space kept for later searches; more is freed after use.
constexpr size_t kIdleScratchMax = 32;
// Above this many candidates a heap beats an array in order.
constexpr size_t kOrderedCandidatesMax = 1024;
constexpr size_t kFloorMin = 12;
constexpr float kUnlimited = std::numeric_limits<float>::infinity();
// Rows hung on one row by LinkUnreachableRows.
constexpr size_t kAddedLinksMax = 8;
constexpr size_t kLinkingEf = 32;

using DistanceAndRow = std::pair<float, uint32_t>;

// Where rows beyond a limit are not wanted, a walk still keeps this many of
// the nearest, wherever they are, to find its way. Measured at 44,000 x 512 in
// 2 and 5 segments: with a quarter of ef, recall is still that of one segment;
// with a tenth it begins to fall.
size_t FloorOf(size_t ef) { return std::min(ef, std::max(kFloorMin, ef / 4)); }

}  // namespace

struct HnswGraph::Scratch : WalkScratch {
  using WalkScratch::WalkScratch;

  std::vector<DistanceAndRow> frontier;  // a heap, the nearest first
  std::vector<DistanceAndRow> matches;   // a heap, the farthest first
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
    scratch_->met.Reset();
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
    : rows_(std::move(rows)), distance_(distance), links_(std::move(links)) {
  SettleLinks();
}

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
                                  const SlotSet* allowed, size_t visits_max,
                                  size_t wanted, SearchReach* reach) const {
  Walk walk;
  ScratchLease lease(*this);
  Scratch& scratch = *lease;
  const float limit = reach == nullptr ? kUnlimited : reach->Limit();
  std::vector<float> found;
  const Entry entry = Descend(query, scratch.batch, &walk.visits);
  if (allowed == nullptr) {
    // Dead rows take places among the candidates, so there are that many more.
    const size_t count = rows_->count();
    const size_t live = count - std::min(count, rows_->dead_count());
    const size_t breadth = live == 0 ? count : ef * count / live;
    if (breadth <= kOrderedCandidatesMax && 2 * live >= count) {
      WalkAll(query, breadth, limit, entry, scratch, walk);
      for (const CandidatePool::Candidate& candidate :
           scratch.pool.candidates()) {
        if (found.size() == ef) break;
        if (rows_->IsDead(candidate.row)) continue;
        found.push_back(candidate.distance);
        if (walk.neighbors.size() == wanted) continue;
        walk.neighbors.push_back(
            Found(query, candidate.distance, candidate.row));
      }
      // Where the dead lie close together, they may have taken all places.
      if (walk.neighbors.size() == std::min({ef, wanted, live}) ||
          (limit < kUnlimited && !scratch.pool.full())) {
        if (reach != nullptr) reach->Add(found);
        return walk;
      }
      walk.neighbors.clear();
      found.clear();
      scratch.met.Reset();
    }
  }
  WalkMatching(query, ef, allowed, visits_max, entry, scratch, walk);
  if (!walk.complete) return walk;
  std::vector<DistanceAndRow>& matches = scratch.matches;
  std::sort_heap(matches.begin(), matches.end());
  walk.neighbors.reserve(std::min(matches.size(), wanted));
  for (const auto& [distance, row] : matches) {
    found.push_back(distance);
    if (walk.neighbors.size() == wanted) continue;
    walk.neighbors.push_back(Found(query, distance, row));
  }
  if (reach != nullptr) reach->Add(found);
  return walk;
}

HnswGraph::Entry HnswGraph::Descend(const void* query, RowBatch& batch,
                                    size_t* visits) const {
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
      batch.count = 0;
      batch.Reserve(neighbors.size());
      for (const uint32_t neighbor : neighbors) {
        rows_->Prefetch(layer.rows[neighbor]);
        batch.AddIf(true, layer.rows[neighbor]);
      }
      batch.Compute(*rows_, distance_, query);
      *visits += batch.count;
      for (size_t i = 0; i < batch.count; ++i) {
        if (batch.distances[i] < nearest) {
          nearest = batch.distances[i];
          node = neighbors[i];
          moved = true;
        }
      }
    }
    node = layer.below[node];
  }
  return {node, nearest};
}

void HnswGraph::WalkAll(const void* query, size_t ef, float limit, Entry entry,
                        Scratch& scratch, Walk& walk) const {
  const HnswLinks::Layer& layer = links_.layers[0];
  scratch.pool.Reset(ef, FloorOf(ef), limit);
  scratch.pool.Offer(entry.distance, entry.row);
  scratch.met.Meet(entry.row);
  walk.visits += WalkNearest(
      *rows_, distance_, query,
      [&layer](uint32_t row) { return layer.NeighborsOf(row); },
      [&layer](uint32_t row) { layer.PrefetchNeighborsOf(row); }, scratch);
}

// Rows that do not match are walked through but not kept, so the frontier is
// unbounded and the matches are a heap of their own.
void HnswGraph::WalkMatching(const void* query, size_t ef,
                             const SlotSet* allowed, size_t visits_max,
                             Entry entry, Scratch& scratch, Walk& walk) const {
  const HnswLinks::Layer& layer = links_.layers[0];
  std::vector<DistanceAndRow>& frontier = scratch.frontier;
  std::vector<DistanceAndRow>& matches = scratch.matches;
  RowBatch& batch = scratch.batch;
  frontier.clear();
  matches.clear();
  const auto is_match = [&](uint32_t row) {
    return !rows_->IsDead(row) &&
           (allowed == nullptr || allowed->Contains(rows_->slot(row)));
  };
  const auto offer = [&](float distance, uint32_t row) {
    if (matches.size() == ef && distance >= matches.front().first) return;
    layer.PrefetchNeighborsOf(row);
    frontier.emplace_back(distance, row);
    std::push_heap(frontier.begin(), frontier.end(), std::greater<>());
    if (!is_match(row)) return;
    if (matches.size() == ef) {
      std::pop_heap(matches.begin(), matches.end());
      matches.pop_back();
    }
    matches.emplace_back(distance, row);
    std::push_heap(matches.begin(), matches.end());
  };
  scratch.met.Meet(entry.row);
  offer(entry.distance, entry.row);
  while (!frontier.empty()) {
    const DistanceAndRow nearest = frontier.front();
    if (matches.size() == ef && nearest.first > matches.front().first) break;
    if (walk.visits >= visits_max) {
      walk.complete = false;
      return;
    }
    std::pop_heap(frontier.begin(), frontier.end(), std::greater<>());
    frontier.pop_back();
    batch.count = 0;
    CollectUnmet(*rows_, layer.NeighborsOf(nearest.second), scratch);
    batch.Compute(*rows_, distance_, query);
    walk.visits += batch.count;
    for (size_t i = 0; i < batch.count; ++i) {
      offer(batch.distances[i], batch.rows[i]);
    }
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
    ScratchLease scratch(*this);
    const Entry near = Descend(rows_->row(row), (*scratch).batch, &visits);
    Walk walk;
    WalkAll(rows_->row(row), kLinkingEf, kUnlimited, near, *scratch, walk);
    uint32_t nearest = links_.entry_node;
    for (size_t level = links_.layers.size() - 1; level > 0; --level) {
      nearest = links_.layers[level].below[nearest];
    }
    for (const CandidatePool::Candidate& candidate :
         (*scratch).pool.candidates()) {
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
  SettleLinks();
}

void HnswGraph::SettleLinks() {
  std::vector<uint32_t>& neighbors = links_.layers[0].neighbors;
  MoveToHugePages(neighbors.data(), neighbors.size() * sizeof(uint32_t));
}

}  // namespace diptych::storage
