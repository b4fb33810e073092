#include "storage/record/record_copy.h"

#include <string>

#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

constexpr size_t kTransactionBytes = 32 << 20;

// Writes records from the cursor's position on until there are enough. False:
// there are no more.
absl::StatusOr<bool> CopySome(RecordCursor& cursor, Table table,
                              WriteTransaction& to) {
  size_t bytes = 0;
  bool found = true;
  while (found && bytes < kTransactionBytes) {
    DIPTYCH_RETURN_IF_ERROR(to.Append(table, cursor.key(), cursor.value()));
    bytes += cursor.key().size() + cursor.value().size();
    DIPTYCH_ASSIGN_OR_RETURN(found, cursor.Next());
  }
  return found;
}

}  // namespace

absl::Status CopyRecords(ReadTransaction& from, RecordStore& to,
                         absl::FunctionRef<absl::Status()> check) {
  for (int number = 0; number < kTableCount; ++number) {
    const Table table = static_cast<Table>(number);
    DIPTYCH_ASSIGN_OR_RETURN(auto cursor, from.NewCursor(table));
    DIPTYCH_ASSIGN_OR_RETURN(bool more, cursor->Seek(""));
    while (more) {
      DIPTYCH_RETURN_IF_ERROR(check());
      const std::string first(cursor->key());
      DIPTYCH_RETURN_IF_ERROR(
          to.RunWrite([&](WriteTransaction& transaction) -> absl::Status {
            // It may be run again, and then begins where it began.
            DIPTYCH_ASSIGN_OR_RETURN(more, cursor->Seek(first));
            if (!more) return absl::DataLossError("a key is gone in a read");
            DIPTYCH_ASSIGN_OR_RETURN(more,
                                     CopySome(*cursor, table, transaction));
            return absl::OkStatus();
          }));
    }
  }
  return absl::OkStatus();
}

}  // namespace diptych::storage
