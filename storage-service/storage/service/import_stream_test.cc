// Imports over a real connection.
#include <filesystem>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Responses = std::vector<v1::ImportObjectsResponse>;

// An object with a vector of its own, which needs no inference.
std::string Own(const std::string& id, int value) {
  return absl::StrCat("objects { id: '", id,
                      "' properties { key: 'n' value { integer_value: ", value,
                      " } } vectors { key: 'default' value { dense { values: "
                      "[1, ",
                      value, ", 0, 0, 0, 0, 0, 0] } } } } ");
}

std::string Text(const std::string& id, const std::string& text) {
  return absl::StrCat("objects { id: '", id,
                      "' properties { key: 'document' value { text_value: '",
                      text, "' } } } ");
}

// One call, used by one thread.
class Import {
 public:
  Import(v1::ObjectService::Stub& stub, const std::string& header)
      : stream_(stub.ImportObjects(&context_)) {
    v1::ImportObjectsRequest request;
    *request.mutable_header() = Parse<v1::ImportHeader>(header);
    stream_->Write(request);
  }
  Import(v1::ObjectService::Stub& stub, absl::Duration timeout) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    stream_ = stub.ImportObjects(&context_);
    v1::ImportObjectsRequest request;
    request.mutable_header()->set_collection("ccc");
    stream_->Write(request);
  }
  void Send(int64_t sequence_number, const std::string& objects) {
    v1::ImportObjectsRequest request;
    *request.mutable_chunk() = Parse<v1::ImportChunk>(objects);
    request.mutable_chunk()->set_sequence_number(sequence_number);
    stream_->Write(request);
  }
  // Reads until `sequence_number` is acknowledged.
  void Await(int64_t sequence_number) {
    v1::ImportObjectsResponse response;
    while (committed() < sequence_number && stream_->Read(&response)) {
      responses.push_back(response);
    }
    EXPECT_EQ(committed(), sequence_number);
  }
  // Reads to the end.
  absl::Status Finish() {
    stream_->WritesDone();
    v1::ImportObjectsResponse response;
    while (stream_->Read(&response)) responses.push_back(response);
    return FromGrpcStatus(stream_->Finish());
  }
  void Cancel() { context_.TryCancel(); }
  int64_t committed() const {
    return responses.empty() ? 0 : responses.back().committed_sequence_number();
  }
  int64_t written() const {
    return responses.empty() ? 0 : responses.back().written_count();
  }
  std::vector<v1::ImportError> errors() const {
    std::vector<v1::ImportError> errors;
    for (const auto& response : responses) {
      errors.insert(errors.end(), response.errors().begin(),
                    response.errors().end());
    }
    return errors;
  }

  Responses responses;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ImportObjectsRequest,
                                           v1::ImportObjectsResponse>>
      stream_;
};

LocalEngineOptions FastOptions() {
  LocalEngineOptions options;
  options.bulk_vectorizer.backoff_initial = absl::Milliseconds(1);
  options.bulk_vectorizer.backoff_max = absl::Milliseconds(1);
  // So few that chunks wait for room.
  options.limits.import_stream_chunks_max = 2;
  options.limits.import_streams_max = 2;
  return options;
}

class ImportStreamTest : public StorageServicesTest {
 protected:
  explicit ImportStreamTest(LocalEngineOptions options = FastOptions())
      : StorageServicesTest(std::move(options)) {
    EXPECT_THAT(Create("collection { name: 'ccc' }"), IsOk());
  }
  Import Open(const std::string& mode = "") {
    return Import(*objects_, absl::StrCat("collection: 'ccc' ", mode));
  }
  // The property "n" of all objects by id; "document" counts as its length.
  std::map<std::string, int64_t> Stored(Engine& engine) {
    std::map<std::string, int64_t> stored;
    ListObjectsRequest request;
    request.collection = "ccc";
    request.page_size = 1000;
    const auto listed = engine.ListObjects({}, request);
    EXPECT_THAT(listed, IsOk());
    for (const ObjectView& view : listed->objects) {
      const auto found = view.object.properties.find("n");
      stored[view.object.id] = found == view.object.properties.end()
                                   ? -1
                                   : std::get<int64_t>(found->second);
    }
    return stored;
  }
  std::map<std::string, int64_t> Stored() { return Stored(*engine_); }
};

TEST_F(ImportStreamTest, WhatIsAcknowledgedIsThere) {
  Import import = Open();
  std::map<std::string, int64_t> expected;
  for (int i = 1; i <= 40; ++i) {
    import.Send(i, Own(absl::StrCat("a", i), i) +
                       Text(absl::StrCat("b", i), absl::StrCat("text ", i)));
    expected[absl::StrCat("a", i)] = i;
    expected[absl::StrCat("b", i)] = -1;
  }
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.committed(), 40);
  EXPECT_EQ(import.written(), 80);
  EXPECT_THAT(import.errors(), IsEmpty());
  EXPECT_EQ(Stored(), expected);
  // Its vector finds it.
  const auto found =
      Query("collection: 'ccc' near_text { concepts: 'text 7' } top_k: 1");
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Ids(*found), ElementsAre("b7"));
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_objects_total{result=\"written\"} 80"));
}

TEST_F(ImportStreamTest, AcknowledgedChunksAreInTheFiles) {
  Import import = Open();
  import.Send(1, Own("a", 1));
  import.Await(1);
  // What a process that is killed now leaves behind.
  TempDirectory copy;
  std::filesystem::copy(directory_.path(), copy.path() / "data",
                        std::filesystem::copy_options::recursive);
  LocalEngineOptions options;
  options.data_directory = copy.path() / "data";
  auto engine = LocalEngine::Open(options);
  ASSERT_THAT(engine, IsOk());
  EXPECT_THAT(Stored(**engine), ElementsAre(Pair("a", 1)));
  EXPECT_THAT(import.Finish(), IsOk());
}

TEST_F(ImportStreamTest, BadObjectsAreReportedAndTheRestIsWritten) {
  Import import = Open();
  import.Send(
      1, Own("good", 1) +
             "objects { id: 'name' properties { key: '#x' value { "
             "integer_value: 1 } } }" +
             "objects { id: 'space' vectors { key: 'nowhere' value { "
             "dense { values: [1] } } } }" +
             "objects { id: 'dimension' vectors { key: 'default' "
             "value { dense { values: [1, 2] } } } }" +
             "objects { id: 'list' properties { key: 'l' value { } } "
             "vectors { key: 'default' value { dense { values: [nan] } } } }" +
             Own("also good", 2));
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.committed(), 1);
  EXPECT_EQ(import.written(), 2);
  EXPECT_THAT(Stored(),
              UnorderedElementsAre(Pair("good", 1), Pair("also good", 2)));
  ASSERT_THAT(import.errors(), SizeIs(4));
  const std::vector<std::string> ids = {"name", "space", "dimension", "list"};
  for (int i = 0; i < 4; ++i) {
    const v1::ImportError error = import.errors()[i];
    EXPECT_EQ(error.sequence_number(), 1);
    EXPECT_EQ(error.index(), i + 1);
    EXPECT_EQ(error.id(), ids[i]);
    const absl::Status status = FromStatusProto(error.status());
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    ASSERT_THAT(FieldViolationsOf(status), ::testing::Not(IsEmpty()));
    EXPECT_THAT(FieldViolationsOf(status)[0].field,
                ::testing::StartsWith(absl::StrCat("objects[", i + 1, "]")));
  }
}

TEST_F(ImportStreamTest, ResumedBehindTheLastAcknowledgementNothingIsLost) {
  {
    Import import = Open();
    import.Send(1, Own("a", 1));
    import.Await(1);
    vectorizer_.Hang();
    import.Send(2, Text("b", "stuck") + Own("a", 2));
    vectorizer_.AwaitEntered();
    import.Cancel();
    EXPECT_THAT(import.Finish(), StatusIs(absl::StatusCode::kCancelled));
    EXPECT_EQ(import.committed(), 1);
  }
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", 1)));
  vectorizer_.Release();
  Import import = Open();
  import.Send(2, Text("b", "stuck") + Own("a", 2));
  import.Send(3, Own("d", 3));
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.committed(), 3);
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", 2), Pair("b", -1), Pair("d", 3)));
}

TEST_F(ImportStreamTest, MessagesThatCannotBeTakenAreNamed) {
  const auto status_of = [this](int64_t number, const std::string& objects) {
    Import import = Open();
    import.Send(1, Own("a", 1));
    import.Send(number, objects);
    const absl::Status status = import.Finish();
    // What came before is acknowledged all the same.
    EXPECT_EQ(import.committed(), 1);
    return status;
  };
  EXPECT_THAT(status_of(3, Own("b", 1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("chunk.sequence_number is 3; give 2")));
  EXPECT_THAT(status_of(2, ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("chunk.objects has 0 members")));
  Import zero = Open();
  zero.Send(0, Own("a", 1));
  EXPECT_THAT(zero.Finish(), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("sequence_number")));
  Import missing(*objects_, "collection: 'nobody'");
  EXPECT_THAT(missing.Finish(), StatusIs(absl::StatusCode::kNotFound));
  Import mode(*objects_, "collection: 'ccc' mode: 77");
  EXPECT_THAT(mode.Finish(), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("header.mode")));
  grpc::ClientContext context;
  const auto stream = objects_->ImportObjects(&context);
  stream->Write(Parse<v1::ImportObjectsRequest>("chunk { }"));
  stream->WritesDone();
  EXPECT_THAT(
      FromGrpcStatus(stream->Finish()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("header")));
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", 1)));
}

TEST_F(ImportStreamTest, InsertKeepsWhatExistsAndReportsIt) {
  Import first = Open();
  first.Send(1, Own("a", 1));
  EXPECT_THAT(first.Finish(), IsOk());
  Import import = Open("mode: IMPORT_MODE_INSERT");
  import.Send(1, Own("a", 2) + Text("a2", "x") + Own("b", 3));
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.written(), 2);
  ASSERT_THAT(import.responses, SizeIs(1));
  EXPECT_THAT(import.responses[0].existing_ids(), ElementsAre("a"));
  EXPECT_THAT(Stored(),
              ElementsAre(Pair("a", 1), Pair("a2", -1), Pair("b", 3)));
}

TEST_F(ImportStreamTest, IdsThatTheServerMakesAreTold) {
  Import import = Open();
  import.Send(1, Own("a", 1) + Own("", 2));
  EXPECT_THAT(import.Finish(), IsOk());
  ASSERT_THAT(import.responses, SizeIs(1));
  ASSERT_THAT(import.responses[0].made_ids(), SizeIs(1));
  EXPECT_EQ(import.responses[0].made_ids(0).index(), 1);
  EXPECT_EQ(Stored()[import.responses[0].made_ids(0).id()], 2);
}

TEST_F(ImportStreamTest, AnIdIsWrittenInTheOrderInWhichItIsSent) {
  Import import = Open();
  // The first needs the inference service, the others do not.
  import.Send(1, Text("a", "slow"));
  import.Send(2, Own("a", 1) + Own("b", 1) + Own("a", 2));
  import.Send(3, Own("b", 2));
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.written(), 5);
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", 2), Pair("b", 2)));
}

TEST_F(ImportStreamTest, AnImageByHashIsTakenFromTheCollectionOnly) {
  Import import = Open();
  const std::string image =
      "objects { id: 'a' properties { key: 'image' value { image_value { data: "
      "'picture' } } } }";
  import.Send(1, image);
  EXPECT_THAT(import.Finish(), IsOk());
  const auto stored = Call(*objects_, &v1::ObjectService::Stub::GetObjects,
                           "collection: 'ccc' ids: 'a'");
  ASSERT_THAT(stored, IsOk());
  v1::ImportChunk chunk;
  for (const char* id : {"known", "unknown"}) {
    v1::Object& object = *chunk.add_objects();
    object.set_id(id);
    v1::Image& value =
        *(*object.mutable_properties())["image"].mutable_image_value();
    value = stored->objects(0).properties().at("image").image_value();
    value.clear_size_bytes();
  }
  std::string digest(32, 'x');
  (*chunk.mutable_objects(1)->mutable_properties())["image"]
      .mutable_image_value()
      ->set_content_sha256(digest);
  Import second = Open();
  second.Send(1, chunk.ShortDebugString());
  EXPECT_THAT(second.Finish(), IsOk());
  ASSERT_THAT(second.errors(), SizeIs(1));
  EXPECT_EQ(second.errors()[0].id(), "unknown");
  EXPECT_THAT(second.errors()[0].status().message(),
              HasSubstr("does not hold"));
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", -1), Pair("known", -1)));
}

TEST_F(ImportStreamTest, ABusyInferenceServiceSlowsTheImportOnly) {
  vectorizer_.fake.SetStatus(absl::ResourceExhaustedError("busy"));
  Import import = Open();
  import.Send(1, Text("a", "x"));
  import.Send(2, Text("b", "y"));
  // It was asked in vain, and is asked again.
  while (vectorizer_.fake.call_sizes().size() < 3) std::this_thread::yield();
  vectorizer_.fake.SetStatus(absl::OkStatus());
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.written(), 2);
  EXPECT_THAT(import.errors(), IsEmpty());
}

LocalEngineOptions Impatient() {
  LocalEngineOptions options = FastOptions();
  options.bulk_vectorizer.patience = absl::ZeroDuration();
  return options;
}

class ImpatientImportTest : public ImportStreamTest {
 protected:
  ImpatientImportTest() : ImportStreamTest(Impatient()) {}
};

TEST_F(ImpatientImportTest, AnInferenceServiceThatStaysAwayFailsObjects) {
  vectorizer_.fake.SetStatus(absl::UnavailableError("away"));
  Import import = Open();
  import.Send(1, Text("a", "x") + Own("b", 1));
  EXPECT_THAT(import.Finish(), IsOk());
  ASSERT_THAT(import.errors(), SizeIs(1));
  EXPECT_EQ(import.errors()[0].id(), "a");
  EXPECT_THAT(FromStatusProto(import.errors()[0].status()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("away")));
  EXPECT_THAT(Stored(), ElementsAre(Pair("b", 1)));
}

TEST_F(ImportStreamTest, AnotherModelIsRefusedPerObject) {
  Import import = Open();
  import.Send(1, Text("a", "x"));
  import.Await(1);
  vectorizer_.fake.SetFingerprint("another");
  import.Send(2, Text("b", "y") + Own("c", 1));
  EXPECT_THAT(import.Finish(), IsOk());
  ASSERT_THAT(import.errors(), SizeIs(1));
  EXPECT_EQ(ReasonOf(FromStatusProto(import.errors()[0].status())),
            "MODEL_MISMATCH");
  EXPECT_THAT(Stored(), ElementsAre(Pair("a", -1), Pair("c", 1)));
}

TEST_F(ImportStreamTest, ADeletedCollectionEndsTheImport) {
  Import import = Open();
  import.Send(1, Own("a", 1));
  import.Await(1);
  ASSERT_THAT(engine_->DeleteCollection({}, "ccc"), IsOk());
  import.Send(2, Own("b", 1));
  EXPECT_THAT(import.Finish(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(import.committed(), 1);
}

TEST_F(ImportStreamTest, ARenamedCollectionIsStillImportedInto) {
  Import import = Open();
  import.Send(1, Own("a", 1));
  import.Await(1);
  UpdateCollectionRequest rename;
  rename.name = "ccc";
  rename.new_name = "renamed";
  ASSERT_THAT(engine_->UpdateCollection({}, rename), IsOk());
  import.Send(2, Own("b", 1));
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_EQ(import.committed(), 2);
  EXPECT_THAT(engine_->CountObjects({}, {"renamed", std::nullopt}),
              IsOkAndHolds(2u));
}

TEST_F(ImportStreamTest, AStopAcknowledgesWhatWasReceived) {
  vectorizer_.Hang();
  Import import = Open();
  import.Send(1, Text("a", "x"));
  vectorizer_.AwaitEntered();
  object_service_->StopImports();
  vectorizer_.Release();
  const absl::Status status = import.Finish();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(RetryAfterOf(status).has_value());
  EXPECT_EQ(import.committed(), 1);
  Import late = Open();
  EXPECT_THAT(late.Finish(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ImportStreamTest, ADeadlineEndsTheImport) {
  vectorizer_.Hang();
  Import import(*objects_, absl::Milliseconds(300));
  import.Send(1, Text("a", "x"));
  EXPECT_THAT(import.Finish(), ::testing::Not(IsOk()));
  vectorizer_.Release();
}

TEST_F(ImportStreamTest, MoreImportsThanAllowedAreRefusedForNow) {
  Import a = Open();
  a.Send(1, Own("a", 1));
  a.Await(1);
  Import b = Open();
  b.Send(1, Own("b", 1));
  b.Await(1);
  Import c = Open();
  const absl::Status refused = c.Finish();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("as many imports")));
  EXPECT_TRUE(RetryAfterOf(refused).has_value());
}

TEST_F(ImportStreamTest, LongReportsComeInSeveralMessages) {
  std::string objects;
  const std::string name(200, 'x');
  for (int i = 0; i < 6'000; ++i) {
    absl::StrAppend(&objects, "objects { id: '", i, "' properties { key: '#",
                    name, "' value { integer_value: 1 } } }");
  }
  Import import = Open();
  import.Send(1, objects);
  EXPECT_THAT(import.Finish(), IsOk());
  EXPECT_THAT(import.errors(), SizeIs(6'000));
  EXPECT_THAT(import.responses.size(), Gt(1u));
  for (const auto& response : import.responses) {
    EXPECT_LT(response.ByteSizeLong(), 2u << 20);
  }
  EXPECT_EQ(import.responses.front().committed_sequence_number(), 0);
  EXPECT_EQ(import.committed(), 1);
}

}  // namespace
}  // namespace diptych::storage
