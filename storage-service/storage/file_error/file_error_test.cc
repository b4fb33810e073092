#include "storage/file_error/file_error.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "common/status/error_details.h"

namespace diptych::storage {
namespace {

TEST(FileErrorTest, SaysWhatTheCallerCanDo) {
  EXPECT_TRUE(FileError(0, "cannot write /a").ok());
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    const absl::Status status = FileError(full, "cannot write /a");
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(ReasonOf(status), "STORE_FULL");
    EXPECT_NE(status.message().find("free disk space"), std::string::npos);
  }
  for (const int refused : {EACCES, EPERM, EROFS}) {
    EXPECT_EQ(FileError(refused, "cannot write /a").code(),
              absl::StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(FileError(ENOENT, "cannot open /a").code(),
            absl::StatusCode::kNotFound);
  const absl::Status broken = FileError(EIO, "cannot read /a");
  EXPECT_EQ(broken.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(broken.message(), "cannot read /a: Input/output error");
}

}  // namespace
}  // namespace diptych::storage
