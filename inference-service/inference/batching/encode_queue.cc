#include "inference/batching/encode_queue.h"

#include <algorithm>

namespace diptych::inference {
namespace {

constexpr int kShortestGroup = 8;
constexpr std::array<Priority, kPriorities> kAllPriorities = {
    Priority::kInteractive, Priority::kBulk};

}  // namespace

EncodeQueue::GroupKey EncodeQueue::KeyOf(const EncodeJob& job) {
  if (job.modality() == Modality::kImage) return {Modality::kImage, 0};
  const auto tokens = std::get<TokenIds>(job.input).ids.size();
  int length = kShortestGroup;
  while (static_cast<size_t>(length) < tokens) length *= 2;
  return {Modality::kText, length};
}

void EncodeQueue::Expect(Modality modality, Priority priority, int count) {
  expected_[static_cast<int>(modality)][static_cast<int>(priority)] += count;
}

void EncodeQueue::Add(EncodeJob job, absl::Time now) {
  const int lane = static_cast<int>(job.priority);
  groups_[KeyOf(job)].lanes[lane].push_back({std::move(job), now});
  ++size_;
}

std::optional<EncodeQueue::Batch> EncodeQueue::TakeBatch(absl::Time now,
                                                         bool flush) {
  const bool bulk_first = batches_without_bulk_ >= kInteractiveBatchesInARow;
  Priority leading = bulk_first ? Priority::kBulk : Priority::kInteractive;
  auto group = OldestDue(leading, now, flush);
  if (group == groups_.end()) {
    leading = bulk_first ? Priority::kInteractive : Priority::kBulk;
    group = OldestDue(leading, now, flush);
  }
  if (group == groups_.end()) return std::nullopt;
  const CloseReason reason = DueReason(group->first, group->second, now)
                                 .value_or(CloseReason::kShutdown);
  return Take(group, leading, reason, now);
}

absl::Time EncodeQueue::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, group] : groups_) {
    if (DueReason(key, group, absl::InfinitePast()).has_value()) {
      return absl::InfinitePast();
    }
    next = std::min(next, DueTime(group));
  }
  return next;
}

std::optional<CloseReason> EncodeQueue::DueReason(const GroupKey& key,
                                                  const Group& group,
                                                  absl::Time now) const {
  if (group.size() >= rules_.batch_max) return CloseReason::kFull;
  if (now >= DueTime(group)) {
    return NearestDeadline(group) - rules_.deadline_margin <= now
               ? CloseReason::kDeadline
               : CloseReason::kDelay;
  }
  const bool interactive = !group.lane(Priority::kInteractive).empty();
  if (!AnyExpected(key.first,
                   interactive ? Priority::kInteractive : Priority::kBulk)) {
    return CloseReason::kIdle;
  }
  return std::nullopt;
}

absl::Time EncodeQueue::DueTime(const Group& group) const {
  absl::Time oldest = absl::InfiniteFuture();
  for (const auto& lane : group.lanes) {
    if (!lane.empty()) oldest = std::min(oldest, lane.front().arrival);
  }
  return std::min(oldest + rules_.delay_max,
                  NearestDeadline(group) - rules_.deadline_margin);
}

absl::Time EncodeQueue::NearestDeadline(const Group& group) const {
  absl::Time nearest = absl::InfiniteFuture();
  if (rules_.deadline_margin <= absl::ZeroDuration()) return nearest;
  for (const auto& lane : group.lanes) {
    for (const Entry& entry : lane) {
      nearest = std::min(nearest, entry.job.call.deadline);
    }
  }
  return nearest;
}

bool EncodeQueue::AnyExpected(Modality modality, Priority lowest) const {
  const auto& expected = expected_[static_cast<int>(modality)];
  return expected[static_cast<int>(Priority::kInteractive)] > 0 ||
         (lowest == Priority::kBulk &&
          expected[static_cast<int>(Priority::kBulk)] > 0);
}

bool EncodeQueue::BulkWaits() const {
  return std::any_of(groups_.begin(), groups_.end(), [](const auto& group) {
    return !group.second.lane(Priority::kBulk).empty();
  });
}

EncodeQueue::Groups::iterator EncodeQueue::OldestDue(Priority priority,
                                                     absl::Time now,
                                                     bool flush) {
  auto oldest = groups_.end();
  for (auto group = groups_.begin(); group != groups_.end(); ++group) {
    const auto& lane = group->second.lane(priority);
    if (lane.empty() ||
        !(flush || DueReason(group->first, group->second, now).has_value())) {
      continue;
    }
    if (oldest == groups_.end() ||
        lane.front().arrival < oldest->second.lane(priority).front().arrival) {
      oldest = group;
    }
  }
  return oldest;
}

EncodeQueue::Batch EncodeQueue::Take(Groups::iterator group, Priority leading,
                                     CloseReason reason, absl::Time now) {
  Batch batch;
  batch.modality = group->first.first;
  batch.reason = reason;
  bool has_bulk = false;
  auto order = kAllPriorities;
  if (leading == Priority::kBulk) std::swap(order[0], order[1]);
  for (const Priority priority : order) {
    auto& lane = group->second.lanes[static_cast<int>(priority)];
    // A batch that answers queries takes no more of bulk work along than it has
    // queries: filled up, it would keep a single query waiting for a whole
    // batch.
    const int most =
        leading == Priority::kInteractive && priority == Priority::kBulk
            ? std::min(rules_.batch_max,
                       2 * static_cast<int>(batch.entries.size()))
            : rules_.batch_max;
    while (!lane.empty() && static_cast<int>(batch.entries.size()) < most) {
      Entry entry = std::move(lane.front());
      lane.pop_front();
      --size_;
      if (absl::Status wanted = entry.job.call.Check(now); !wanted.ok()) {
        batch.dropped.emplace_back(std::move(entry), std::move(wanted));
        continue;
      }
      has_bulk |= priority == Priority::kBulk;
      batch.entries.push_back(std::move(entry));
    }
  }
  if (group->second.size() == 0) groups_.erase(group);
  if (has_bulk || !BulkWaits()) {
    batches_without_bulk_ = 0;
  } else if (!batch.entries.empty()) {
    ++batches_without_bulk_;
  }
  return batch;
}

}  // namespace diptych::inference
