// Readers and writers of few objects side by side; what each saw must fit into
// one order (docs/testing.md). First, that the judge knows what does not.
#include "tests/recovery/linearizability.h"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/local_engine.h"
#include "storage/service/storage_services_fixture.h"
#include "tests/recovery/engine_probe.h"

namespace diptych::storage {
namespace {

RegisterOperation Write(int64_t begin, int64_t end, int64_t value) {
  return {begin, end, true, value};
}
RegisterOperation Read(int64_t begin, int64_t end, int64_t value) {
  return {begin, end, false, value};
}

TEST(IsLinearizableTest, KnowsWhatFits) {
  std::string why;
  EXPECT_TRUE(IsLinearizable({}, &why));
  EXPECT_TRUE(
      IsLinearizable({Read(1, 2, 0), Write(3, 4, 7), Read(5, 6, 7)}, &why));
  // While a write is under way, reads see either, but not back and forth.
  EXPECT_TRUE(IsLinearizable(
      {Write(1, 10, 7), Read(2, 3, 0), Read(4, 5, 7), Read(6, 7, 7)}, &why));
  // Two writes at the same time, in the order that the reads ask for.
  EXPECT_TRUE(IsLinearizable({Write(1, 10, 7), Write(2, 9, 8), Read(3, 4, 8),
                              Read(5, 6, 7), Read(11, 12, 7)},
                             &why));
  EXPECT_TRUE(
      IsLinearizable({Write(1, 2, 7), Write(3, 4, 0), Read(5, 6, 0)}, &why));
}

TEST(IsLinearizableTest, KnowsWhatDoesNot) {
  std::string why;
  // A write that was lost, or is not seen yet although it was acknowledged.
  EXPECT_FALSE(IsLinearizable({Write(1, 2, 7), Read(3, 4, 0)}, &why));
  EXPECT_FALSE(
      IsLinearizable({Write(1, 2, 7), Write(3, 4, 8), Read(5, 6, 7)}, &why));
  // A read of what was never written, or only later.
  EXPECT_FALSE(IsLinearizable({Write(1, 2, 7), Read(3, 4, 9)}, &why));
  EXPECT_FALSE(IsLinearizable({Read(1, 2, 7), Write(3, 4, 7)}, &why));
  // New, then old again.
  EXPECT_FALSE(
      IsLinearizable({Write(1, 10, 7), Read(2, 3, 7), Read(4, 5, 0)}, &why));
  EXPECT_FALSE(IsLinearizable({Write(1, 10, 7), Write(2, 9, 8), Read(3, 4, 8),
                               Read(5, 6, 7), Read(11, 12, 8)},
                              &why));
  // Back from the dead.
  EXPECT_FALSE(
      IsLinearizable({Write(1, 2, 7), Write(3, 4, 0), Read(5, 6, 7)}, &why));
  EXPECT_NE(why, "");
}

constexpr int kObjects = 4;
// ThreadSanitizer makes every one slow, and finds a race in few.
#ifdef __SANITIZE_THREAD__
constexpr int kOperationsPerThread = 15;
#else
constexpr int kOperationsPerThread = 40;
#endif
using Values = std::map<std::string, int64_t>;

std::string IdOf(int64_t object) { return absl::StrCat("register-", object); }

// How clients reach the objects. Every function may be called from any thread.
struct Access {
  // Objects and their new values; 0 deletes.
  std::function<absl::Status(const Values&)> write;
  // Ways to read all objects; those that are not there are left out.
  std::vector<std::function<absl::StatusOr<Values>()>> reads;
  // What the background does meanwhile.
  std::function<absl::Status()> maintain;
};

int OperationsPerThread() {
  const char* text = std::getenv("DIPTYCH_OPERATIONS");
  int number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number)
             ? number
             : kOperationsPerThread;
}

// Three writers, and a reader for every way to read.
void RunAndJudge(const Access& access, uint64_t seed) {
  std::atomic<int64_t> moment{0}, next_value{0};
  std::atomic<int> writers_left{3};
  std::vector<std::map<std::string, std::vector<RegisterOperation>>> histories(
      3 + access.reads.size());
  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < 3; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(seed * 100 + writer);
      for (int i = OperationsPerThread(); i > 0; --i) {
        Values values;
        const bool remove = random() % 4 == 0;
        for (size_t count = 1 + random() % 2; count > 0; --count) {
          values[IdOf(static_cast<int64_t>(random() % kObjects))] =
              remove ? 0 : ++next_value;
        }
        const int64_t begin = ++moment;
        EXPECT_THAT(access.write(values), IsOk());
        const int64_t end = ++moment;
        for (const auto& [id, value] : values) {
          histories[writer][id].push_back({begin, end, true, value});
        }
      }
      --writers_left;
    });
  }
  for (size_t reader = 0; reader < access.reads.size(); ++reader) {
    threads.emplace_back([&, reader] {
      for (int i = 0; writers_left > 0 || i < 3; ++i) {
        // As many as the judge can place in good time.
        if (i >= 20 * OperationsPerThread()) break;
        const int64_t begin = ++moment;
        const auto values = access.reads[reader]();
        const int64_t end = ++moment;
        EXPECT_THAT(values, IsOk());
        if (!values.ok()) break;
        for (int object = 0; object < kObjects; ++object) {
          const auto found = values->find(IdOf(object));
          histories[3 + reader][IdOf(object)].push_back(
              {begin, end, false, found == values->end() ? 0 : found->second});
        }
      }
    });
  }
  if (access.maintain) {
    for (int i = 0; writers_left > 0; ++i) {
      EXPECT_THAT(access.maintain(), IsOk());
    }
  }
  for (std::thread& thread : threads) thread.join();
  // Each way to read with all writes. Together they are no register: a write
  // that is under way may be got by its id a moment before a search finds it.
  for (size_t reader = 0; reader < access.reads.size(); ++reader) {
    for (int object = 0; object < kObjects; ++object) {
      const std::string id = IdOf(object);
      std::vector<RegisterOperation> history = histories[3 + reader][id];
      for (size_t writer = 0; writer < 3; ++writer) {
        const auto& operations = histories[writer][id];
        history.insert(history.end(), operations.begin(), operations.end());
      }
      std::string why;
      EXPECT_TRUE(IsLinearizable(history, &why))
          << "reader " << reader << ", " << id << ": " << why;
      EXPECT_GT(history.size(), 10u);
    }
  }
}

TEST(LinearizabilityTest, OfTheEngine) {
  TempDirectory directory;
  LocalEngineOptions options;
  options.data_directory = directory.path();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine, LocalEngine::Open(options));
  CreateCollectionRequest create;
  create.spec.name = kProbeCollection;
  VectorSpace& space = create.spec.vector_spaces.emplace_back();
  space.name = kDefaultVectorSpace;
  space.metric = Metric::kSquaredL2;
  ASSERT_THAT(engine->CreateCollection({}, create), IsOk());

  // The value of an object that is whole.
  const auto add = [](const ObjectView& view, Values& values) {
    const int64_t value = std::get<int64_t>(view.object.properties.at("write"));
    EXPECT_EQ(std::get<std::string>(view.object.properties.at("tag")),
              MarkedTag(value));
    values[view.object.id] = value;
  };
  Access access;
  access.write = [&](const Values& values) -> absl::Status {
    if (values.begin()->second == 0) {
      DeleteObjectsRequest request;
      request.collection = kProbeCollection;
      for (const auto& [id, value] : values) request.ids.push_back(id);
      return engine->DeleteObjects({}, request).status();
    }
    WriteObjectsRequest request;
    request.collection = kProbeCollection;
    for (const auto& [id, value] : values) {
      request.objects.push_back(MarkedWrite(id, {value, value}));
    }
    return engine->WriteObjects({}, std::move(request)).status();
  };
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    GetObjectsRequest request;
    request.collection = kProbeCollection;
    for (int i = 0; i < kObjects; ++i) request.ids.push_back(IdOf(i));
    DIPTYCH_ASSIGN_OR_RETURN(const auto result,
                             engine->GetObjects({}, request));
    Values values;
    for (const ObjectView& view : result.objects) add(view, values);
    return values;
  });
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    SearchRequest request;
    request.collection = kProbeCollection;
    request.query = MarkedVector(5);
    request.top_k = 100;
    DIPTYCH_ASSIGN_OR_RETURN(const auto result, engine->Search({}, request));
    Values values;
    for (const SearchHit& hit : result.hits) add(hit.view, values);
    return values;
  });
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    KeywordSearchRequest request;
    request.collection = kProbeCollection;
    request.keywords.text = "group0 group1 group2 group3 group4";
    request.top_k = 100;
    DIPTYCH_ASSIGN_OR_RETURN(const auto result,
                             engine->SearchKeywords({}, request));
    Values values;
    for (const KeywordHit& hit : result.hits) add(hit.view, values);
    return values;
  });
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    ListObjectsRequest request;
    request.collection = kProbeCollection;
    request.order_by = OrderBy{"write", true};
    request.page_size = 100;
    DIPTYCH_ASSIGN_OR_RETURN(const auto result,
                             engine->ListObjects({}, request));
    Values values;
    for (const ObjectView& view : result.objects) add(view, values);
    return values;
  });
  access.maintain = [&]() -> absl::Status {
    DIPTYCH_RETURN_IF_ERROR(
        engine->CompactCollection({}, kProbeCollection).status());
    DIPTYCH_RETURN_IF_ERROR(
        engine->GetCollectionStats({}, kProbeCollection).status());
    DIPTYCH_RETURN_IF_ERROR(engine->WriteIndexSnapshots());
    return engine->AwaitIndexing({}, kProbeCollection);
  };
  RunAndJudge(access, 1);
}

class LinearizabilityServiceTest : public StorageServicesTest {};

TEST_F(LinearizabilityServiceTest, OfTheService) {
  ASSERT_THAT(Create("collection { name: 'things' vector_spaces { name: "
                     "'default' metric: METRIC_SQUARED_L2 } }"),
              IsOk());
  const auto add = [](const v1::Object& object, Values& values) {
    values[object.id()] = object.properties().at("write").integer_value();
  };
  Access access;
  access.write = [&](const Values& values) -> absl::Status {
    grpc::ClientContext context;
    if (values.begin()->second == 0) {
      v1::DeleteObjectsRequest request;
      request.set_collection("things");
      for (const auto& [id, value] : values) request.add_ids(id);
      v1::DeleteObjectsResponse response;
      return FromGrpcStatus(
          objects_->DeleteObjects(&context, request, &response));
    }
    v1::UpsertObjectsRequest request;
    request.set_collection("things");
    for (const auto& [id, value] : values) {
      *request.add_objects() = MarkedObject(id, {value, value});
    }
    v1::UpsertObjectsResponse response;
    return FromGrpcStatus(
        objects_->UpsertObjects(&context, request, &response));
  };
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    grpc::ClientContext context;
    v1::GetObjectsRequest request;
    request.set_collection("things");
    for (int i = 0; i < kObjects; ++i) request.add_ids(IdOf(i));
    v1::GetObjectsResponse response;
    DIPTYCH_RETURN_IF_ERROR(
        FromGrpcStatus(objects_->GetObjects(&context, request, &response)));
    Values values;
    for (const v1::Object& object : response.objects()) add(object, values);
    return values;
  });
  access.reads.push_back([&]() -> absl::StatusOr<Values> {
    grpc::ClientContext context;
    v1::QueryRequest request;
    request.set_collection("things");
    for (float value : MarkedVector(5)) {
      request.mutable_near_vector()
          ->mutable_vector()
          ->mutable_dense()
          ->add_values(value);
    }
    request.set_top_k(100);
    v1::QueryResponse response;
    DIPTYCH_RETURN_IF_ERROR(
        FromGrpcStatus(search_->Query(&context, request, &response)));
    Values values;
    for (const v1::QueryResult& result : response.results()) {
      add(result.object(), values);
    }
    return values;
  });
  RunAndJudge(access, 2);
}

}  // namespace
}  // namespace diptych::storage
