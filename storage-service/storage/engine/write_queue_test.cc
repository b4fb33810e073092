#include "storage/engine/write_queue.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;

class WriteQueueTest : public ::testing::Test {
 protected:
  ~WriteQueueTest() override {
    for (std::thread& thread : threads_) thread.join();
  }

  WriteQueue& queue() {
    if (queue_ == nullptr) {
      queue_ =
          std::make_unique<WriteQueue>(&store_, &published_, &clock_, options_);
    }
    return *queue_;
  }

  QueuedWrite Put(const std::string& key) {
    QueuedWrite write;
    write.bytes = 10;
    write.prepare = [](WriteTransaction&) { return absl::OkStatus(); };
    write.write = [key](WriteTransaction& transaction) {
      return transaction.Put(Table::kIds, key, "value");
    };
    write.apply = [this, key] {
      absl::MutexLock lock(&mutex_);
      applied_.push_back(key);
      return absl::OkStatus();
    };
    return write;
  }

  // Holds the first commit until Release; returns when it is held.
  void BlockFirstCommit(const std::string& key) {
    store_.SetCommitHook([this](int64_t number) {
      if (number != 1) return absl::OkStatus();
      blocked_.Notify();
      release_.WaitForNotification();
      return absl::OkStatus();
    });
    Start(key, {}, Put(key));
    blocked_.WaitForNotification();
  }
  void Release() { release_.Notify(); }

  // Runs a write in a thread of its own and waits until it is queued.
  void Start(const std::string& key, CallContext context, QueuedWrite write) {
    const size_t before = queue().queued();
    const bool first = !blocked_.HasBeenNotified();
    threads_.emplace_back([this, key, context, write] {
      const absl::Status status = queue().Run(context, write);
      absl::MutexLock lock(&mutex_);
      statuses_[key] = status;
    });
    while (!first && queue().queued() == before) std::this_thread::yield();
  }

  absl::Status StatusOf(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return statuses_.contains(key);
    };
    mutex_.Await(absl::Condition(&there));
    return statuses_[key];
  }

  bool Stored(const std::string& key) {
    auto read = store_.BeginRead();
    return (*read)->Get(Table::kIds, key)->has_value();
  }

  MemoryRecordStore store_;
  FakeClock clock_;
  WriteQueueOptions options_;
  absl::Mutex published_;
  absl::Mutex mutex_;
  std::vector<std::string> applied_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> statuses_ ABSL_GUARDED_BY(mutex_);
  absl::Notification blocked_, release_;
  std::unique_ptr<WriteQueue> queue_;
  std::vector<std::thread> threads_;
};

TEST_F(WriteQueueTest, WritesThatComeDuringACommitShareTheNextOne) {
  BlockFirstCommit("a");
  for (const char* key : {"b", "c", "d"}) Start(key, {}, Put(key));
  Release();
  for (const char* key : {"a", "b", "c", "d"}) {
    EXPECT_THAT(StatusOf(key), IsOk());
    EXPECT_TRUE(Stored(key));
  }
  EXPECT_EQ(store_.commits(), 2);
  absl::MutexLock lock(&mutex_);
  EXPECT_THAT(applied_, ElementsAre("a", "b", "c", "d"));
}

TEST_F(WriteQueueTest, ARequestThatIsRefusedSparesItsGroup) {
  BlockFirstCommit("a");
  Start("b", {}, Put("b"));
  QueuedWrite refused = Put("c");
  refused.prepare = [](WriteTransaction&) {
    return absl::InvalidArgumentError("no");
  };
  Start("c", {}, refused);
  Start("d", {}, Put("d"));
  Release();
  EXPECT_THAT(StatusOf("b"), IsOk());
  EXPECT_THAT(StatusOf("c"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(StatusOf("d"), IsOk());
  EXPECT_FALSE(Stored("c"));
  EXPECT_EQ(store_.commits(), 2);
}

TEST_F(WriteQueueTest, AFailedCommitFailsExactlyItsGroup) {
  store_.SetCommitHook([this](int64_t number) {
    if (number == 1) {
      blocked_.Notify();
      release_.WaitForNotification();
    }
    return number == 2 ? absl::InternalError("disk") : absl::OkStatus();
  });
  Start("a", {}, Put("a"));
  blocked_.WaitForNotification();
  Start("b", {}, Put("b"));
  Start("c", {}, Put("c"));
  Release();
  EXPECT_THAT(StatusOf("a"), IsOk());
  EXPECT_THAT(StatusOf("b"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(StatusOf("c"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_FALSE(Stored("b"));
  EXPECT_THAT(queue().Run({}, Put("e")), IsOk());
  absl::MutexLock lock(&mutex_);
  EXPECT_THAT(applied_, ElementsAre("a", "e"));
}

TEST_F(WriteQueueTest, GroupsAreBoundedByRequestsAndBytes) {
  options_.group_requests_max = 3;
  options_.group_bytes_max = 25;
  BlockFirstCommit("a");
  for (const char* key : {"b", "c", "d", "e"}) Start(key, {}, Put(key));
  Release();
  for (const char* key : {"b", "c", "d", "e"}) {
    EXPECT_THAT(StatusOf(key), IsOk());
  }
  // a; b and c; d and e: three tens are more than 25.
  EXPECT_EQ(store_.commits(), 3);
}

TEST_F(WriteQueueTest, AWriteThatWantsToBeAloneIs) {
  BlockFirstCommit("a");
  Start("b", {}, Put("b"));
  QueuedWrite alone = Put("c");
  alone.alone = true;
  Start("c", {}, alone);
  Start("d", {}, Put("d"));
  Release();
  for (const char* key : {"b", "c", "d"}) EXPECT_THAT(StatusOf(key), IsOk());
  EXPECT_EQ(store_.commits(), 4);
}

TEST_F(WriteQueueTest, AFullQueueRefusesAndSaysWhenToRetry) {
  options_.queued_requests_max = 1;
  BlockFirstCommit("a");
  Start("b", {}, Put("b"));
  const absl::Status full = queue().Run({}, Put("c"));
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(RetryAfterOf(full).has_value());
  Release();
  EXPECT_THAT(StatusOf("b"), IsOk());
  EXPECT_FALSE(Stored("c"));
}

TEST_F(WriteQueueTest, ADeadlineEndsTheWaitAndNothingIsWritten) {
  BlockFirstCommit("a");
  CallContext context;
  context.deadline = clock_.Now() + absl::Seconds(1);
  Start("b", context, Put("b"));
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(StatusOf("b"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  Release();
  EXPECT_THAT(StatusOf("a"), IsOk());
  EXPECT_FALSE(Stored("b"));
}

TEST_F(WriteQueueTest, ACancelledRequestIsDroppedWhenItsTurnComes) {
  BlockFirstCommit("a");
  auto cancellation = std::make_shared<Cancellation>();
  CallContext context;
  context.cancellation = cancellation;
  Start("b", context, Put("b"));
  cancellation->Cancel();
  Release();
  EXPECT_THAT(StatusOf("b"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(Stored("b"));
  // An empty group needs no commit.
  EXPECT_EQ(store_.commits(), 1);
}

}  // namespace
}  // namespace diptych::storage
