#include "common/memory/memory_reserve.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych {
namespace {

// A new_handler has no argument.
std::atomic<MemoryReserve*> installed{nullptr};

// Made beforehand: nothing can be formatted when there is no memory.
constexpr char kLastWords[] =
    "{\"level\":\"error\",\"message\":\"out of memory, and the reserve is used "
    "up: the process ends; nothing that was acknowledged is lost. Give it more "
    "memory, a larger --memory-reserve-bytes, or less to hold\"}\n";

// Touched, so that the system cannot promise it to others. Null: no memory.
void* TakeBlock(size_t bytes) {
  void* const block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryReserve>> MemoryReserve::Install(
    size_t bytes, const Clock& clock, MetricsRegistry& metrics) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t pages = bytes / (kBlocks * page) + 1;
  std::unique_ptr<MemoryReserve> reserve(
      new MemoryReserve(pages * page, clock, metrics));
  if (!reserve->TakeMissing()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the system does not give the memory reserve; give fewer bytes than ",
        bytes));
  }
  MemoryReserve* none = nullptr;
  if (!installed.compare_exchange_strong(none, reserve.get())) {
    return absl::FailedPreconditionError("there is a memory reserve already");
  }
  reserve->previous_ = std::set_new_handler(&OnAllocationFailure);
  return reserve;
}

MemoryReserve::MemoryReserve(size_t block_bytes, const Clock& clock,
                             MetricsRegistry& metrics)
    : block_bytes_(block_bytes),
      clock_(clock),
      released_counter_(metrics.AddCounter(
          {"diptych_memory_reserve_released_total",
           "Blocks of the memory reserve given back because an allocation "
           "failed"})),
      refused_counter_(metrics.AddCounter(
          {"diptych_memory_reserve_refused_total",
           "Calls refused because the memory reserve was not whole"})),
      missing_gauge_(metrics.AddGauge(
          {"diptych_memory_reserve_exhausted",
           "1 while the memory reserve is not whole, else 0"})) {}

MemoryReserve::~MemoryReserve() {
  MemoryReserve* self = this;
  if (installed.compare_exchange_strong(self, nullptr)) {
    std::set_new_handler(previous_);
  }
  for (std::atomic<void*>& block : blocks_) {
    void* const taken = block.exchange(nullptr);
    if (taken != nullptr) munmap(taken, block_bytes_);
  }
}

void MemoryReserve::OnAllocationFailure() {
  MemoryReserve* const reserve = installed;
  if (reserve != nullptr && reserve->ReleaseOne()) return;
  // Nobody can be told when this fails, too.
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, kLastWords, sizeof(kLastWords) - 1);
  std::_Exit(kOutOfMemoryExitStatus);
}

bool MemoryReserve::ReleaseOne() {
  for (std::atomic<void*>& block : blocks_) {
    void* const taken = block.exchange(nullptr);
    if (taken == nullptr) continue;
    munmap(taken, block_bytes_);
    // After the block is gone: TakeMissing() clears it before it looks.
    missing_ = true;
    ++released_;
    released_counter_.Increment();
    missing_gauge_.Set(1);
    return true;
  }
  return false;
}

bool MemoryReserve::TakeMissing() {
  missing_ = false;
  missing_gauge_.Set(0);
  for (std::atomic<void*>& block : blocks_) {
    if (block.load() != nullptr) continue;
    void* const taken = TakeBlock(block_bytes_);
    if (taken == nullptr) {
      missing_ = true;
      missing_gauge_.Set(1);
      return false;
    }
    // Only one thread at a time takes, so the place is still empty.
    block.store(taken);
  }
  return true;
}

bool MemoryReserve::exhausted() {
  if (!missing_) return false;
  absl::MutexLock lock(&mutex_);
  if (!missing_) return false;
  const absl::Time now = clock_.Now();
  if (now < last_try_ + kRetakeInterval) return true;
  last_try_ = now;
  TakeMissing();
  return missing_;
}

absl::Status MemoryReserve::Admit() {
  if (!exhausted()) return absl::OkStatus();
  refused_counter_.Increment();
  return WithRetryAfter(
      WithReason(absl::ResourceExhaustedError(
                     "the server is short of memory and takes nothing that "
                     "needs more; deleting and searching go on. Try again "
                     "later, or give the server more memory"),
                 "OUT_OF_MEMORY"),
      absl::Seconds(1));
}

}  // namespace diptych
