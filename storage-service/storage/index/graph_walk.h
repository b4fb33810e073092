// The best-first walk through one layer of a graph, shared by searching and by
// building.
//
// Operation: the nearest rows met so far are one array in order of distance,
// which is both the frontier and the result. Each step expands the three
// nearest that are not expanded yet and computes the distances of all their new
// neighbours together, so that the processor fetches many rows at once: memory
// is what a walk waits for. The lists of neighbours that a later step will read
// are asked for as soon as their row gets into the array.
// Concurrency: a scratch serves one walk at a time.
// Limits: 2^31 - 1 rows. A scratch takes 2 bytes per row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "storage/index/distance_function.h"
#include "storage/index/vector_rows.h"

namespace diptych::storage {

// Which rows a walk has met. A new walk costs nothing: rows are stamped with
// its number.
class MetRows {
 public:
  explicit MetRows(size_t rows) : epochs_(rows, 0) {}

  void Reset() {
    if (++epoch_ == 0) {
      std::fill(epochs_.begin(), epochs_.end(), 0);
      epoch_ = 1;
    }
  }
  // True the first time in a walk.
  bool Meet(uint32_t row) {
    const bool first = epochs_[row] != epoch_;
    epochs_[row] = epoch_;
    return first;
  }
  void Prefetch(uint32_t row) const { __builtin_prefetch(&epochs_[row]); }

 private:
  std::vector<uint16_t> epochs_;
  uint16_t epoch_ = 0;
};

// The `ef` nearest rows that were offered, nearest first.
//
// With a limit, rows beyond it get in only among the first `floor`, and are
// expanded only there: so many show a walk its way to what lies within.
class CandidatePool {
 public:
  struct Candidate {
    float distance;
    uint32_t row : 31;
    uint32_t expanded : 1;
  };

  void Reset(size_t ef, size_t floor = 0,
             float limit = std::numeric_limits<float>::infinity()) {
    if (candidates_.size() < ef + 1) candidates_.resize(ef + 1);
    ef_ = ef;
    floor_ = std::clamp<size_t>(floor, 1, ef);
    limit_ = limit;
    count_ = 0;
    next_ = 0;
  }
  // Whether a row at this distance gets in.
  bool Fits(float distance) const {
    if (count_ == ef_ && distance >= candidates_[ef_ - 1].distance) {
      return false;
    }
    return !(distance > limit_) || count_ < floor_ ||
           distance < candidates_[floor_ - 1].distance;
  }
  // False: too far.
  bool Offer(float distance, uint32_t row) {
    if (!Fits(distance)) return false;
    if (count_ == ef_) --count_;
    Candidate* const begin = candidates_.data();
    Candidate* const place =
        std::lower_bound(begin, begin + count_, distance,
                         [](const Candidate& candidate, float value) {
                           return candidate.distance < value;
                         });
    std::memmove(place + 1, place,
                 static_cast<size_t>(begin + count_ - place) * sizeof(*place));
    *place = {distance, row & 0x7FFFFFFF, 0};
    ++count_;
    next_ = std::min(next_, static_cast<size_t>(place - begin));
    return true;
  }
  // The nearest row not taken yet; null: none is left.
  const Candidate* TakeNearest() {
    while (next_ < count_ && candidates_[next_].expanded) ++next_;
    if (next_ == count_) return nullptr;
    if (next_ >= floor_ && candidates_[next_].distance > limit_) return nullptr;
    candidates_[next_].expanded = 1;
    return &candidates_[next_++];
  }
  bool full() const { return count_ == ef_; }
  absl::Span<const Candidate> candidates() const {
    return absl::MakeConstSpan(candidates_.data(), count_);
  }

 private:
  std::vector<Candidate> candidates_;
  size_t ef_ = 0;
  size_t floor_ = 1;
  float limit_ = std::numeric_limits<float>::infinity();
  size_t count_ = 0;
  size_t next_ = 0;  // all before it are expanded
};

// Rows whose distances are computed together.
struct RowBatch {
  // Room for so many more.
  void Reserve(size_t more) {
    if (rows.size() >= count + more) return;
    rows.resize(count + more);
    addresses.resize(count + more);
    distances.resize(count + more);
  }
  // `row` counts only if `wanted`: without a branch, which the processor could
  // not foresee. There must be room.
  void AddIf(bool wanted, uint32_t row) {
    rows[count] = row;
    count += wanted;
  }
  // Fills in the distances of all rows.
  void Compute(const VectorRows& vectors, const DistanceFunction& distance,
               const void* query) {
    for (size_t i = 0; i < count; ++i) addresses[i] = vectors.row(rows[i]);
    distance.Batch(query, addresses.data(), count, distances.data());
  }

  size_t count = 0;
  std::vector<uint32_t> rows;
  std::vector<const std::byte*> addresses;
  std::vector<float> distances;
};

struct WalkScratch {
  explicit WalkScratch(size_t rows) : met(rows) {}

  MetRows met;
  CandidatePool pool;
  RowBatch batch;
};

// Appends those of `neighbors` that were not met before, marks them as met and
// asks for their vectors.
inline void CollectUnmet(const VectorRows& rows,
                         absl::Span<const uint32_t> neighbors,
                         WalkScratch& scratch) {
  for (const uint32_t neighbor : neighbors) scratch.met.Prefetch(neighbor);
  RowBatch& batch = scratch.batch;
  batch.Reserve(neighbors.size() + 1);
  const size_t first = batch.count;
  for (const uint32_t neighbor : neighbors) {
    batch.AddIf(scratch.met.Meet(neighbor), neighbor);
  }
  for (size_t i = first; i < batch.count; ++i) rows.Prefetch(batch.rows[i]);
}

// Leaves the nearest rows in scratch.pool, which is Reset and holds where to
// start; the start is met. `neighbors_of(row)` is a span of rows,
// `prefetch_neighbors_of(row)` asks for it. Returns the number of distances
// computed.
template <typename NeighborsOf, typename PrefetchNeighborsOf>
size_t WalkNearest(const VectorRows& rows, const DistanceFunction& distance,
                   const void* query, NeighborsOf neighbors_of,
                   PrefetchNeighborsOf prefetch_neighbors_of,
                   WalkScratch& scratch) {
  constexpr int kExpandedTogether = 3;
  size_t visits = 0;
  while (true) {
    RowBatch& batch = scratch.batch;
    batch.count = 0;
    int expanded = 0;
    for (; expanded < kExpandedTogether; ++expanded) {
      const CandidatePool::Candidate* nearest = scratch.pool.TakeNearest();
      if (nearest == nullptr) break;
      CollectUnmet(rows, neighbors_of(nearest->row), scratch);
    }
    if (expanded == 0) return visits;
    batch.Compute(rows, distance, query);
    visits += batch.count;
    for (size_t i = 0; i < batch.count; ++i) {
      if (scratch.pool.Offer(batch.distances[i], batch.rows[i])) {
        prefetch_neighbors_of(batch.rows[i]);
      }
    }
  }
}

}  // namespace diptych::storage
