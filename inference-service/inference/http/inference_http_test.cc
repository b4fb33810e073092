// The routes over real connections, with a model whose encoder a test can hold.
#include "inference/http/inference_http.h"

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/testing/http_client.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/pipeline/gated_models_test.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// A picture is as wide and high as its file has bytes.
absl::StatusOr<Image> Decode(absl::string_view bytes) {
  if (bytes == "bad") return absl::InvalidArgumentError("is no picture");
  const auto side = static_cast<int>(bytes.size());
  return Image(side, side);
}

std::string Base64(absl::string_view bytes) {
  return absl::Base64Escape(bytes);
}

class InferenceHttpTest : public ::testing::Test {
 protected:
  static constexpr int kDimension = 64;
  static constexpr int kQueueMax = 40;

  void SetUp() override {
    encoder_ = &models_.Add({.name = "first", .dimension = kDimension});
    models_.Add({.name = "group/second", .dimension = kDimension});
    auto http = InferenceHttp::Start(
        "127.0.0.1:0", models_.models(), [this] { return loaded_.load(); },
        [] { return true; }, models_.metrics());
    ASSERT_THAT(http, IsOk());
    http_ = *std::move(http);
    client_ = NewClient();
  }

  void TearDown() override {
    encoder_->Open();
    http_->Stop();
    models_.EndPreparing();
  }

  std::unique_ptr<httplib::Client> NewClient() const {
    return ConnectHttp(http_->port());
  }

  struct Answer {
    int status = 0;
    json body;
    std::string retry_after;
  };
  Answer Post(const std::string& path, const std::string& body) {
    const auto result = client_->Post(path, body, "application/json");
    if (!result) return {};
    return {result->status, json::parse(result->body),
            result->get_header_value("Retry-After")};
  }
  Answer Post(const std::string& path, const json& body) {
    return Post(path, body.dump());
  }
  json Get(const std::string& path) {
    return json::parse(client_->Get(path)->body);
  }
  // What the model itself says, without HTTP.
  static Embedding EmbeddingOf(const std::string& text) {
    const Model model = MakeFakeModel({.name = "x", .dimension = kDimension});
    return model.encoder->EncodeTexts({*model.tokenizer->Tokenize(text)})
        ->front();
  }

  // Waits until so many texts of the first model have been prepared.
  void AwaitPrepared(int count) {
    models_.AwaitMetric(absl::StrCat(
        "diptych_inference_prepare_seconds_count{modality=\"text\","
        "model=\"first\"} ",
        count));
  }

  std::atomic<bool> loaded_{true};
  GatedModels models_{
      {.inputs_max = 20, .text_bytes_max = 1000}, kQueueMax, Decode};
  GatedEncoder* encoder_ = nullptr;
  std::unique_ptr<InferenceHttp> http_;
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(InferenceHttpTest, VectorizeAnswersBothListsInOrder) {
  const Answer answer =
      Post("/vectorize",
           json{{"texts", {"red circle", "blue square"}},
                {"images", {Base64("picture"), Base64("larger picture")}},
                {"other", 1}});
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.size(), 2u);
  ASSERT_EQ(answer.body["imageVectors"].size(), 2u);
  EXPECT_EQ(answer.body["imageVectors"][0].size(), size_t{kDimension});
  // To the last bit.
  EXPECT_EQ(answer.body["textVectors"].get<std::vector<Embedding>>(),
            (std::vector<Embedding>{EmbeddingOf("red circle"),
                                    EmbeddingOf("blue square")}));
}

TEST_F(InferenceHttpTest, VectorizeHasBothKeysWhateverIsMissing) {
  const json empty = {{"textVectors", json::array()},
                      {"imageVectors", json::array()}};
  for (const char* body :
       {"{}", R"({"texts":[],"images":[]})", R"({"texts":null})",
        R"({"images":null,"texts":[]})"}) {
    const Answer answer = Post("/vectorize", std::string(body));
    EXPECT_EQ(answer.status, 200) << body;
    EXPECT_EQ(answer.body, empty) << body;
  }
  EXPECT_EQ(Post("/vectorize", json{{"texts", {"a"}}}).body["imageVectors"],
            json::array());
}

TEST_F(InferenceHttpTest, VectorizeTakesDataUrlsAndWrappedBase64) {
  const std::string plain = Base64("some picture");
  const Answer answer = Post(
      "/vectorize", json{{"images",
                          {plain, "data:image/png;base64," + plain,
                           plain.substr(0, 4) + "\r\n" + plain.substr(4)}}});
  ASSERT_EQ(answer.status, 200);
  const json& vectors = answer.body["imageVectors"];
  EXPECT_EQ(vectors[1], vectors[0]);
  EXPECT_EQ(vectors[2], vectors[0]);
}

TEST_F(InferenceHttpTest, VectorizeTakesTextsOfAnyLength) {
  // The character over the limit's edge is of two bytes.
  const std::string longer = std::string(999, 'x') + "\u00e9" + " more";
  const Answer answer =
      Post("/vectorize", json{{"texts", {"", longer, std::string(999, 'x')}}});
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body["textVectors"][0].size(), size_t{kDimension});
  EXPECT_EQ(answer.body["textVectors"][1], answer.body["textVectors"][2]);
}

TEST_F(InferenceHttpTest, VectorizeNamesWhatIsWrong) {
  const struct {
    std::string body;
    std::string error;
  } cases[] = {
      {"{", "not JSON"},
      {"[]", "must be a JSON object"},
      {"{\"texts\":[\"\xff\"]}", "not JSON in UTF-8"},
      {R"({"texts":"a"})", "texts must be a list of strings"},
      {R"({"texts":["a",1]})", "texts[1] must be a string; given: number"},
      {R"({"images":["?"]})", "images[0] is not Base64"},
      {R"({"images":["data:image/png,x"]})", "images[0] is a data URL"},
      {R"({"images":[""]})", "images[0] is empty"},
      {json{{"texts", {"a"}},
            {"images", {Base64("ok"), Base64("bad"), Base64("bad")}}}
           .dump(),
       "images[1] is no picture"},
      {std::string(100, '['), "deeper than 16"},
  };
  for (const auto& [body, error] : cases) {
    const Answer answer = Post("/vectorize", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body["error"].get<std::string>(), HasSubstr(error));
  }
  EXPECT_THAT(
      Post("/vectorize", json{{"images", {Base64("bad"), Base64("bad")}}})
          .body["error"]
          .get<std::string>(),
      HasSubstr("images[1] is no picture"));
}

TEST_F(InferenceHttpTest, MoreInputsThanABatchCallTakesAreSplit) {
  json texts = json::array();
  for (int i = 0; i < 50; ++i) texts.push_back(absl::StrCat("text ", i));
  const Answer answer = Post("/vectorize", json{{"texts", texts}});
  ASSERT_EQ(answer.status, 200);
  ASSERT_EQ(answer.body["textVectors"].size(), 50u);
  EXPECT_EQ(answer.body["textVectors"][49].get<Embedding>(),
            EmbeddingOf("text 49"));
  const json many = {{"texts", std::vector<std::string>(2049, "a")}};
  EXPECT_THAT(Post("/vectorize", many).body["error"].get<std::string>(),
              HasSubstr("at most 2048 inputs"));
}

TEST_F(InferenceHttpTest, RequestsAtTheSameTimeShareABatch) {
  encoder_->Close();
  std::vector<std::thread> clients;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      const auto result = NewClient()->Post("/vectorize", R"({"texts":["a"]})",
                                            "application/json");
      if (result && result->status == 200) ++answered;
    });
  }
  // Whatever the first batch has, all that come while it is held make one more.
  // What one of the two preparing threads has yet to hand over may make
  // another.
  encoder_->AwaitBatches(1);
  AwaitPrepared(8);
  encoder_->Open();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 8);
  EXPECT_LE(encoder_->batches(), 4);
}

TEST_F(InferenceHttpTest, FullQueueSaysWhenToComeBack) {
  encoder_->Close();
  json texts = json::array();
  for (int i = 0; i < 16; ++i) texts.push_back("a");
  std::vector<std::thread> clients;
  const auto send = [&](const json& inputs) {
    clients.emplace_back([&, inputs] {
      NewClient()->Post("/vectorize", json{{"texts", inputs}}.dump(),
                        "application/json");
    });
  };
  // What the model has taken is not in the queue any more.
  send({"a"});
  encoder_->AwaitBatches(1);
  send(texts);
  send(texts);
  AwaitPrepared(33);
  for (const char* path : {"/vectorize", "/v1/embeddings"}) {
    const Answer answer = Post(path, json{{"texts", texts}, {"input", texts}});
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.retry_after, "1");
    EXPECT_TRUE(answer.body.contains("error"));
  }
  encoder_->Open();
  for (std::thread& client : clients) client.join();
}

TEST_F(InferenceHttpTest, WorkOfAClientThatHungUpNeverReachesTheModel) {
  encoder_->Close();
  std::thread first([&] {
    EXPECT_EQ(
        NewClient()
            ->Post("/vectorize", R"({"texts":["wanted"]})", "application/json")
            ->status,
        200);
  });
  encoder_->AwaitBatches(1);
  int hang_ups = 0;
  for (const char* path : {"/vectorize", "/v1/embeddings"}) {
    auto client = NewClient();
    std::thread waiting([&] {
      EXPECT_FALSE(client->Post(path, R"({"texts":["x"],"input":"x"})",
                                "application/json"));
    });
    AwaitPrepared(++hang_ups + 1);
    client->stop();
    waiting.join();
    models_.AwaitMetric(
        absl::StrCat("diptych_inference_http_hang_ups_total ", hang_ups));
  }
  encoder_->Open();
  first.join();
  models_.AwaitMetric(
      "diptych_http_requests_total{code=\"499\",route=\"/v1/embeddings\"} 1");
  models_.AwaitMetric(
      "diptych_http_requests_total{code=\"499\",route=\"/vectorize\"} 1");
  EXPECT_EQ(encoder_->inputs(), 1);
}

TEST_F(InferenceHttpTest, BodyOverTheLimitIsRefusedInEachShape) {
  const std::string large(100 << 20, ' ');
  const Answer vectorize = Post("/vectorize", large);
  EXPECT_EQ(vectorize.status, 413);
  EXPECT_TRUE(vectorize.body["error"].is_string());
  const Answer embeddings = Post("/v1/embeddings", large);
  EXPECT_EQ(embeddings.status, 413);
  EXPECT_EQ(embeddings.body["error"]["type"], "invalid_request_error");
}

TEST_F(InferenceHttpTest, ModelsThatAreBeingLoadedAreUnavailable) {
  loaded_ = false;
  const Answer answer = Post("/vectorize", json{{"texts", {"a"}}});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.retry_after, "1");
  EXPECT_EQ(client_->Get("/meta")->status, 503);
  EXPECT_EQ(client_->Get("/v1/models")->status, 503);
  EXPECT_EQ(client_->Get("/.well-known/live")->status, 204);
}

TEST_F(InferenceHttpTest, ConnectionIsKeptAndMeasured) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Post("/vectorize", json{{"texts", {"a"}}}).status, 200);
  }
  EXPECT_THAT(client_->Post("/vectorize", "{}", "application/json")
                  ->get_header_value("Keep-Alive"),
              HasSubstr("timeout=180"));
  const std::string text = client_->Get("/metrics")->body;
  EXPECT_THAT(text, HasSubstr("diptych_http_connections 1"));
  EXPECT_THAT(text, HasSubstr("diptych_http_requests_total{code=\"200\","
                              "route=\"/vectorize\"} 21"));
}

TEST_F(InferenceHttpTest, MetaIsAnObjectAboutTheDefaultModel) {
  const json meta = Get("/meta");
  EXPECT_EQ(meta["model_name"], "first");
  EXPECT_EQ(meta["dimension"], kDimension);
  EXPECT_EQ(meta["modalities"], json({"text", "image"}));
}

TEST_F(InferenceHttpTest, EmbeddingsOfOneTextAndOfMixedInputs) {
  const Answer one =
      Post("/v1/embeddings", json{{"input", "red circle"}, {"model", "first"}});
  ASSERT_EQ(one.status, 200);
  EXPECT_EQ(one.body["object"], "list");
  EXPECT_EQ(one.body["model"], "first");
  ASSERT_EQ(one.body["data"].size(), 1u);
  EXPECT_EQ(one.body["data"][0]["object"], "embedding");
  EXPECT_EQ(one.body["data"][0]["index"], 0);
  EXPECT_EQ(one.body["data"][0]["embedding"].get<Embedding>(),
            EmbeddingOf("red circle"));
  const int tokens = one.body["usage"]["prompt_tokens"];
  EXPECT_GT(tokens, 0);
  EXPECT_EQ(one.body["usage"]["total_tokens"], tokens);

  const Answer mixed =
      Post("/v1/embeddings",
           json{{"input",
                 {"data:image/png;base64," + Base64("picture"), "red circle"}},
                {"model", "group/second"},
                {"dimensions", kDimension},
                {"encoding_format", "float"},
                {"user", "u"}});
  ASSERT_EQ(mixed.status, 200);
  EXPECT_EQ(mixed.body["model"], "group/second");
  EXPECT_EQ(mixed.body["data"][1]["index"], 1);
  EXPECT_EQ(mixed.body["data"][1]["embedding"].get<Embedding>(),
            EmbeddingOf("red circle"));
  EXPECT_EQ(mixed.body["data"][0]["embedding"],
            Post("/vectorize", json{{"images", {Base64("picture")}}})
                .body["imageVectors"][0]);
}

TEST_F(InferenceHttpTest, Base64IsOfLittleEndianFloats) {
  const Answer answer =
      Post("/v1/embeddings",
           json{{"input", {"a b"}}, {"encoding_format", "base64"}});
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(
      answer.body["data"][0]["embedding"].get<std::string>(), &bytes));
  const Embedding expected = EmbeddingOf("a b");
  ASSERT_EQ(bytes.size(), expected.size() * 4);
  for (size_t i = 0; i < expected.size(); ++i) {
    uint32_t bits = 0;
    for (size_t byte = 0; byte < 4; ++byte) {
      bits |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[4 * i + byte]))
              << 8 * byte;
    }
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    EXPECT_EQ(value, expected[i]);
  }
}

TEST_F(InferenceHttpTest, EmbeddingsRefusesInOpenAisShape) {
  const std::string picture = "data:image/png;base64," + Base64("bad");
  const struct {
    json request;
    int status;
    json param;
    json code;
    std::string message;
  } cases[] = {
      {{{"input", "a"}, {"model", "none"}},
       404,
       "model",
       "model_not_found",
       "first, group/second"},
      {{{"model", "first"}}, 400, "input", nullptr, "is missing"},
      {{{"input", json::array()}}, 400, "input", nullptr, "is empty"},
      {{{"input", ""}}, 400, "input", nullptr, "is empty"},
      {{{"input", {1, 2}}}, 400, "input[0]", nullptr, "tokens"},
      {{{"input", {{1, 2}, {3}}}}, 400, "input[0]", nullptr, "tokens"},
      {{{"input", {"a", {{"b", 1}}}}}, 400, "input[1]", nullptr, "a string"},
      {{{"input", {"a", picture}}}, 400, "input[1]", nullptr, "no picture"},
      {{{"input", {"a", std::string(1001, 'x')}}},
       400,
       "input[1]",
       nullptr,
       "allowed 1000"},
      {{{"input", "a"}, {"encoding_format", "hex"}},
       400,
       "encoding_format",
       nullptr,
       "float or base64"},
      {{{"input", "a"}, {"dimensions", 32}},
       400,
       "dimensions",
       nullptr,
       "64 dimensions"},
      {{{"input", "a"}, {"model", 1}}, 400, "model", nullptr, "a string"},
  };
  for (const auto& [request, status, param, code, message] : cases) {
    const Answer answer = Post("/v1/embeddings", request);
    const json& error = answer.body["error"];
    EXPECT_EQ(answer.status, status) << request;
    EXPECT_EQ(error["type"], "invalid_request_error") << request;
    EXPECT_EQ(error["param"], param) << request;
    EXPECT_EQ(error["code"], code) << request;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(message));
  }
  EXPECT_EQ(Post("/v1/embeddings", std::string("{")).status, 400);
  EXPECT_EQ(Post("/v1/nothing", std::string("{}")).body["error"]["type"],
            "invalid_request_error");
}

TEST_F(InferenceHttpTest, ModelsAreListed) {
  const json models = Get("/v1/models");
  EXPECT_EQ(models["object"], "list");
  ASSERT_EQ(models["data"].size(), 2u);
  EXPECT_EQ(models["data"][0]["id"], "first");
  EXPECT_EQ(models["data"][0]["object"], "model");
  EXPECT_TRUE(models["data"][0]["created"].is_number_integer());
  EXPECT_EQ(Get("/v1/models/group/second")["id"], "group/second");
  EXPECT_EQ(client_->Get("/v1/models/none")->status, 404);
}

}  // namespace
}  // namespace diptych::inference
