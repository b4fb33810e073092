// What every engine must do: search, listing, deletion and vectorising.
#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "storage/engine/engine_conformance.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(EngineConformanceTest, TheFirstVectorFixesTheDimension) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects", {Point("a", {1, 2, 3})}), IsOk());
  EXPECT_EQ(
      engine_->GetCollection({}, "objects")->spec.vector_spaces[0].dimension,
      3u);
  EXPECT_THAT(Write("objects", {Point("b", {1, 2})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(engine_->Search({}, Near("objects", {1, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(EngineConformanceTest, SearchRanksByTheMetric) {
  struct Case {
    Metric metric;
    std::vector<std::string> ids;
    double first_distance;
  };
  for (const Case& metric :
       {Case{Metric::kSquaredL2, {"near", "long", "across"}, 0.0},
        Case{Metric::kCosine, {"long", "near", "across"}, 0.0},
        Case{Metric::kInnerProduct, {"long", "near", "across"}, -9.0}}) {
    const std::string name =
        absl::StrCat("metric", static_cast<int>(metric.metric));
    ASSERT_THAT(CreateOwn(name, metric.metric), IsOk());
    ASSERT_THAT(Write(name, {Point("near", {1, 0}), Point("long", {10, 0}),
                             Point("across", {0, 20})}),
                IsOk());
    if (metric.metric == Metric::kSquaredL2) {
      EXPECT_THAT(Search(Near(name, {1, 0})),
                  ElementsAre("near", "long", "across"));
    } else {
      EXPECT_EQ(Search(Near(name, {1, 0})), metric.ids);
    }
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto result,
                                 engine_->Search({}, Near(name, {1, 0})));
    EXPECT_DOUBLE_EQ(result.hits[0].distance, metric.first_distance);
  }
}

TEST_P(EngineConformanceTest, SearchTakesTopKOffsetFilterAndMaxDistance) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 50; ++i) {
    objects.push_back(Point(absl::StrCat(100 + i), {static_cast<float>(i), 0},
                            {{"even", i % 2 == 0}}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  SearchRequest request = Near("objects", {0, 0}, 3);
  EXPECT_THAT(Search(request), ElementsAre("100", "101", "102"));
  request.offset = 2;
  EXPECT_THAT(Search(request), ElementsAre("102", "103", "104"));
  request.filter = Equals("even", true);
  EXPECT_THAT(Search(request), ElementsAre("104", "106", "108"));
  request.offset = 0;
  request.max_distance = 16.0;
  request.top_k = 10;
  EXPECT_THAT(Search(request), ElementsAre("100", "102", "104"));
  request.exact = true;
  EXPECT_THAT(Search(request), ElementsAre("100", "102", "104"));
  request.filter = Equals("even", std::string("no"));
  EXPECT_THAT(Search(request), IsEmpty());
  request.top_k = 0;
  EXPECT_THAT(engine_->Search({}, request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  request.top_k = 10'001;
  EXPECT_THAT(engine_->Search({}, request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  request.top_k = 1;
  request.vector_space = "other";
  EXPECT_THAT(
      engine_->Search({}, request),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("default")));
}

// However the index keeps vectors, the stored ones decide.
TEST_P(EngineConformanceTest, PrecisionChangesNeitherOrderNorDistances) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto make = [&] {
    std::vector<float> vector(24);
    for (float& x : vector) x = normal(random);
    return vector;
  };
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 400; ++i) {
    objects.push_back(Point(absl::StrCat(1000 + i), make()));
  }
  const std::vector<float> query = make();
  for (const Metric metric :
       {Metric::kCosine, Metric::kSquaredL2, Metric::kInnerProduct}) {
    std::vector<std::pair<double, std::string>> expected;
    for (const ObjectWrite& object : objects) {
      expected.emplace_back(
          Distance(metric, query, object.vectors.at("default")), object.id);
    }
    std::sort(expected.begin(), expected.end());
    for (const VectorPrecision precision :
         {VectorPrecision::kBfloat16, VectorPrecision::kInt8}) {
      const std::string name = absl::StrCat("of", static_cast<int>(metric),
                                            "and", static_cast<int>(precision));
      ASSERT_THAT(CreateOwn(name, metric, precision), IsOk());
      ASSERT_THAT(Write(name, objects), IsOk());
      EXPECT_EQ(
          engine_->GetCollection({}, name)->spec.vector_spaces[0].precision,
          precision);
      for (const bool exact : {false, true}) {
        SearchRequest request = Near(name, query, 5);
        request.exact = exact;
        DIPTYCH_ASSERT_OK_AND_ASSIGN(auto result, engine_->Search({}, request));
        ASSERT_EQ(result.hits.size(), 5u);
        for (size_t i = 0; i < 5; ++i) {
          EXPECT_EQ(result.hits[i].view.object.id, expected[i].second);
          EXPECT_DOUBLE_EQ(result.hits[i].distance, expected[i].first);
        }
        // The limit lies on the third, to the last bit.
        request.max_distance = expected[2].first;
        EXPECT_THAT(Search(request),
                    ElementsAre(expected[0].second, expected[1].second,
                                expected[2].second));
      }
    }
  }
}

TEST_P(EngineConformanceTest, ExactSearchOfManyEqualCompactVectors) {
  ASSERT_THAT(CreateOwn("objects", Metric::kCosine, VectorPrecision::kInt8),
              IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 1500; ++i) {
    objects.push_back(Point(absl::StrCat(9999 - i), {1, 2, 3}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  SearchRequest request = Near("objects", {1, 2, 3}, 2);
  request.exact = true;
  EXPECT_THAT(Search(request), ElementsAre("8500", "8501"));
}

TEST_P(EngineConformanceTest, EqualDistancesAreRankedById) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(
      Write("objects", {Point("c", {1}), Point("a", {1}), Point("b", {-1})}),
      IsOk());
  EXPECT_THAT(Search(Near("objects", {0})), ElementsAre("a", "b", "c"));
}

TEST_P(EngineConformanceTest, NearObjectFindsTheOthers) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ObjectWrite bare;
  bare.id = "bare";
  ASSERT_THAT(Write("objects",
                    {Point("a", {0}), Point("b", {1}), Point("c", {2}), bare}),
              IsOk());
  SearchRequest request = Near("objects", {}, 2);
  request.query = NearObject{"a", false};
  EXPECT_THAT(Search(request), ElementsAre("b", "c"));
  request.query = NearObject{"a", true};
  EXPECT_THAT(Search(request), ElementsAre("a", "b"));
  request.query = NearObject{"zzz", false};
  EXPECT_THAT(engine_->Search({}, request),
              StatusIs(absl::StatusCode::kNotFound));
  request.query = NearObject{"bare", false};
  EXPECT_THAT(engine_->Search({}, request),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(EngineConformanceTest, ExcludedObjectsDoNotCountTowardsTopK) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 100; ++i) {
    objects.push_back(Point(absl::StrCat(100 + i), {static_cast<float>(i)}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  SearchRequest request = Near("objects", {0}, 2);
  // More of them than the engine's own reserve of candidates.
  for (int i = 0; i < 40; ++i) {
    request.excluded_ids.push_back(absl::StrCat(100 + i));
  }
  request.excluded_ids.push_back("no such object");
  EXPECT_THAT(Search(request), ElementsAre("140", "141"));
  request.offset = 1;
  request.exact = true;
  EXPECT_THAT(Search(request), ElementsAre("141", "142"));
  request.query = NearObject{"140", false};
  request.offset = 0;
  EXPECT_THAT(Search(request), ElementsAre("141", "142"));
}

TEST_P(EngineConformanceTest, AnEmptyCollectionIsSearched) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  EXPECT_THAT(Search(Near("objects", {1, 2, 3})), IsEmpty());
  EXPECT_EQ(Count("objects"), 0u);
}

TEST_P(EngineConformanceTest, ObjectsAreDeletedByIdsFilterAndBoth) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 10; ++i) {
    objects.push_back(
        Point(absl::StrCat("o", i), {static_cast<float>(i)}, {{"low", i < 5}}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  EXPECT_THAT(engine_->DeleteObjects({}, {"objects", {}, std::nullopt, 0}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(
      engine_
          ->DeleteObjects({}, {"objects", {"o0", "o0", "x"}, std::nullopt, 0})
          ->deleted,
      1u);
  EXPECT_EQ(
      engine_
          ->DeleteObjects({}, {"objects", {"o1", "o9"}, Equals("low", true), 0})
          ->deleted,
      1u);
  EXPECT_EQ(engine_->DeleteObjects({}, {"objects", {}, Equals("low", true), 2})
                ->deleted,
            2u);
  EXPECT_THAT(Search(Near("objects", {0}, 3)), ElementsAre("o4", "o5", "o6"));
  EXPECT_EQ(engine_->DeleteObjects({}, {"objects", {}, Equals("low", true), 0})
                ->deleted,
            1u);
  EXPECT_EQ(Count("objects"), 5u);
  EXPECT_THAT(Get("objects", "o4"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(EngineConformanceTest, ObjectsAreListedInTheOrderOfIds) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 95; ++i) {
    objects.push_back(Point(absl::StrCat(1000 + (i * 37) % 95), {1},
                            {{"seventh", i % 7 == 0}, {"rare", i == 3}}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  for (const char* property : {"", "seventh", "rare"}) {
    ListObjectsRequest request;
    request.collection = "objects";
    request.page_size = 10;
    if (*property != '\0') request.filter = Equals(property, true);
    std::vector<std::string> ids;
    do {
      DIPTYCH_ASSERT_OK_AND_ASSIGN(auto page,
                                   engine_->ListObjects({}, request));
      EXPECT_LE(page.objects.size(), 10u);
      EXPECT_FALSE(page.objects.empty());
      for (const auto& view : page.objects) ids.push_back(view.object.id);
      request.page_token = page.next_page_token;
    } while (!request.page_token.empty());
    std::vector<std::string> expected;
    for (const ObjectWrite& object : objects) {
      if (*property == '\0' ||
          object.properties.at(property) == PropertyValue(true)) {
        expected.push_back(object.id);
      }
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(ids, expected) << property;
    EXPECT_THAT(engine_->CountObjects({}, {"objects", request.filter}),
                IsOkAndHolds(expected.size()));
  }
}

TEST_P(EngineConformanceTest, APageTokenBelongsToItsRequest) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects", {Point("a", {1}), Point("b", {1})}), IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.page_size = 1;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto page, engine_->ListObjects({}, request));
  ASSERT_NE(page.next_page_token, "");
  request.page_token = page.next_page_token;
  request.filter = Equals("x", true);
  EXPECT_THAT(engine_->ListObjects({}, request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  request.filter.reset();
  request.page_token[5] = request.page_token[5] == 'x' ? 'y' : 'x';
  EXPECT_THAT(engine_->ListObjects({}, request),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(EngineConformanceTest, APageEndsBeforeItGrowsTooLarge) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 5; ++i) {
    objects.push_back(Point(absl::StrCat(i), {1}));
    objects.back().images["photo"] = std::string(2 << 20, 'a' + i);
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.projection.image_bytes = true;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto page, engine_->ListObjects({}, request));
  EXPECT_EQ(page.objects.size(), 1u);
  EXPECT_NE(page.next_page_token, "");
}

TEST_P(EngineConformanceTest, UpdatesChangeOnlyWhatIsGiven) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects",
                    {Point("a", {1}, {{"x", int64_t{1}}, {"y", int64_t{2}}})}),
              IsOk());
  ObjectWrite update, missing;
  update.id = "a";
  update.properties = {{"x", std::monostate()}, {"z", int64_t{3}}};
  missing.id = "none";
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto result, engine_->UpdateObjects({}, {"objects", {update, missing}}));
  EXPECT_THAT(result.missing_ids, ElementsAre("none"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(ObjectView view, Get("objects", "a"));
  EXPECT_EQ(view.object.properties,
            (Properties{{"y", int64_t{2}}, {"z", int64_t{3}}}));
  EXPECT_EQ(view.object.vectors["default"], std::vector<float>{1});
  EXPECT_THAT(engine_->CountObjects({}, {"objects", Equals("z", int64_t{3})}),
              IsOkAndHolds(1u));
  update.properties.clear();
  update.vectors["default"] = {};
  ASSERT_THAT(engine_->UpdateObjects({}, {"objects", {update}}), IsOk());
  EXPECT_THAT(Search(Near("objects", {1})), IsEmpty());
  EXPECT_EQ(Count("objects"), 1u);
}

TEST_P(EngineConformanceTest, TextsAndImagesBecomeVectors) {
  ASSERT_THAT(CreateDefault("gallery"), IsOk());
  ObjectWrite text, image, neither;
  text.id = "text";
  text.properties["document"] = std::string("two red circles");
  image.id = "image";
  image.images["image"] = "bytes of a picture";
  neither.id = "neither";
  ASSERT_THAT(Write("gallery", {text, image, neither}), IsOk());
  EXPECT_THAT(
      Search(Near("gallery", FakeVectorizer::VectorOf("two red circles", 8))),
      ElementsAre("text", "image"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto collection,
                               engine_->GetCollection({}, "gallery"));
  EXPECT_EQ(collection.spec.vector_spaces[0].model_fingerprint,
            "fake-fingerprint");
  EXPECT_EQ(collection.spec.vector_spaces[0].dimension, 8u);

  // An update makes a vector anew only where a field that feeds it changed.
  const size_t calls = vectorizer_.call_sizes().size();
  ObjectWrite update;
  update.id = "text";
  update.properties["other"] = int64_t{1};
  ASSERT_THAT(engine_->UpdateObjects({}, {"gallery", {update}}), IsOk());
  EXPECT_EQ(vectorizer_.call_sizes().size(), calls);
  update.properties = {{"document", std::string("a blue square")}};
  ASSERT_THAT(engine_->UpdateObjects({}, {"gallery", {update}}), IsOk());
  EXPECT_EQ(vectorizer_.call_sizes().size(), calls + 1);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto found,
      engine_->Search(
          {}, Near("gallery", FakeVectorizer::VectorOf("a blue square", 8))));
  EXPECT_EQ(found.hits[0].view.object.id, "text");
  EXPECT_NEAR(found.hits[0].distance, 0, 1e-6);
  // The picture feeds with the new text: its bytes come from the store.
  update.id = "image";
  ASSERT_THAT(engine_->UpdateObjects({}, {"gallery", {update}}), IsOk());
  EXPECT_EQ(vectorizer_.call_sizes().back(), 2u);
}

TEST_P(EngineConformanceTest, WithInferenceDownOwnVectorsStillWork) {
  ASSERT_THAT(CreateDefault("gallery"), IsOk());
  vectorizer_.SetStatus(absl::UnavailableError("no answer from host:50051"));
  ObjectWrite text;
  text.id = "text";
  text.properties["document"] = std::string("x");
  EXPECT_THAT(
      Write("gallery", {Point("own", {1, 0}), text}),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("host:50051")));
  EXPECT_EQ(Count("gallery"), 0u);
  EXPECT_THAT(Write("gallery", {Point("own", {1, 0})}), IsOk());
  EXPECT_THAT(Search(Near("gallery", {1, 0})), ElementsAre("own"));
}

TEST_P(EngineConformanceTest, VectorsOfAnotherModelAreRefused) {
  ASSERT_THAT(CreateDefault("gallery"), IsOk());
  ObjectWrite text;
  text.id = "text";
  text.properties["document"] = std::string("x");
  ASSERT_THAT(Write("gallery", {text}), IsOk());
  vectorizer_.SetFingerprint("another");
  text.id = "text2";
  EXPECT_THAT(Write("gallery", {text}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another model")));
  EXPECT_EQ(Count("gallery"), 1u);
  SearchRequest request = Near("gallery", FakeVectorizer::VectorOf("x", 8));
  request.model_fingerprint = "another";
  EXPECT_THAT(engine_->Search({}, request),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(EngineConformanceTest, AnInsertOfWhatIsThereIsNotVectorised) {
  ASSERT_THAT(CreateDefault("gallery"), IsOk());
  ObjectWrite text;
  text.id = "text";
  text.properties["document"] = std::string("x");
  ASSERT_THAT(Write("gallery", {text}, WriteMode::kInsert), IsOk());
  const size_t calls = vectorizer_.call_sizes().size();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto again,
                               Write("gallery", {text}, WriteMode::kInsert));
  EXPECT_EQ(again.objects[0].outcome, WriteOutcome::kKept);
  EXPECT_EQ(vectorizer_.call_sizes().size(), calls);
}

TEST_P(EngineConformanceTest, AnImageIsStoredOnceAndGoesWithItsLastObject) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ObjectWrite first = Point("a", {1}), second = Point("b", {2});
  first.images["photo"] = second.images["photo"] = std::string(1 << 20, 'p');
  ASSERT_THAT(Write("objects", {first, second}), IsOk());
  EXPECT_EQ(engine_->GetCollectionStats({}, "objects")->images, 1u);
  // By its hash alone, now that the collection holds it.
  DIPTYCH_ASSERT_OK_AND_ASSIGN(ObjectView view, Get("objects", "a"));
  ObjectWrite third = Point("c", {3});
  third.properties["photo"] = view.object.properties["photo"];
  ASSERT_THAT(Write("objects", {third}), IsOk());
  ASSERT_THAT(
      engine_->DeleteObjects({}, {"objects", {"a", "b"}, std::nullopt, 0}),
      IsOk());
  EXPECT_EQ(Get("objects", "c")->images["photo"], first.images["photo"]);
  // Replacing the last holder by a reference to the same content keeps it.
  ASSERT_THAT(Write("objects", {third}), IsOk());
  EXPECT_EQ(Get("objects", "c")->images["photo"], first.images["photo"]);
  ASSERT_THAT(engine_->DeleteObjects({}, {"objects", {"c"}, std::nullopt, 0}),
              IsOk());
  EXPECT_EQ(engine_->GetCollectionStats({}, "objects")->images, 0u);
}

TEST_P(EngineConformanceTest, SpacesAreSearchedEachByItself) {
  CreateCollectionRequest request;
  request.spec.name = "spaces";
  request.spec.vector_spaces.resize(2);
  request.spec.vector_spaces[0].name = "front";
  request.spec.vector_spaces[1].name = "back";
  ASSERT_THAT(engine_->CreateCollection({}, request), IsOk());
  ObjectWrite a, b;
  a.id = "a";
  a.vectors = {{"front", {1, 0}}, {"back", {0, 0, 1}}};
  b.id = "b";
  b.vectors = {{"front", {0, 1}}};
  ASSERT_THAT(Write("spaces", {a, b}), IsOk());
  SearchRequest search = Near("spaces", {1, 0});
  search.vector_space = "front";
  EXPECT_THAT(Search(search), ElementsAre("a", "b"));
  search.vector_space = "back";
  search.query = std::vector<float>{0, 1, 0};
  EXPECT_THAT(Search(search), ElementsAre("a"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto stats,
                               engine_->GetCollectionStats({}, "spaces"));
  EXPECT_EQ(stats.objects, 2u);
  EXPECT_EQ(stats.vector_spaces[0].vectors, 2u);
  EXPECT_EQ(stats.vector_spaces[1].vectors, 1u);
  EXPECT_EQ(stats.vector_spaces[1].dimension, 3u);
}

TEST_P(EngineConformanceTest, DeadCallsAreNotBegun) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  CallContext late;
  late.deadline = absl::InfinitePast();
  EXPECT_THAT(engine_->WriteObjects(
                  late, {"objects", WriteMode::kUpsert, {Point("a", {1})}}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Count("objects"), 0u);
}

}  // namespace
}  // namespace diptych::storage
