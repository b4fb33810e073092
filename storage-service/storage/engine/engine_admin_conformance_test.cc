// What every engine that keeps snapshots must do: snapshots, restoring,
// compaction, reset.
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/engine/engine_conformance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;

std::vector<std::string> CollectionNames(Engine& engine) {
  std::vector<std::string> names;
  auto listed = engine.ListCollections({}, {});
  EXPECT_THAT(listed, IsOk());
  if (!listed.ok()) return names;
  for (const Collection& collection : listed->collections) {
    names.push_back(collection.spec.name);
  }
  return names;
}

TEST_P(EngineConformanceTest, ASnapshotBringsEverythingBack) {
  ASSERT_THAT(CreateOwn("points"), IsOk());
  ASSERT_THAT(CreateDefault("words"), IsOk());
  ObjectWrite with_image = Point("a", {1, 0}, {{"n", int64_t{1}}});
  with_image.images["photo"] = "not really a picture";
  ASSERT_THAT(Write("points", {with_image, Point("b", {2, 0})}), IsOk());
  ObjectWrite word;
  word.id = "w";
  word.properties["document"] = std::string("hello");
  ASSERT_THAT(Write("words", {word}), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const ObjectView a, Get("points", "a"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const ObjectView w, Get("words", "w"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Collection before,
                               engine_->GetCollection({}, "points"));

  DIPTYCH_ASSERT_OK_AND_ASSIGN(const SnapshotInfo snapshot,
                               engine_->CreateSnapshot({}, "first"));
  EXPECT_EQ(snapshot.collections, 2u);
  EXPECT_GT(snapshot.size_bytes, 0u);
  ASSERT_THAT(Write("points", {Point("a", {9, 9}), Point("c", {3, 0})}),
              IsOk());
  ASSERT_THAT(engine_->DeleteObjects({}, {"points", {"b"}, std::nullopt, 0}),
              IsOk());
  ASSERT_THAT(engine_->DeleteCollection({}, "words"), IsOk());
  ASSERT_THAT(CreateOwn("another"), IsOk());

  DIPTYCH_ASSERT_OK_AND_ASSIGN(const RestoreSnapshotResult restored,
                               engine_->RestoreSnapshot({}, "first"));
  EXPECT_EQ(restored.collections, 2u);
  EXPECT_THAT(CollectionNames(*engine_), ElementsAre("points", "words"));
  EXPECT_EQ(Get("points", "a")->object, a.object);
  EXPECT_EQ(Get("points", "a")->images, a.images);
  EXPECT_EQ(Get("words", "w")->object, w.object);
  EXPECT_THAT(Search(Near("points", {0, 0})), ElementsAre("a", "b"));
  EXPECT_THAT(Search(Near("words", w.object.vectors.at("default"))),
              ElementsAre("w"));
  SearchRequest filtered = Near("points", {0, 0});
  filtered.filter = Equals("n", int64_t{1});
  EXPECT_THAT(Search(filtered), ElementsAre("a"));
  // Another collection to whoever remembers what was written into the old one.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Collection after,
                               engine_->GetCollection({}, "points"));
  EXPECT_EQ(after.spec, before.spec);
  EXPECT_EQ(after.create_time, before.create_time);
  EXPECT_NE(after.uid, before.uid);
  // It lives on, and can be restored again.
  EXPECT_THAT(Write("points", {Point("d", {0, 0})}), IsOk());
  EXPECT_THAT(Search(Near("points", {0, 0}, 1)), ElementsAre("d"));
  EXPECT_THAT(engine_->RestoreSnapshot({}, "first"), IsOk());
  EXPECT_EQ(Count("points"), 2u);
}

TEST_P(EngineConformanceTest, SnapshotsAreListedAndNeverOverwritten) {
  EXPECT_THAT(engine_->ListSnapshots({}), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(engine_->CreateSnapshot({}, "b"), IsOk());
  ASSERT_THAT(CreateOwn("points"), IsOk());
  ASSERT_THAT(engine_->CreateSnapshot({}, "a.2-x_Y"), IsOk());
  const absl::Status again = engine_->CreateSnapshot({}, "b").status();
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kAlreadyExists));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto listed, engine_->ListSnapshots({}));
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].name, "a.2-x_Y");
  EXPECT_EQ(listed[0].collections, 1u);
  EXPECT_EQ(listed[1].name, "b");
  EXPECT_EQ(listed[1].collections, 0u);
  EXPECT_GT(listed[0].create_time.unix_microseconds, 0);
  // An empty one is one, too.
  ASSERT_THAT(engine_->RestoreSnapshot({}, "b"), IsOk());
  EXPECT_THAT(CollectionNames(*engine_), IsEmpty());
}

TEST_P(EngineConformanceTest, NamesOfSnapshotsAreNotPaths) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"),
        std::string("a/b"), std::string("/tmp/x"), std::string(".hidden"),
        std::string("a b"), std::string("a\0b", 3), std::string("\xc3\xa4"),
        std::string(129, 'x')}) {
    const absl::Status created = engine_->CreateSnapshot({}, name).status();
    ASSERT_THAT(created, StatusIs(absl::StatusCode::kInvalidArgument)) << name;
    EXPECT_EQ(FieldViolationsOf(created)[0].field, "name");
    EXPECT_THAT(engine_->RestoreSnapshot({}, name),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  EXPECT_THAT(engine_->RestoreSnapshot({}, "none"), StatusIs(kNotFound));
  EXPECT_THAT(engine_->CreateSnapshot({}, std::string(128, 'x')), IsOk());
}

TEST_P(EngineConformanceTest, AnOverdueCallDoesNothing) {
  ASSERT_THAT(CreateOwn("points"), IsOk());
  CallContext late;
  late.deadline = absl::InfinitePast();
  const absl::StatusCode code = absl::StatusCode::kDeadlineExceeded;
  EXPECT_THAT(engine_->CreateSnapshot(late, "x"), StatusIs(code));
  EXPECT_THAT(engine_->RestoreSnapshot(late, "x"), StatusIs(code));
  EXPECT_THAT(engine_->CompactCollection(late, "points"), StatusIs(code));
  EXPECT_THAT(engine_->Reset(late), StatusIs(code));
  EXPECT_THAT(CollectionNames(*engine_), ElementsAre("points"));
  EXPECT_THAT(engine_->ListSnapshots({}), IsOkAndHolds(IsEmpty()));
}

TEST_P(EngineConformanceTest, CompactingAndFlushingKeepEveryAnswer) {
  ASSERT_THAT(CreateOwn("points"), IsOk());
  std::vector<ObjectWrite> points;
  for (int i = 0; i < 50; ++i) {
    points.push_back(Point(absl::StrCat("p", 10 + i),
                           {static_cast<float>(i), 0}, {{"n", int64_t{i}}}));
  }
  ASSERT_THAT(Write("points", points), IsOk());
  SearchRequest below = Near("points", {0, 0}, 100);
  below.filter =
      Filter{CompareFilter{"n", CompareOperator::kLess, int64_t{25}}};
  ASSERT_THAT(engine_->DeleteObjects({}, {"points", {}, below.filter, 0}),
              IsOk());
  const auto expected = Search(Near("points", {0, 0}, 100));
  ASSERT_EQ(expected.size(), 25u);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const CompactionResult compacted,
                               engine_->CompactCollection({}, "points"));
  EXPECT_LE(compacted.disk_bytes_after, compacted.disk_bytes_before);
  EXPECT_EQ(engine_->GetCollectionStats({}, "points")->disk_bytes,
            compacted.disk_bytes_after);
  EXPECT_THAT(engine_->Flush({}, "points"), IsOk());
  EXPECT_THAT(engine_->Flush({}, ""), IsOk());
  EXPECT_EQ(Search(Near("points", {0, 0}, 100)), expected);
  EXPECT_THAT(Search(below), IsEmpty());
  EXPECT_THAT(Write("points", {Point("new", {0, 0})}), IsOk());
  EXPECT_EQ(Count("points"), 26u);
  EXPECT_THAT(engine_->CompactCollection({}, "none"), StatusIs(kNotFound));
  EXPECT_THAT(engine_->Flush({}, "none"), StatusIs(kNotFound));
}

TEST_P(EngineConformanceTest, AResetLeavesNothingButSnapshots) {
  ASSERT_THAT(CreateOwn("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", {1, 0})}), IsOk());
  ASSERT_THAT(engine_->CreateSnapshot({}, "kept"), IsOk());
  ASSERT_THAT(engine_->Reset({}), IsOk());
  EXPECT_THAT(CollectionNames(*engine_), IsEmpty());
  EXPECT_THAT(Write("points", {Point("b", {1, 0})}).status(),
              StatusIs(kNotFound));
  ASSERT_THAT(CreateOwn("points"), IsOk());
  EXPECT_EQ(Count("points"), 0u);
  EXPECT_THAT(engine_->RestoreSnapshot({}, "kept"), IsOk());
  EXPECT_EQ(Count("points"), 1u);
}

// A writer writes each number into one collection, then into the other.
// Whenever a snapshot is taken, the first is at most one ahead.
TEST_P(EngineConformanceTest, ASnapshotIsOfOneMomentOfAllCollections) {
  ASSERT_THAT(CreateOwn("first"), IsOk());
  ASSERT_THAT(CreateOwn("second"), IsOk());
  std::atomic<int> written{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string id = absl::StrCat(i);
      EXPECT_THAT(Write("first", {Point(id, {1, 0})}), IsOk());
      EXPECT_THAT(Write("second", {Point(id, {1, 0})}), IsOk());
      written = i + 1;
    }
  });
  constexpr int kSnapshots = 4;
  std::vector<uint64_t> written_before;
  for (int i = 0; i < kSnapshots; ++i) {
    while (written < 5 * (i + 1)) std::this_thread::yield();
    written_before.push_back(static_cast<uint64_t>(written));
    EXPECT_THAT(engine_->CreateSnapshot({}, absl::StrCat("s", i)), IsOk());
  }
  stop = true;
  writer.join();
  for (int i = 0; i < kSnapshots; ++i) {
    ASSERT_THAT(engine_->RestoreSnapshot({}, absl::StrCat("s", i)), IsOk());
    const uint64_t first = Count("first"), second = Count("second");
    EXPECT_GE(second, written_before[i]);
    EXPECT_GE(first, second);
    EXPECT_LE(first, second + 1);
  }
}

// Calls end with their result or NOT_FOUND, and see the one or the other state.
TEST_P(EngineConformanceTest, CallsGoOnWhileEverythingIsReplaced) {
  ASSERT_THAT(CreateOwn("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", {1, 0}), Point("b", {2, 0})}),
              IsOk());
  ASSERT_THAT(engine_->CreateSnapshot({}, "two"), IsOk());
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      auto result = engine_->Search({}, Near("points", {0, 0}));
      if (result.ok()) {
        EXPECT_GE(result->hits.size(), 2u);
      } else {
        EXPECT_THAT(result.status(), StatusIs(kNotFound));
      }
    }
  });
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const absl::Status status =
          Write("points", {Point("c", {static_cast<float>(i), 5})}).status();
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
    }
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(engine_->RestoreSnapshot({}, "two"), IsOk());
    EXPECT_THAT(engine_->CompactCollection({}, "points"), IsOk());
    EXPECT_THAT(engine_->Reset({}), IsOk());
  }
  stop = true;
  reader.join();
  writer.join();
}

}  // namespace
}  // namespace diptych::storage
