#include "storage/record/directory_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DirectoryLockTest, ASecondOwnerIsRefusedAndTheFirstIsNamed) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto lock,
                               DirectoryLock::Acquire(directory.path()));
  EXPECT_THAT(DirectoryLock::Acquire(directory.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat(getpid())),
                             HasSubstr("another server"))));
}

TEST(DirectoryLockTest, ASecondProcessIsRefused) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto lock,
                               DirectoryLock::Acquire(directory.path()));
  const pid_t child = fork();
  if (child == 0) {
    const auto second = DirectoryLock::Acquire(directory.path());
    _exit(second.status().code() == absl::StatusCode::kFailedPrecondition ? 0
                                                                          : 1);
  }
  int result = -1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
}

TEST(DirectoryLockTest, ItIsFreeAgainAfterwardsAndMakesItsDirectory) {
  TempDirectory directory;
  const auto path = directory.path() / "a" / "b";
  { ASSERT_THAT(DirectoryLock::Acquire(path), IsOk()); }
  EXPECT_THAT(DirectoryLock::Acquire(path), IsOk());
}

}  // namespace
}  // namespace diptych::storage
