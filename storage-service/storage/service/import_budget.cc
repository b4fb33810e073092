#include "storage/service/import_budget.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"

namespace diptych::storage {

std::shared_ptr<ImportBudget> ImportBudget::Create(const Limits& limits,
                                                   MetricsRegistry& metrics) {
  return std::shared_ptr<ImportBudget>(new ImportBudget(limits, metrics));
}

ImportBudget::ImportBudget(const Limits& limits, MetricsRegistry& metrics)
    : limits_(limits),
      streams_gauge_(
          metrics.AddGauge({"diptych_import_streams", "Imports under way"})),
      chunks_gauge_(metrics.AddGauge(
          {"diptych_import_chunks",
           "Chunks of imports that are read and not acknowledged"})),
      bytes_gauge_(metrics.AddGauge(
          {"diptych_import_bytes",
           "Bytes of imports that are read and not acknowledged"})),
      waiting_gauge_(metrics.AddGauge(
          {"diptych_import_streams_waiting",
           "Imports from which nothing is read until something is "
           "acknowledged"})),
      refused_(metrics.AddCounter(
          {"diptych_import_streams_refused_total",
           "Imports refused because there were as many as allowed"})) {}

absl::StatusOr<std::shared_ptr<ImportBudget::Share>> ImportBudget::Open() {
  absl::MutexLock lock(&mutex_);
  if (shares_.size() >= limits_.import_streams_max) {
    refused_.Increment();
    return WithRetryAfter(
        absl::ResourceExhaustedError(absl::StrCat(
            "as many imports are under way as the server allows; send more in "
            "one import, or try again later: ",
            limits_.import_streams_max)),
        absl::Seconds(1));
  }
  std::shared_ptr<Share> share(new Share(shared_from_this()));
  share->position_ = shares_.insert(shares_.end(), share.get());
  Measure();
  return share;
}

bool ImportBudget::HasRoom(const Share& share) const {
  return share.chunks_ < limits_.import_stream_chunks_max &&
         share.bytes_ < limits_.import_stream_bytes_max &&
         bytes_ < limits_.import_bytes_max;
}

void ImportBudget::Measure() {
  streams_gauge_.Set(static_cast<double>(shares_.size()));
  chunks_gauge_.Set(static_cast<double>(chunks_));
  bytes_gauge_.Set(static_cast<double>(bytes_));
  waiting_gauge_.Set(static_cast<double>(waiting_));
}

void ImportBudget::Release(Share& share, size_t chunks, size_t bytes,
                           bool close) {
  std::vector<absl::AnyInvocable<void() &&>> resumed;
  {
    absl::MutexLock lock(&mutex_);
    share.chunks_ -= chunks;
    share.bytes_ -= bytes;
    chunks_ -= chunks;
    bytes_ -= bytes;
    if (close) {
      if (share.resume_) --waiting_;
      share.resume_ = nullptr;
      if (share.open_) shares_.erase(share.position_);
      share.open_ = false;
    }
    for (auto next = shares_.begin(); next != shares_.end();) {
      Share* const waiting = *next++;
      if (!waiting->resume_ || !HasRoom(*waiting)) continue;
      resumed.push_back(std::move(waiting->resume_));
      waiting->resume_ = nullptr;
      --waiting_;
      // Behind the others, when room is short again.
      shares_.splice(shares_.end(), shares_, waiting->position_);
    }
    Measure();
  }
  for (auto& resume : resumed) std::move(resume)();
}

ImportBudget::Share::~Share() {
  budget_->Release(*this, chunks_, bytes_, /*close=*/true);
}

void ImportBudget::Share::Close() {
  budget_->Release(*this, 0, 0, /*close=*/true);
}

void ImportBudget::Share::Take(size_t bytes) {
  absl::MutexLock lock(&budget_->mutex_);
  ++chunks_;
  bytes_ += bytes;
  ++budget_->chunks_;
  budget_->bytes_ += bytes;
  budget_->Measure();
}

void ImportBudget::Share::Return(size_t chunks, size_t bytes) {
  budget_->Release(*this, chunks, bytes, /*close=*/false);
}

bool ImportBudget::Share::AwaitRoom(absl::AnyInvocable<void() &&> resume) {
  absl::MutexLock lock(&budget_->mutex_);
  if (budget_->HasRoom(*this)) return true;
  resume_ = std::move(resume);
  ++budget_->waiting_;
  budget_->Measure();
  return false;
}

}  // namespace diptych::storage
