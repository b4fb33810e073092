#include "storage/inference_client/grpc_vectorizer.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "diptych/inference/v1/inference_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Answers what the test says, and remembers what it was asked.
class ScriptedInferenceService final
    : public inference::v1::InferenceService::Service {
 public:
  grpc::Status Vectorize(grpc::ServerContext* context,
                         const inference::v1::VectorizeRequest* request,
                         inference::v1::VectorizeResponse* response) override {
    asked = *request;
    deadline = absl::FromChrono(context->deadline());
    *response = answer;
    return status;
  }

  inference::v1::VectorizeRequest asked;
  absl::Time deadline;
  inference::v1::VectorizeResponse answer;
  grpc::Status status;
};

class GrpcVectorizerTest : public ::testing::Test {
 protected:
  GrpcVectorizerTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    options_.target = "dns:///127.0.0.1:" + std::to_string(port);
    options_.call_duration_max = absl::Hours(1);
    service_.answer.set_model("demo");
    service_.answer.set_fingerprint("f00d");
    service_.answer.set_dimension(2);
    for (int i = 0; i < 2; ++i) {
      auto* embedding = service_.answer.add_embeddings();
      embedding->add_values(static_cast<float>(i));
      embedding->add_values(0.5f);
    }
  }

  absl::StatusOr<Vectorization> Vectorize(CallContext context = {}) {
    GrpcVectorizer vectorizer(options_, Clock::System());
    const std::vector<VectorizerInput> inputs = {
        {VectorizerInputKind::kText, "a star"},
        {VectorizerInputKind::kImage, "\xff\xd8"}};
    auto result = vectorizer.Vectorize(context, "demo", inputs);
    reachable_ = vectorizer.reachable();
    return result;
  }

  ScriptedInferenceService service_;
  std::unique_ptr<grpc::Server> server_;
  GrpcVectorizerOptions options_;
  bool reachable_ = false;
};

TEST_F(GrpcVectorizerTest, InputsGoOutAndVectorsComeBackInOrder) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Vectorization result, Vectorize());
  EXPECT_EQ(service_.asked.model(), "demo");
  ASSERT_EQ(service_.asked.inputs_size(), 2);
  EXPECT_EQ(service_.asked.inputs(0).text(), "a star");
  EXPECT_EQ(service_.asked.inputs(1).image(), "\xff\xd8");
  EXPECT_EQ(result.model_fingerprint, "f00d");
  EXPECT_THAT(result.vectors,
              ElementsAre(ElementsAre(0.f, .5f), ElementsAre(1.f, .5f)));
  EXPECT_TRUE(reachable_);
}

TEST_F(GrpcVectorizerTest, TheCallersDeadlineGoesAlongLessAMargin) {
  // gRPC rounds a deadline, and sends how long it is to it: it comes later by
  // the time that the call is under way.
  options_.answer_margin = absl::Hours(10);
  options_.call_duration_max = absl::Hours(100);
  CallContext context;
  context.deadline = absl::Now() + absl::Hours(20);
  ASSERT_THAT(Vectorize(context), IsOk());
  EXPECT_LE(service_.deadline, context.deadline - absl::Hours(9));
  EXPECT_GE(service_.deadline, context.deadline - absl::Hours(11));
}

TEST_F(GrpcVectorizerTest, DeadAndCancelledCallersAreNotServed) {
  CallContext late;
  late.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_THAT(Vectorize(late), StatusIs(absl::StatusCode::kDeadlineExceeded));
  CallContext cancelled;
  auto cancellation = std::make_shared<Cancellation>();
  cancellation->Cancel();
  cancelled.cancellation = cancellation;
  EXPECT_THAT(Vectorize(cancelled), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(service_.asked.inputs_size(), 0);
}

TEST_F(GrpcVectorizerTest, TheServicesErrorKeepsItsFields) {
  service_.status = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                 "inputs[1].image is truncated");
  EXPECT_THAT(Vectorize(), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("inputs[1].image")));
  EXPECT_TRUE(reachable_);
}

TEST_F(GrpcVectorizerTest, AnUnreachableServiceIsNamed) {
  server_->Shutdown();
  const absl::Status status = Vectorize().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr(options_.target),
                                     HasSubstr("searches by vector"))));
  EXPECT_EQ(ReasonOf(status), "INFERENCE_UNAVAILABLE");
  EXPECT_FALSE(reachable_);
}

TEST_F(GrpcVectorizerTest, AnswersThatCannotBeAreRefused) {
  service_.answer.mutable_embeddings(1)->set_values(
      0, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(Vectorize(), StatusIs(absl::StatusCode::kInternal));
  service_.answer.mutable_embeddings()->RemoveLast();
  EXPECT_THAT(Vectorize(), StatusIs(absl::StatusCode::kInternal,
                                    HasSubstr("1 embeddings for 2 inputs")));
}

}  // namespace
}  // namespace diptych::storage
