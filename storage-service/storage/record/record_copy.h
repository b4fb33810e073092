// Copies all records of one store into another.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "storage/record/record_store.h"

namespace diptych::storage {

// Operation: every record of every table as `from` sees it, byte for byte, in
// the order of keys, so that the copy is packed densely and holds nothing that
// was deleted. `to` must be empty. Damaged records are copied as they are;
// their checksums tell.
// Concurrency: one thread; `from` may be of a store that is written meanwhile.
// Limits: a transaction of `to` writes some 32 MiB, and one record at least.
// Errors: that of `check`, which is asked before every transaction; those of
// the stores. Then `to` holds a part and must be thrown away.
absl::Status CopyRecords(ReadTransaction& from, RecordStore& to,
                         absl::FunctionRef<absl::Status()> check);

}  // namespace diptych::storage
