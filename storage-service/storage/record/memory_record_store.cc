#include "storage/record/memory_record_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

absl::Status CheckKey(absl::string_view key) {
  if (!key.empty() && key.size() <= RecordStore::kKeyBytesMax) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("keys have 1 to ", RecordStore::kKeyBytesMax,
                   " bytes, this one has ", key.size()));
}

}  // namespace

class MemoryRecordStore::Cursor final : public RecordCursor {
 public:
  explicit Cursor(std::shared_ptr<const TableData> data)
      : data_(std::move(data)), position_(data_->end()) {}

  absl::StatusOr<bool> Seek(absl::string_view key) override {
    position_ = data_->lower_bound(key);
    return position_ != data_->end();
  }
  absl::StatusOr<bool> Next() override {
    ++position_;
    return position_ != data_->end();
  }
  absl::string_view key() const override { return position_->first; }
  absl::string_view value() const override { return position_->second; }

 private:
  const std::shared_ptr<const TableData> data_;
  TableData::const_iterator position_;
};

class MemoryRecordStore::Read final : public ReadTransaction {
 public:
  explicit Read(std::shared_ptr<const Version> version)
      : version_(std::move(version)) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(
      Table table, absl::string_view key) override {
    const TableData& data = *(*version_)[static_cast<int>(table)];
    const auto found = data.find(key);
    if (found == data.end()) return std::optional<absl::string_view>();
    return std::optional<absl::string_view>(found->second);
  }
  absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
      Table table) override {
    return std::make_unique<Cursor>((*version_)[static_cast<int>(table)]);
  }

 private:
  const std::shared_ptr<const Version> version_;
};

class MemoryRecordStore::Write final : public WriteTransaction {
 public:
  explicit Write(const Version& version) : version_(version) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(
      Table table, absl::string_view key) override {
    const TableData& data = *version_[static_cast<int>(table)];
    const auto found = data.find(key);
    if (found == data.end()) return std::optional<absl::string_view>();
    return std::optional<absl::string_view>(found->second);
  }
  absl::StatusOr<std::unique_ptr<RecordCursor>> NewCursor(
      Table table) override {
    return std::make_unique<Cursor>(version_[static_cast<int>(table)]);
  }
  absl::Status Put(Table table, absl::string_view key,
                   absl::string_view value) override {
    DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
    Mutable(table).insert_or_assign(std::string(key), std::string(value));
    return absl::OkStatus();
  }
  absl::StatusOr<bool> Delete(Table table, absl::string_view key) override {
    DIPTYCH_RETURN_IF_ERROR(CheckKey(key));
    TableData& data = Mutable(table);
    const auto found = data.find(key);
    if (found == data.end()) return false;
    data.erase(found);
    return true;
  }

  const Version& version() const { return version_; }

 private:
  TableData& Mutable(Table table) {
    const int index = static_cast<int>(table);
    if (changed_[index] == nullptr) {
      changed_[index] = std::make_shared<TableData>(*version_[index]);
      version_[index] = changed_[index];
    }
    return *changed_[index];
  }

  Version version_;
  std::array<std::shared_ptr<TableData>, kTableCount> changed_;
};

MemoryRecordStore::MemoryRecordStore() {
  auto version = std::make_shared<Version>();
  for (auto& table : *version) table = std::make_shared<const TableData>();
  current_ = std::move(version);
}

MemoryRecordStore::~MemoryRecordStore() = default;

std::shared_ptr<const MemoryRecordStore::Version> MemoryRecordStore::current()
    const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<std::unique_ptr<ReadTransaction>>
MemoryRecordStore::BeginRead() {
  return std::make_unique<Read>(current());
}

absl::Status MemoryRecordStore::RunWrite(
    absl::FunctionRef<absl::Status(WriteTransaction&)> write) {
  absl::MutexLock write_lock(&write_mutex_);
  Write transaction(*current());
  DIPTYCH_RETURN_IF_ERROR(write(transaction));
  CommitHook hook;
  int64_t number;
  {
    absl::MutexLock lock(&mutex_);
    hook = hook_;
    number = ++commits_;
  }
  if (hook) DIPTYCH_RETURN_IF_ERROR(hook(number));
  absl::MutexLock lock(&mutex_);
  current_ = std::make_shared<const Version>(transaction.version());
  return absl::OkStatus();
}

uint64_t MemoryRecordStore::size_bytes() const {
  // Held while it is read: a commit may replace it meanwhile.
  const auto version = current();
  uint64_t bytes = 0;
  for (const auto& table : *version) {
    for (const auto& [key, value] : *table) bytes += key.size() + value.size();
  }
  return bytes;
}

void MemoryRecordStore::SetCommitHook(CommitHook hook) {
  absl::MutexLock lock(&mutex_);
  hook_ = std::move(hook);
}

int64_t MemoryRecordStore::commits() const {
  absl::MutexLock lock(&mutex_);
  return commits_;
}

}  // namespace diptych::storage
