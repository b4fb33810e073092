// Queries of one collection, written as the part behind its name. For tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "gmock/gmock.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {

class QueryTest : public StorageServicesTest {
 protected:
  // Of `collection`, which the test creates.
  explicit QueryTest(std::string collection)
      : collection_(std::move(collection)) {}

  absl::StatusOr<v1::QueryResponse> Ask(const std::string& query) {
    return Query(absl::StrCat("collection: '", collection_, "' ", query));
  }
  std::vector<std::string> Found(const std::string& query) {
    const auto response = Ask(query);
    EXPECT_TRUE(response.ok()) << query << "\n" << response.status();
    return response.ok() ? Ids(*response) : std::vector<std::string>();
  }
  // `field`: the path of the first violation.
  void ExpectRefused(const std::string& query, const std::string& field) {
    const absl::Status status = Ask(query).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << query;
    ASSERT_FALSE(FieldViolationsOf(status).empty()) << query;
    EXPECT_EQ(FieldViolationsOf(status)[0].field, field) << query;
  }

 private:
  const std::string collection_;
};

}  // namespace diptych::storage
