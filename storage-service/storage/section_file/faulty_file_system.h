// A file system that fails when a test says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "storage/section_file/file_system.h"

namespace diptych::storage {

// Operation: passes every operation on to the machine's file system and counts
// it. From the operation FailFrom names on, each fails; an append that is the
// first to fail has written half of its bytes, as a full disk does.
// Concurrency: as FileSystem.
class FaultyFileSystem final : public FileSystem {
 public:
  // `number` counts from 1; 0: none fails. Counting begins anew.
  void FailFrom(int64_t number) {
    absl::MutexLock lock(&mutex_);
    fail_from_ = number;
    operations_ = 0;
  }
  int64_t operations() const {
    absl::MutexLock lock(&mutex_);
    return operations_;
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::filesystem::path& path) override {
    if (absl::Status fault = Count("create"); !fault.ok()) return fault;
    auto file = System().Create(path);
    if (!file.ok()) return file.status();
    return std::make_unique<File>(this, *std::move(file));
  }
  absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::filesystem::path& path) override {
    if (absl::Status fault = Count("open"); !fault.ok()) return fault;
    return System().Open(path);
  }
  absl::Status MakeDirectory(const std::filesystem::path& path) override {
    if (absl::Status fault = Count("mkdir"); !fault.ok()) return fault;
    return System().MakeDirectory(path);
  }
  absl::Status Rename(const std::filesystem::path& from,
                      const std::filesystem::path& to) override {
    if (absl::Status fault = Count("rename"); !fault.ok()) return fault;
    return System().Rename(from, to);
  }
  absl::Status SyncDirectory(const std::filesystem::path& path) override {
    if (absl::Status fault = Count("sync"); !fault.ok()) return fault;
    return System().SyncDirectory(path);
  }
  absl::Status Remove(const std::filesystem::path& path) override {
    if (absl::Status fault = Count("remove"); !fault.ok()) return fault;
    return System().Remove(path);
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::filesystem::path& directory) override {
    if (absl::Status fault = Count("list"); !fault.ok()) return fault;
    return System().List(directory);
  }

 private:
  class File final : public WritableFile {
   public:
    File(FaultyFileSystem* owner, std::unique_ptr<WritableFile> file)
        : owner_(owner), file_(std::move(file)) {}
    absl::Status Append(absl::string_view bytes) override {
      if (absl::Status fault = owner_->Count("write"); !fault.ok()) {
        file_->Append(bytes.substr(0, bytes.size() / 2)).IgnoreError();
        return fault;
      }
      return file_->Append(bytes);
    }
    absl::Status Sync() override {
      if (absl::Status fault = owner_->Count("fsync"); !fault.ok()) {
        return fault;
      }
      return file_->Sync();
    }

   private:
    FaultyFileSystem* const owner_;
    const std::unique_ptr<WritableFile> file_;
  };

  absl::Status Count(absl::string_view operation) {
    absl::MutexLock lock(&mutex_);
    ++operations_;
    if (fail_from_ == 0 || operations_ < fail_from_) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat(
        "the test lets this fail: ", operation, ", number ", operations_));
  }

  mutable absl::Mutex mutex_;
  int64_t fail_from_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace diptych::storage
