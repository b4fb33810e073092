// The service over real connections, with a model whose encoder a test can
// hold.
#include "inference/service/inference_service.h"

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/rpc/grpc_server.h"
#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "inference/pipeline/gated_models_test.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Image> Decode(absl::string_view bytes) {
  if (bytes == "bad") return absl::InvalidArgumentError("is no picture");
  return Image(20, 20);
}

class InferenceServiceTest : public ::testing::Test {
 protected:
  static constexpr int kQueueMax = 8;

  void SetUp() override {
    encoder_ = &models_.Add({});
    service_ = std::make_unique<InferenceServiceImpl>(
        models_.models(), ServiceLimits(), models_.metrics());
    // A stop waits for the test, however slow the machine is.
    auto server = GrpcServer::Start({.shutdown_grace = absl::Hours(1)},
                                    {{"x", service_.get()}});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = v1::InferenceService::NewStub(grpc::CreateChannel(
        server_->address(), grpc::InsecureChannelCredentials()));
  }

  void TearDown() override {
    encoder_->Open();
    server_->Shutdown();
    models_.EndPreparing();
  }

  static v1::VectorizeRequest Texts(const std::vector<std::string>& texts) {
    v1::VectorizeRequest request;
    for (const std::string& text : texts) request.add_inputs()->set_text(text);
    return request;
  }

  absl::Status Call(const v1::VectorizeRequest& request,
                    v1::VectorizeResponse* response = nullptr,
                    absl::Duration timeout = absl::Minutes(30)) {
    v1::VectorizeResponse ignored;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    return FromGrpcStatus(stub_->Vectorize(
        &context, request, response == nullptr ? &ignored : response));
  }

  void AwaitMetric(const std::string& line) { models_.AwaitMetric(line); }
  static std::string Metric(const std::string& name, int value) {
    return "diptych_inference_" + name + "{model=\"fake\"} " +
           std::to_string(value);
  }

  // Deadlines come with the calls, so it starts at the time of day.
  FakeClock clock_{absl::Now()};
  GatedModels models_{{.inputs_max = 7}, kQueueMax, Decode, clock_};
  GatedEncoder* encoder_ = nullptr;
  std::unique_ptr<InferenceServiceImpl> service_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::InferenceService::Stub> stub_;
};

TEST_F(InferenceServiceTest, EmbedsInOrderAndSaysWhoDid) {
  v1::VectorizeRequest request = Texts({"red circle", "blue square"});
  request.add_inputs()->set_image("picture");
  v1::VectorizeResponse response;
  ASSERT_THAT(Call(request, &response), IsOk());
  ASSERT_EQ(response.embeddings_size(), 3);
  const Model model = MakeFakeModel();
  const auto rows =
      model.encoder->EncodeTexts({*model.tokenizer->Tokenize("red circle"),
                                  *model.tokenizer->Tokenize("blue square")});
  for (int i = 0; i < 2; ++i) {
    const auto& values = response.embeddings(i).values();
    // Normalised twice, by the fake and by the gate.
    ASSERT_EQ(values.size(), 64);
    for (int j = 0; j < 64; ++j) EXPECT_NEAR(values[j], (*rows)[i][j], 1e-6);
  }
  EXPECT_EQ(response.embeddings(0).tokens(), 4);
  EXPECT_EQ(response.model(), "fake");
  EXPECT_EQ(response.fingerprint(), model.info().fingerprint);
  EXPECT_EQ(response.dimension(), 64);
  EXPECT_TRUE(response.normalized());
}

TEST_F(InferenceServiceTest, EveryBadInputIsNamedAndNothingIsEncoded) {
  v1::VectorizeRequest request = Texts({"good", ""});
  request.add_inputs()->set_image("bad");
  request.add_inputs();
  request.add_inputs()->set_text(std::string((64 << 10) + 1, 'x'));
  const absl::Status status = Call(request);
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const auto& violation : FieldViolationsOf(status)) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields,
              ::testing::ElementsAre("inputs[1].text", "inputs[2].image",
                                     "inputs[3]", "inputs[4].text"));
  EXPECT_EQ(encoder_->inputs(), 0);
}

TEST_F(InferenceServiceTest, WrongRequestsAreRefused) {
  EXPECT_THAT(Call(Texts({})), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("inputs must be 1 to 7")));
  EXPECT_THAT(Call(Texts(std::vector<std::string>(8, "x"))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::VectorizeRequest request = Texts({"x"});
  request.set_priority(static_cast<v1::Priority>(9));
  EXPECT_THAT(Call(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("priority")));
  request = Texts({"x"});
  request.set_model("other");
  EXPECT_THAT(Call(request), StatusIs(absl::StatusCode::kNotFound,
                                      HasSubstr("the models are fake")));
}

TEST_F(InferenceServiceTest, FullQueueSaysWhenToComeBack) {
  encoder_->Close();
  std::vector<std::thread> callers;
  callers.emplace_back([&] { EXPECT_THAT(Call(Texts({"first"})), IsOk()); });
  encoder_->AwaitBatches(1);
  callers.emplace_back([&] {
    EXPECT_THAT(Call(Texts(std::vector<std::string>(6, "x"))), IsOk());
  });
  AwaitMetric(Metric("queue_inputs", 6));
  const absl::Status refused = Call(Texts({"a", "b", "c"}));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("no room for 3 inputs")));
  EXPECT_GT(RetryAfterOf(refused), absl::ZeroDuration());
  encoder_->Open();
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(Call(Texts({"a", "b", "c"})), IsOk());
}

TEST_F(InferenceServiceTest, DeadWorkNeverReachesTheModel) {
  encoder_->Close();
  std::thread first([&] { EXPECT_THAT(Call(Texts({"first"})), IsOk()); });
  encoder_->AwaitBatches(1);
  std::thread late([&] {
    EXPECT_THAT(Call(Texts({"late"})),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  grpc::ClientContext context;
  std::thread second([&] {
    v1::VectorizeResponse response;
    EXPECT_THAT(FromGrpcStatus(
                    stub_->Vectorize(&context, Texts({"unwanted"}), &response)),
                StatusIs(absl::StatusCode::kCancelled));
  });
  // The expired input is not looked at before the next batch is formed.
  AwaitMetric(Metric("queue_inputs", 2));
  context.TryCancel();
  second.join();
  AwaitMetric("diptych_rpc_in_flight{method=\"Vectorize\"} 3");
  // The cancellation reaches the server after the client: it is there when the
  // server has answered another call of the same connection.
  grpc::ClientContext list_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub_->ListModels(&list_context, {}, &models).ok());
  clock_.Advance(absl::Hours(1));
  encoder_->Open();
  first.join();
  late.join();
  AwaitMetric(Metric("queue_inputs", 0));
  AwaitMetric("diptych_rpc_in_flight{method=\"Vectorize\"} 0");
  EXPECT_LE(encoder_->inputs(), 2);
}

TEST_F(InferenceServiceTest, ListsModelsAndTheirLimits) {
  grpc::ClientContext list_context, get_context, missing_context;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub_->ListModels(&list_context, {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_TRUE(models.models(0).is_default());
  EXPECT_EQ(models.models(0).modalities_size(), 2);
  v1::GetModelResponse model;
  ASSERT_TRUE(stub_->GetModel(&get_context, {}, &model).ok());
  EXPECT_EQ(model.model().name(), "fake");
  EXPECT_EQ(model.limits().inputs_per_request_max(), 7);
  EXPECT_EQ(model.limits().text_bytes_max(), 64 << 10);
  EXPECT_EQ(model.limits().image_bytes_max(), 32 << 20);
  EXPECT_EQ(model.limits().queue_inputs_max(), kQueueMax);
  v1::GetModelRequest missing;
  missing.set_name("no");
  EXPECT_THAT(
      FromGrpcStatus(stub_->GetModel(&missing_context, missing, &model)),
      StatusIs(absl::StatusCode::kNotFound));
}

class VectorizeStreamTest : public InferenceServiceTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::VectorizeStreamRequest,
                                          v1::VectorizeStreamResponse>;

  static v1::VectorizeStreamRequest Message(int64_t number,
                                            const std::string& text) {
    v1::VectorizeStreamRequest message;
    message.set_sequence_number(number);
    message.mutable_input()->set_text(text);
    return message;
  }
};

TEST_F(VectorizeStreamTest, EachInputGetsItsAnswerAndBadOnesAreTyped) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(stream->Write(Message(i, i == 7 ? "" : "text")));
  }
  stream->WritesDone();
  std::set<int64_t> answered;
  v1::VectorizeStreamResponse response;
  while (stream->Read(&response)) {
    EXPECT_EQ(response.model(), answered.empty() ? "fake" : "");
    EXPECT_TRUE(answered.insert(response.sequence_number()).second);
    if (response.sequence_number() == 7) {
      const absl::Status error = FromStatusProto(response.error());
      EXPECT_THAT(error, StatusIs(absl::StatusCode::kInvalidArgument));
      ASSERT_EQ(FieldViolationsOf(error).size(), 1u);
      EXPECT_EQ(FieldViolationsOf(error)[0].field, "input.text");
    } else {
      EXPECT_EQ(response.embedding().values_size(), 64);
    }
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answered.size(), 30u);
}

TEST_F(VectorizeStreamTest, EmptyStreamEndsWell) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(VectorizeStreamTest, UnknownModelEndsTheStream) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  v1::VectorizeStreamRequest message = Message(1, "x");
  message.set_model("other");
  stream->Write(message);
  v1::VectorizeStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(FromGrpcStatus(stream->Finish()),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(VectorizeStreamTest, FullQueueSlowsTheSenderAndRefusesNothing) {
  constexpr int kMessages = 300;
  encoder_->Close();
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  std::thread writer([&] {
    const std::string text(60 << 10, 'x');
    for (int i = 0; i < kMessages; ++i) {
      ASSERT_TRUE(stream->Write(Message(i, text)));
    }
    stream->WritesDone();
  });
  encoder_->AwaitBatches(1);
  AwaitMetric(Metric("queue_inputs", kQueueMax / 2));
  // Bulk has its half of the queue; the other half is free for people.
  std::thread person([&] { EXPECT_THAT(Call(Texts({"a", "b"})), IsOk()); });
  AwaitMetric(Metric("queue_inputs", kQueueMax / 2 + 2));
  EXPECT_LE(encoder_->inputs(), kQueueMax / 2);
  encoder_->Open();
  int answers = 0;
  v1::VectorizeStreamResponse response;
  while (stream->Read(&response)) {
    EXPECT_TRUE(response.has_embedding());
    ++answers;
  }
  writer.join();
  person.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, kMessages);
  EXPECT_THAT(models_.metrics().TextExposition(),
              HasSubstr(Metric("refused_inputs_total", 0)));
}

TEST_F(VectorizeStreamTest, CancellingDropsWhatIsInFlight) {
  encoder_->Close();
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  for (int i = 0; i < 10; ++i) stream->Write(Message(i, "text"));
  encoder_->AwaitBatches(1);
  AwaitMetric(Metric("queue_inputs", kQueueMax / 2));
  context.TryCancel();
  v1::VectorizeStreamResponse response;
  while (stream->Read(&response)) {
  }
  EXPECT_THAT(FromGrpcStatus(stream->Finish()),
              StatusIs(absl::StatusCode::kCancelled));
  encoder_->Open();
  AwaitMetric("diptych_rpc_in_flight{method=\"VectorizeStream\"} 0");
  AwaitMetric(Metric("queue_inputs", 0));
}

TEST_F(VectorizeStreamTest, ShutdownAnswersWhatIsInFlight) {
  encoder_->Close();
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub_->VectorizeStream(&context);
  for (int i = 0; i < 3; ++i) stream->Write(Message(i, "text"));
  stream->WritesDone();
  std::thread unary([&] { EXPECT_THAT(Call(Texts({"a", "b"})), IsOk()); });
  AwaitMetric("diptych_rpc_in_flight{method=\"Vectorize\"} 1");
  AwaitMetric("diptych_rpc_in_flight{method=\"VectorizeStream\"} 1");
  encoder_->AwaitBatches(1);
  std::thread stopping([&] { server_->Shutdown(); });
  encoder_->Open();
  int answers = 0;
  v1::VectorizeStreamResponse response;
  while (stream->Read(&response)) ++answers;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(answers, 3);
  unary.join();
  stopping.join();
}

}  // namespace
}  // namespace diptych::inference
