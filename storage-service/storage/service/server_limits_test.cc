// Every limit that GetServerInfo lists, at it and beyond it.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error_details.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::StartsWith;

class ServerLimitsTest : public StorageServicesTest {
 protected:
  ServerLimitsTest() {
    EXPECT_THAT(Create(R"(collection { name: "own" vector_spaces {} })"),
                IsOk());
    auto info = Call(*admin_, &v1::AdminService::Stub::GetServerInfo, "");
    EXPECT_THAT(info, IsOk());
    limits_ = info->limits();
  }

  // As a message, because the text form of a large one takes long to parse.
  template <typename Request, typename Response, typename Stub>
  absl::Status Send(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request) {
    grpc::ClientContext context;
    Response response;
    return FromGrpcStatus((stub.*method)(&context, request, &response));
  }
  absl::Status Upsert(const v1::UpsertObjectsRequest& request) {
    return Send(*objects_, &v1::ObjectService::Stub::UpsertObjects, request);
  }
  absl::Status Query(const v1::QueryRequest& request) {
    return Send(*search_, &v1::SearchService::Stub::Query, request);
  }

  static v1::UpsertObjectsRequest OneObject() {
    v1::UpsertObjectsRequest request;
    request.set_collection("own");
    request.add_objects()->set_id("a");
    return request;
  }
  static v1::QueryRequest AllObjects() {
    v1::QueryRequest request;
    request.set_collection("own");
    return request;
  }

  static void ExpectField(const absl::Status& status,
                          const std::string& field) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    const auto violations = FieldViolationsOf(status);
    ASSERT_FALSE(violations.empty()) << field;
    EXPECT_THAT(violations[0].field, StartsWith(field));
  }

  v1::ServerLimits limits_;
};

TEST_F(ServerLimitsTest, PropertiesOfAnObject) {
  v1::UpsertObjectsRequest request = OneObject();
  auto& properties = *request.mutable_objects(0)->mutable_properties();
  for (int i = 0; i < limits_.properties_per_object_max(); ++i) {
    properties[absl::StrCat("p", i)].set_integer_value(i);
  }
  EXPECT_THAT(Upsert(request), IsOk());
  properties["one more"].set_bool_value(true);
  ExpectField(Upsert(request), "objects[0].properties");
}

TEST_F(ServerLimitsTest, BytesOfAnObject) {
  v1::UpsertObjectsRequest request = OneObject();
  auto& value = (*request.mutable_objects(0)->mutable_properties())["text"];
  value.set_text_value(std::string(limits_.object_bytes_max() - 1000, 'x'));
  EXPECT_THAT(Upsert(request), IsOk());
  value.set_text_value(std::string(limits_.object_bytes_max(), 'x'));
  ExpectField(Upsert(request), "objects[0].properties");
}

TEST_F(ServerLimitsTest, BytesOfAnImage) {
  v1::UpsertObjectsRequest request = OneObject();
  auto& value = (*request.mutable_objects(0)->mutable_properties())["image"];
  value.mutable_image_value()->set_data(
      std::string(limits_.image_bytes_max() + 1, 'x'));
  ExpectField(Upsert(request), "objects[0].properties[\"image\"]");
}

TEST_F(ServerLimitsTest, DimensionsOfAVector) {
  v1::UpsertObjectsRequest request = OneObject();
  auto& vector = (*request.mutable_objects(0)->mutable_vectors())["default"];
  for (int i = 0; i <= limits_.vector_dimension_max(); ++i) {
    vector.mutable_dense()->add_values(1);
  }
  ExpectField(Upsert(request), "objects[0].vectors[\"default\"]");
}

TEST_F(ServerLimitsTest, ObjectsOfAWriteAndIdsOfARead) {
  v1::UpsertObjectsRequest request;
  request.set_collection("own");
  v1::GetObjectsRequest get;
  get.set_collection("own");
  v1::DeleteObjectsRequest erase;
  erase.set_collection("own");
  for (int i = 0; i <= limits_.objects_per_batch_max(); ++i) {
    request.add_objects()->set_id(absl::StrCat(i));
    get.add_ids(absl::StrCat(i));
    erase.add_ids(absl::StrCat(i));
  }
  ExpectField(Upsert(request), "objects");
  ExpectField(Send(*objects_, &v1::ObjectService::Stub::GetObjects, get),
              "ids");
  ExpectField(Send(*objects_, &v1::ObjectService::Stub::DeleteObjects, erase),
              "ids");
}

TEST_F(ServerLimitsTest, ResultsOfAQuery) {
  v1::QueryRequest request = AllObjects();
  request.set_top_k(static_cast<int32_t>(limits_.results_max()) - 1);
  request.set_offset(1);
  EXPECT_THAT(Query(request), IsOk());
  request.set_offset(2);
  ExpectField(Query(request), "top_k");
}

TEST_F(ServerLimitsTest, QueriesOfABatch) {
  v1::BatchQueryRequest request;
  request.set_collection("own");
  for (int i = 0; i < SearchService::kBatchQueriesMax; ++i) {
    request.add_queries();
  }
  const auto send = [&] {
    return Send(*search_, &v1::SearchService::Stub::BatchQuery, request);
  };
  EXPECT_THAT(send(), IsOk());
  request.add_queries();
  ExpectField(send(), "queries");
}

TEST_F(ServerLimitsTest, DepthOfAFilter) {
  v1::QueryRequest request = AllObjects();
  std::string expression = "a == 1";
  for (int i = 1; i < limits_.filter_depth_max(); ++i) {
    expression = absl::StrCat("NOT ", expression);
  }
  request.set_filter_expression(expression);
  EXPECT_THAT(Query(request), IsOk());
  request.set_filter_expression(absl::StrCat("NOT ", expression));
  ExpectField(Query(request), "filter");
}

TEST_F(ServerLimitsTest, NodesOfAFilter) {
  v1::QueryRequest request = AllObjects();
  std::vector<int64_t> members(limits_.filter_nodes_max() + 1, 7);
  request.set_filter_expression(
      absl::StrCat("a IN [", absl::StrJoin(members, ","), "]"));
  ExpectField(Query(request), "filter");
}

TEST_F(ServerLimitsTest, BytesOfAMessageAreGrpcsToRefuse) {
  v1::UpsertObjectsRequest request = OneObject();
  request.mutable_objects(0)->set_id(
      std::string(limits_.message_bytes_max(), 'x'));
  EXPECT_THAT(Upsert(request), StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace diptych::storage
