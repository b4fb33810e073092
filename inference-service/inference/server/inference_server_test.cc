// The whole server in one process, with the fake model and a real client.
#include "inference/server/inference_server.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/status_conversion.h"
#include "common/status/error_details.h"
#include "common/testing/http_client.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "inference/model/fake_model.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Model> LoadFake(const ModelSource& source,
                               const InferenceServerOptions&) {
  if (source.directory == "broken") {
    return absl::NotFoundError("broken/config.json is missing");
  }
  FakeModelOptions options;
  options.name = source.name;
  return MakeFakeModel(options);
}

InferenceServerOptions Options(std::vector<std::string> models = {"a=x",
                                                                  "b=y"}) {
  InferenceServerOptions options;
  options.server.listen = "127.0.0.1:0";
  options.server.http_listen = "127.0.0.1:0";
  options.models = std::move(models);
  options.threads = 2;
  return options;
}

std::string GoldenPicture() {
  const char* const root = std::getenv("DIPTYCH_SOURCE_DIR");
  std::ifstream file(std::filesystem::path(root == nullptr ? "." : root) /
                         "inference-service/models/demo/golden/img00.png",
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// How many dimensions the model "a" has now; 0 when the request fails.
int DimensionOf(v1::InferenceService::Stub& stub) {
  v1::VectorizeRequest request;
  request.set_model("a");
  request.add_inputs()->set_text("a red circle");
  v1::VectorizeResponse response;
  grpc::ClientContext context;
  if (!stub.Vectorize(&context, request, &response).ok()) return 0;
  return response.embeddings(0).values_size();
}

TEST(InferenceServerTest, ReloadDropsNoRequestAndKeepsTheOldModelWhenItFails) {
  std::atomic<int> dimension{32};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto server,
      InferenceServer::Start(
          Options(),
          [&](const ModelSource& source,
              const InferenceServerOptions&) -> absl::StatusOr<Model> {
            if (dimension == 0) return absl::NotFoundError("no weights");
            return MakeFakeModel({.name = source.name, .dimension = dimension});
          }));
  const auto stub = v1::InferenceService::NewStub(grpc::CreateChannel(
      server->address(), grpc::InsecureChannelCredentials()));
  EXPECT_EQ(DimensionOf(*stub), 32);

  std::atomic<bool> stop{false};
  std::atomic<int> requests{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        if (DimensionOf(*stub) == 0) ++failed;
        ++requests;
      }
    });
  }
  const auto await_requests = [&] {
    for (const int until = requests + 20; requests < until;) {
      std::this_thread::yield();
    }
  };
  for (const int next : {48, 64, 48}) {
    dimension = next;
    await_requests();
    EXPECT_THAT(server->Reload(), IsOk());
    // Also what the old model had in the cache is computed anew.
    EXPECT_EQ(DimensionOf(*stub), next);
  }
  dimension = 0;
  EXPECT_THAT(server->Reload(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("cannot load model a: no weights")));
  await_requests();
  EXPECT_EQ(DimensionOf(*stub), 48);
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failed, 0);
}

TEST(InferenceServerTest, WhatIsSentAgainComesFromTheCache) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto server,
                               InferenceServer::Start(Options(), LoadFake));
  const auto stub = v1::InferenceService::NewStub(grpc::CreateChannel(
      server->address(), grpc::InsecureChannelCredentials()));
  for (int i = 0; i < 3; ++i) EXPECT_GT(DimensionOf(*stub), 0);
  const auto http = ConnectHttp(server->http_port());
  EXPECT_THAT(http->Get("/metrics")->body,
              HasSubstr("diptych_inference_cache_hits_total{model=\"a\"} 2"));
}

TEST(InferenceServerTest, ServesPicturesAndTextsOfSeveralModels) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto server,
                               InferenceServer::Start(Options(), LoadFake));
  const auto stub = v1::InferenceService::NewStub(grpc::CreateChannel(
      server->address(), grpc::InsecureChannelCredentials()));
  v1::VectorizeRequest request;
  request.set_model("b");
  request.add_inputs()->set_text("a red circle");
  request.add_inputs()->set_image(GoldenPicture());
  v1::VectorizeResponse response;
  grpc::ClientContext context;
  ASSERT_THAT(FromGrpcStatus(stub->Vectorize(&context, request, &response)),
              IsOk());
  EXPECT_EQ(response.model(), "b");
  EXPECT_EQ(response.embeddings_size(), 2);

  const auto http = ConnectHttp(server->http_port());
  EXPECT_EQ(http->Get("/.well-known/ready")->status, 204);
  const auto vectorized = http->Post(
      "/vectorize", R"({"texts":["a red circle"]})", "application/json");
  EXPECT_EQ(vectorized->status, 200);
  EXPECT_THAT(http->Get("/metrics")->body,
              HasSubstr("diptych_rpc_finished_total{code=\"OK\","
                        "method=\"Vectorize\"} 1"));
  server->Stop();
}

TEST(InferenceServerTest, PictureThatIsNoneIsNamed) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto server,
                               InferenceServer::Start(Options(), LoadFake));
  const auto stub = v1::InferenceService::NewStub(grpc::CreateChannel(
      server->address(), grpc::InsecureChannelCredentials()));
  v1::VectorizeRequest request;
  const std::string picture = GoldenPicture();
  request.add_inputs()->set_image(picture);
  request.add_inputs()->set_image(picture.substr(0, picture.size() / 2));
  request.add_inputs()->set_image("not a picture");
  v1::VectorizeResponse response;
  grpc::ClientContext context;
  const absl::Status status =
      FromGrpcStatus(stub->Vectorize(&context, request, &response));
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(FieldViolationsOf(status).size(), 2u);
  EXPECT_EQ(FieldViolationsOf(status)[0].field, "inputs[1].image");
  EXPECT_EQ(FieldViolationsOf(status)[1].field, "inputs[2].image");
}

TEST(InferenceServerTest, ModelThatCannotBeLoadedStopsTheStart) {
  EXPECT_THAT(InferenceServer::Start(Options({"a=x", "b=broken"}), LoadFake),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("cannot load model b: broken/config.json")));
}

TEST(InferenceServerTest, AddressInUseStopsTheStart) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto server,
                               InferenceServer::Start(Options(), LoadFake));
  InferenceServerOptions options = Options();
  options.server.listen = server->address();
  EXPECT_THAT(InferenceServer::Start(options, LoadFake),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ServerOptionsTest, WrongFlagsAreNamed) {
  InferenceServerOptions options = Options();
  options.batch_max = 0;
  options.queue_max = 1;
  options.compat = "chroma";
  EXPECT_THAT(
      options.Validate(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               ::testing::AllOf(
                   HasSubstr("--batch-max must be 1"), HasSubstr("--queue-max"),
                   HasSubstr("--compat must be none or weaviate"))));
  EXPECT_THAT(
      Options({"nonsense"}).ModelSources(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nonsense")));
  EXPECT_THAT(Options({"a=x", "a=y"}).ModelSources(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ServerOptionsTest, ModelFlagIsRepeatable) {
  CLI::App app;
  InferenceServerOptions options;
  AddInferenceServerFlags(app, options);
  const char* const arguments[] = {"server",      "--model",          "a=x",
                                   "--model=b=y", "--batch-delay-ms", "0"};
  ASSERT_EQ(ParseCommandLine(app, 6, arguments), std::nullopt);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto sources, options.ModelSources());
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[1].name, "b");
  EXPECT_EQ(sources[1].directory, "y");
  EXPECT_EQ(options.batch_delay_milliseconds, 0);
}

TEST(ServerOptionsTest, EnvironmentOfWeaviatesContainerChoosesTheDevice) {
  const auto device = [](const char* enable, const char* core,
                         std::vector<const char*> arguments = {"server"}) {
    if (enable != nullptr) setenv("ENABLE_CUDA", enable, 1);
    if (core != nullptr) setenv("CUDA_CORE", core, 1);
    CLI::App app;
    InferenceServerOptions options;
    AddInferenceServerFlags(app, options);
    EXPECT_EQ(ParseCommandLine(app, static_cast<int>(arguments.size()),
                               arguments.data()),
              std::nullopt);
    unsetenv("ENABLE_CUDA");
    unsetenv("CUDA_CORE");
    return options.device;
  };
  EXPECT_EQ(device(nullptr, nullptr), "auto");
  EXPECT_EQ(device(nullptr, "cuda:1"), "auto");
  EXPECT_EQ(device("false", "cuda:1"), "cpu");
  EXPECT_EQ(device("true", nullptr), "cuda:0");
  EXPECT_EQ(device("", nullptr), "cpu");
  EXPECT_EQ(device("True", nullptr), "cpu");
  EXPECT_EQ(device("true", ""), "cuda:0");
  EXPECT_EQ(device("1", "cuda:1"), "cuda:1");
  EXPECT_EQ(device("1", nullptr, {"server", "--device", "cpu"}), "cpu");
}

TEST(ServerOptionsTest, DemoModelIsFoundWithoutFlags) {
  InferenceServerOptions options;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto sources, options.ModelSources());
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].name, "demo");
  EXPECT_TRUE(std::filesystem::exists(
      std::filesystem::path(sources[0].directory) / "config.json"));
}

}  // namespace
}  // namespace diptych::inference
