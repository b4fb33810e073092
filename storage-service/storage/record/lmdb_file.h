// LMDB's data file, read and mended without LMDB, which trusts every page: a
// damaged one makes it crash.
//
// The format is that of LMDB 0.9 (MDB_DATA_VERSION 1) on 64-bit processors of
// little-endian order, as its source tells it:
// https://git.openldap.org/openldap/openldap/-/blob/OPENLDAP_REL_ENG_2_5/libraries/liblmdb/mdb.c
//
// Concurrency: functions without shared state; nobody may write meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"

namespace diptych::storage {

// Operation: reads the two meta pages and every page of every tree of the
// current state, but not what overflow pages hold. OK: each page says what it
// is and lies within the file, trees are as deep as they say, keys ascend and
// stay between those of the pages above, every node lies within its page, and
// every page belongs to one tree or to the list of free ones, not to two or
// none. Then LMDB reads and writes the file without leaving its pages. Whether
// records are what was written is for their own checksums to say.
// A file that is missing or empty, which LMDB makes anew, is OK.
// Limits: main memory of one bit per page of the file.
// Errors: DATA_LOSS says what is wrong where. NOT_FOUND, PERMISSION_DENIED,
// INTERNAL: the file cannot be read.
absl::Status VerifyLmdbFile(const std::filesystem::path& path);

// Takes back the commit `transaction`, the file's last, of which it is not
// known whether it reached the disk: on OK it did not, for good. Nobody has the
// file open. DATA_LOSS: the file has another state. INTERNAL,
// RESOURCE_EXHAUSTED: the disk fails.
absl::Status RevertLmdbCommit(const std::filesystem::path& path,
                              uint64_t transaction);

}  // namespace diptych::storage
