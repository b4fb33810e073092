#include "storage/file_error/file_error.h"

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"

namespace diptych::storage {

absl::Status FileError(int error_number, absl::string_view doing) {
  if (error_number == 0) return absl::OkStatus();
  const std::string message =
      absl::StrCat(doing, ": ", std::generic_category().message(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return WithReason(absl::ResourceExhaustedError(
                            absl::StrCat(message, "; free disk space")),
                        "STORE_FULL");
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace diptych::storage
