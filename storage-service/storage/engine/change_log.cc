#include "storage/engine/change_log.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {

absl::StatusOr<uint64_t> ReadSequence(ReadTransaction& transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kMeta, kSequenceKey));
  if (!record.has_value()) return 0;
  return DecodeNumber(kSequenceKey, *record);
}

absl::Status AppendChange(WriteTransaction& transaction,
                          const ChangeRecord& change) {
  if (change.first_slot == change.end_slot && change.removed.empty()) {
    return absl::OkStatus();
  }
  DIPTYCH_ASSIGN_OR_RETURN(uint64_t sequence, ReadSequence(transaction));
  ++sequence;
  const std::string key = ChangeKey(sequence);
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Append(Table::kChanges, key, EncodeChange(key, change)));
  return transaction.Put(Table::kMeta, kSequenceKey,
                         EncodeNumber(kSequenceKey, sequence));
}

absl::StatusOr<SlotSet> ReadRemovedSince(ReadTransaction& transaction,
                                         uint64_t sequence) {
  DIPTYCH_ASSIGN_OR_RETURN(const uint64_t last, ReadSequence(transaction));
  DIPTYCH_ASSIGN_OR_RETURN(auto cursor, transaction.NewCursor(Table::kChanges));
  SlotSet removed;
  DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(ChangeKey(sequence + 1)));
  for (uint64_t next = sequence + 1; next <= last; ++next) {
    if (!found || cursor->key() != ChangeKey(next)) {
      return absl::DataLossError(
          absl::StrCat("the change log lacks change ", next));
    }
    DIPTYCH_ASSIGN_OR_RETURN(const ChangeRecord change,
                             DecodeChange(cursor->key(), cursor->value()));
    removed.AddAll(change.removed);
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
  }
  return removed;
}

absl::StatusOr<bool> TrimChanges(WriteTransaction& transaction,
                                 uint64_t sequence, size_t limit) {
  std::vector<std::string> keys;
  {
    DIPTYCH_ASSIGN_OR_RETURN(auto cursor,
                             transaction.NewCursor(Table::kChanges));
    DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(""));
    while (found && keys.size() < limit &&
           cursor->key() <= absl::string_view(ChangeKey(sequence))) {
      keys.emplace_back(cursor->key());
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
    }
  }
  for (const std::string& key : keys) {
    DIPTYCH_RETURN_IF_ERROR(transaction.Delete(Table::kChanges, key).status());
  }
  return keys.size() < limit;
}

absl::Status ForgetChanges(WriteTransaction& transaction, size_t limit) {
  DIPTYCH_ASSIGN_OR_RETURN(const uint64_t last, ReadSequence(transaction));
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Delete(Table::kMeta, kIndexSnapshotKey).status());
  return TrimChanges(transaction, last, limit).status();
}

absl::StatusOr<std::optional<IndexSnapshotRecord>> ReadIndexSnapshotRecord(
    ReadTransaction& transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(auto record,
                           transaction.Get(Table::kMeta, kIndexSnapshotKey));
  if (!record.has_value()) return std::optional<IndexSnapshotRecord>();
  DIPTYCH_ASSIGN_OR_RETURN(const IndexSnapshotRecord decoded,
                           DecodeIndexSnapshot(kIndexSnapshotKey, *record));
  return std::optional<IndexSnapshotRecord>(decoded);
}

absl::Status WriteIndexSnapshotRecord(WriteTransaction& transaction,
                                      const IndexSnapshotRecord& record) {
  return transaction.Put(Table::kMeta, kIndexSnapshotKey,
                         EncodeIndexSnapshot(kIndexSnapshotKey, record));
}

}  // namespace diptych::storage
