// AdminService over a real connection.
#include <filesystem>

#include "common/status/error_details.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

class AdminServiceTest : public StorageServicesTest {
 protected:
  explicit AdminServiceTest(bool reset_allowed = false)
      : StorageServicesTest({}, reset_allowed) {}

  template <typename Request, typename Response>
  absl::StatusOr<Response> Admin(
      grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                     const Request&, Response*),
      const std::string& request = "") {
    return Call(*admin_, method, request);
  }
  int64_t CountWords() {
    auto response = Call(*objects_, &v1::ObjectService::Stub::CountObjects,
                         R"(collection: "words")");
    return response.ok() ? response->count() : -1;
  }
};

class ResettableServiceTest : public AdminServiceTest {
 protected:
  ResettableServiceTest() : AdminServiceTest(/*reset_allowed=*/true) {}
};

TEST_F(AdminServiceTest, SnapshotsAreWrittenListedAndRestored) {
  Fill();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto created,
      Admin(&v1::AdminService::Stub::CreateSnapshot, R"(name: "monday")"));
  EXPECT_GT(created.size_bytes(), 0);
  EXPECT_TRUE(std::filesystem::exists(SnapshotDirectory() / "monday"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto listed,
                               Admin(&v1::AdminService::Stub::ListSnapshots));
  ASSERT_EQ(listed.snapshots_size(), 1);
  EXPECT_EQ(listed.snapshots(0).name(), "monday");
  EXPECT_EQ(listed.snapshots(0).size_bytes(), created.size_bytes());
  EXPECT_EQ(listed.snapshots(0).collections(), 1);
  EXPECT_GT(listed.snapshots(0).create_time().seconds(), 0);
  ASSERT_THAT(Call(*objects_, &v1::ObjectService::Stub::DeleteObjects,
                   R"(collection: "words" ids: "one")"),
              IsOk());
  ASSERT_EQ(CountWords(), 2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto restored,
      Admin(&v1::AdminService::Stub::RestoreSnapshot, R"(name: "monday")"));
  EXPECT_EQ(restored.collections(), 1);
  EXPECT_EQ(CountWords(), 3);
}

TEST_F(AdminServiceTest, BadNamesAndMissingThingsAreNamed) {
  const absl::Status bad =
      Admin(&v1::AdminService::Stub::CreateSnapshot, R"(name: "../x")")
          .status();
  ASSERT_THAT(bad, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldViolationsOf(bad)[0].field, "name");
  EXPECT_THAT(
      Admin(&v1::AdminService::Stub::RestoreSnapshot, R"(name: "none")"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(
      Admin(&v1::AdminService::Stub::CompactCollection, R"(name: "none")"),
      StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Admin(&v1::AdminService::Stub::Flush, R"(collection: "none")"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AdminServiceTest, CompactingTellsTheSizes) {
  Fill();
  EXPECT_THAT(Admin(&v1::AdminService::Stub::Flush), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto compacted,
      Admin(&v1::AdminService::Stub::CompactCollection, R"(name: "words")"));
  EXPECT_GT(compacted.disk_bytes_after(), 0);
  EXPECT_LE(compacted.disk_bytes_after(), compacted.disk_bytes_before());
  EXPECT_EQ(CountWords(), 3);
}

TEST_F(AdminServiceTest, AResetNeedsTheOperatorsLeave) {
  Fill();
  const absl::Status refused = Admin(&v1::AdminService::Stub::Reset).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied,
                                HasSubstr("--allow-reset")));
  EXPECT_EQ(ReasonOf(refused), "RESET_NOT_ALLOWED");
  EXPECT_EQ(CountWords(), 3);
}

TEST_F(ResettableServiceTest, AnAllowedResetDeletesEverything) {
  Fill();
  EXPECT_THAT(Admin(&v1::AdminService::Stub::Reset), IsOk());
  EXPECT_EQ(CountWords(), -1);
  EXPECT_THAT(Create(R"(collection { name: "words" })"), IsOk());
  EXPECT_EQ(CountWords(), 0);
}

}  // namespace
}  // namespace diptych::storage
