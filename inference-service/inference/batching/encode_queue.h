// The inputs that wait for one model, and the rule by which they become
// batches. Time comes in as an argument and nothing waits here, so every rule
// can be tested to the nanosecond; DynamicBatcher adds the lock and the thread.
//
// Operation: Add queues an input in the group that it may share a batch with:
// images, or texts of about the same length (up to 8, 16, 32, ... tokens,
// because a batch is padded to its longest). TakeBatch closes the batch that is
// due.
//
// A group is due when (in this order, which is the reason that is reported)
//   full      it has batch_max inputs,
//   delay     its oldest input has waited delay_max,
//   deadline  the nearest deadline in it is at most deadline_margin away,
//   idle      no input that could join it is on its way (Expect).
// Batches are taken when the encoder is free, so a lone input on an idle
// encoder is encoded at once, and while the encoder is busy inputs gather.
//
// Of several due groups the one whose oldest interactive input came first
// leads, and takes at most as many bulk inputs along as it has interactive
// ones, so that a query among bulk work waits for the batch that is being
// computed and then for hardly more than its own time. After
// kInteractiveBatchesInARow batches without bulk while bulk waited, a batch is
// led and filled by bulk first. So interactive work waits for at most one bulk
// batch, and bulk gets at least every fifth batch.
//
// An input whose deadline has passed or whose caller cancelled is dropped when
// it leaves the queue, and takes no room in the batch.
//
// Concurrency: not thread safe. Limits: the caller's (DynamicBatcher).
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "inference/batching/batcher_metrics.h"
#include "inference/model/encoder.h"
#include "inference/types/image.h"
#include "inference/types/priority.h"
#include "inference/types/token_ids.h"

namespace diptych::inference {

// One input, ready for the encoder.
struct EncodeJob {
  // What EncodeTexts or EncodeImages takes.
  std::variant<TokenIds, Image> input;
  Priority priority = Priority::kInteractive;
  CallContext call;
  // Called exactly once, from any thread; must not block.
  absl::AnyInvocable<void(absl::StatusOr<Embedding>) &&> done;

  Modality modality() const {
    return input.index() == 0 ? Modality::kText : Modality::kImage;
  }
};

struct BatchRules {
  // Inputs per batch, 1 to Encoder::kBatchMax; 1 turns batching off.
  int batch_max = 64;
  // How long an input waits for others that are on their way; 0: not at all.
  absl::Duration delay_max = absl::Milliseconds(3);
  // About the time that encoding takes; 0: a deadline closes no batch early.
  absl::Duration deadline_margin = absl::Milliseconds(20);
};

class EncodeQueue {
 public:
  static constexpr int kInteractiveBatchesInARow = 4;

  struct Entry {
    EncodeJob job;
    absl::Time arrival;
  };
  struct Batch {
    Modality modality = Modality::kText;
    CloseReason reason = CloseReason::kIdle;
    // All of one modality; may be empty when all were dropped.
    std::vector<Entry> entries;
    // Dropped inputs and why.
    std::vector<std::pair<Entry, absl::Status>> dropped;
  };

  explicit EncodeQueue(const BatchRules& rules) : rules_(rules) {}

  // `count` more (or fewer, when negative) inputs are on their way.
  void Expect(Modality modality, Priority priority, int count);

  void Add(EncodeJob job, absl::Time now);

  // The batch that is due, or nothing. `flush`: everything is due.
  std::optional<Batch> TakeBatch(absl::Time now, bool flush = false);

  // When TakeBatch gives a batch if nothing changes; InfiniteFuture when empty.
  absl::Time NextDue() const;

  // Inputs that wait.
  int size() const { return size_; }

 private:
  // Waiting inputs that may share a batch, by priority, oldest first.
  struct Group {
    std::array<std::deque<Entry>, kPriorities> lanes;

    const std::deque<Entry>& lane(Priority priority) const {
      return lanes[static_cast<int>(priority)];
    }
    int size() const {
      return static_cast<int>(lanes[0].size() + lanes[1].size());
    }
  };
  // Modality, and for texts the longest length of the group.
  using GroupKey = std::pair<Modality, int>;
  using Groups = std::map<GroupKey, Group>;

  static GroupKey KeyOf(const EncodeJob& job);
  std::optional<CloseReason> DueReason(const GroupKey& key, const Group& group,
                                       absl::Time now) const;
  // Becomes due for its age or its deadlines.
  absl::Time DueTime(const Group& group) const;
  absl::Time NearestDeadline(const Group& group) const;
  bool AnyExpected(Modality modality, Priority lowest) const;
  bool BulkWaits() const;
  // The due group whose oldest input of `priority` came first, or end().
  Groups::iterator OldestDue(Priority priority, absl::Time now, bool flush);
  Batch Take(Groups::iterator group, Priority leading, CloseReason reason,
             absl::Time now);

  const BatchRules rules_;
  Groups groups_;
  int size_ = 0;
  std::array<std::array<int, kPriorities>, kModalities> expected_ = {};
  int batches_without_bulk_ = 0;
};

}  // namespace diptych::inference
