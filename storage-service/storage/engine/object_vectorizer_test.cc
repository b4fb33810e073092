#include "storage/engine/object_vectorizer.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "storage/engine/fake_vectorizer.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

constexpr uint32_t kDimension = 8;

std::vector<float> Of(absl::string_view bytes) {
  return FakeVectorizer::VectorOf(bytes, kDimension);
}

std::vector<float> Normalised(std::vector<float> vector) {
  double square = 0;
  for (float value : vector) square += double{value} * value;
  for (float& value : vector) {
    value = static_cast<float>(value / std::sqrt(square));
  }
  return vector;
}

void ExpectNear(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6) << i;
}

class ObjectVectorizerTest : public ::testing::Test {
 protected:
  VectorizableObject Object(const Properties& properties,
                            const ImageBytes& images = {}) {
    properties_.push_back(std::make_unique<Properties>(properties));
    images_.push_back(std::make_unique<ImageBytes>(images));
    return {objects_.size(),
            properties_.back().get(),
            images_.back().get(),
            {true},
            {}};
  }
  absl::Status Run() {
    return VectorizeObjects({}, &vectorizer_, spec_, absl::MakeSpan(objects_),
                            fingerprints_);
  }

  CollectionSpec spec_ = DefaultCollectionSpec("test");
  FakeVectorizer vectorizer_{kDimension};
  std::vector<std::unique_ptr<Properties>> properties_;
  std::vector<std::unique_ptr<ImageBytes>> images_;
  std::vector<VectorizableObject> objects_;
  std::vector<std::string> fingerprints_;
};

TEST_F(ObjectVectorizerTest, TextAndImageAreWeighedAndScaledToLengthOne) {
  spec_.vector_spaces[0].vectorizer.text_fields[0].weight = 3;
  objects_ = {Object({{"document", std::string("a")}}, {{"image", "b"}})};
  ASSERT_THAT(Run(), IsOk());
  std::vector<float> expected(kDimension);
  for (uint32_t i = 0; i < kDimension; ++i) {
    expected[i] = 0.75f * Of("a")[i] + 0.25f * Of("b")[i];
  }
  ExpectNear(objects_[0].vectors[0].vector, Normalised(expected));
  EXPECT_TRUE(objects_[0].vectors[0].made);
  EXPECT_THAT(fingerprints_, ElementsAre("fake-fingerprint"));
}

TEST_F(ObjectVectorizerTest, AMissingFieldLeavesTheOthersTheirFullShare) {
  spec_.vector_spaces[0].metric = Metric::kSquaredL2;
  objects_ = {Object({{"document", std::string("a")}})};
  ASSERT_THAT(Run(), IsOk());
  ExpectNear(objects_[0].vectors[0].vector, Of("a"));
}

TEST_F(ObjectVectorizerTest, AListOfTextsIsTheirMean) {
  spec_.vector_spaces[0].metric = Metric::kInnerProduct;
  objects_ = {
      Object({{"document", std::vector<std::string>{"a", "b", "", "b"}}})};
  ASSERT_THAT(Run(), IsOk());
  std::vector<float> expected(kDimension);
  for (uint32_t i = 0; i < kDimension; ++i) {
    expected[i] = (Of("a")[i] + 2 * Of("b")[i]) / 3;
  }
  ExpectNear(objects_[0].vectors[0].vector, expected);
}

// Fields in another order than their names' and of other weights, lists and
// absent fields: what made Weaviate give a weight to the wrong field, or read
// past the weights.
TEST_F(ObjectVectorizerTest, WeightsBelongToTheirFieldByName) {
  VectorSpace& space = spec_.vector_spaces[0];
  space.metric = Metric::kSquaredL2;
  space.vectorizer.text_fields = {{"zebra", 5}, {"ant", 2}, {"mole", 1}};
  space.vectorizer.image_fields = {{"photo", 4}, {"cover", 8}};
  const ImageBytes images = {{"cover", "c"}, {"photo", "p"}};
  objects_ = {
      Object({{"ant", std::string("a")},
              {"mole", std::string("m")},
              {"zebra", std::string("z")}},
             images),
      Object({{"ant", std::vector<std::string>{"a1", "a2", "a3"}},
              {"zebra", std::string("z")}},
             {{"photo", "p"}}),
      Object({{"mole", std::string("m")}}, {{"cover", "c"}}),
      Object({{"ant", std::monostate()}, {"zebra", std::string("z")}}),
      Object({}, {{"photo", "p"}}),
      Object({{"ant", std::vector<std::string>{}}, {"mole", std::string()}}),
  };
  for (size_t i = 0; i < objects_.size(); ++i) objects_[i].index = i;
  ASSERT_THAT(Run(), IsOk());
  const auto mean =
      [](const std::vector<std::pair<double, std::string>>& parts) {
        std::vector<float> sum(kDimension);
        double weights = 0;
        for (const auto& [weight, text] : parts) weights += weight;
        for (const auto& [weight, text] : parts) {
          for (uint32_t i = 0; i < kDimension; ++i) {
            sum[i] += static_cast<float>(weight / weights * Of(text)[i]);
          }
        }
        return sum;
      };
  ExpectNear(objects_[0].vectors[0].vector,
             mean({{5, "z"}, {2, "a"}, {1, "m"}, {4, "p"}, {8, "c"}}));
  ExpectNear(objects_[1].vectors[0].vector, mean({{5, "z"},
                                                  {2.0 / 3, "a1"},
                                                  {2.0 / 3, "a2"},
                                                  {2.0 / 3, "a3"},
                                                  {4, "p"}}));
  ExpectNear(objects_[2].vectors[0].vector, mean({{1, "m"}, {8, "c"}}));
  ExpectNear(objects_[3].vectors[0].vector, Of("z"));
  ExpectNear(objects_[4].vectors[0].vector, Of("p"));
  EXPECT_THAT(objects_[5].vectors[0].vector, IsEmpty());
}

TEST_F(ObjectVectorizerTest, EverySpaceStandsByItself) {
  spec_.vector_spaces.push_back(spec_.vector_spaces[0]);
  spec_.vector_spaces[0].vectorizer.image_fields.clear();
  spec_.vector_spaces[1].name = "picture";
  spec_.vector_spaces[1].vectorizer.text_fields.clear();
  objects_ = {Object({{"document", std::string("a")}}, {{"image", "b"}}),
              Object({}, {{"image", "c"}})};
  for (VectorizableObject& object : objects_) object.wanted = {true, true};
  ASSERT_THAT(Run(), IsOk());
  ExpectNear(objects_[0].vectors[0].vector, Of("a"));
  ExpectNear(objects_[0].vectors[1].vector, Of("b"));
  EXPECT_THAT(objects_[1].vectors[0].vector, IsEmpty());
  ExpectNear(objects_[1].vectors[1].vector, Of("c"));
  // Both spaces in one call.
  EXPECT_THAT(vectorizer_.call_sizes(), ElementsAre(3));
}

TEST_F(ObjectVectorizerTest, AnObjectWithNoneOfTheFieldsHasNoVector) {
  objects_ = {Object({{"other", std::string("a")}, {"document", int64_t{1}}})};
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(objects_[0].vectors[0].vector, IsEmpty());
  EXPECT_THAT(vectorizer_.call_sizes(), IsEmpty());
  EXPECT_THAT(fingerprints_, ElementsAre(""));
}

TEST_F(ObjectVectorizerTest, EqualInputsAreSentOnceAndCallsAreBounded) {
  for (int i = 0; i < 600; ++i) {
    objects_.push_back(
        Object({{"document", std::string("t") + std::to_string(i % 300)}}));
  }
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(vectorizer_.call_sizes(), ElementsAre(256, 44));
}

TEST_F(ObjectVectorizerTest, CallsAreBoundedByBytes) {
  for (int i = 0; i < 5; ++i) {
    objects_.push_back(
        Object({}, {{"image", std::string(20 << 20, static_cast<char>(i))}}));
  }
  ASSERT_THAT(Run(), IsOk());
  EXPECT_THAT(vectorizer_.call_sizes(),
              AllOf(Each(Le(2u)), ElementsAre(2, 2, 1)));
}

TEST_F(ObjectVectorizerTest, ABadInputIsNamedByObjectAndField) {
  vectorizer_.SetStatus(InvalidField("inputs[1]", "is not an image"));
  objects_ = {Object({{"document", std::string("a")}})};
  objects_.push_back(Object({}, {{"image", "junk"}}));
  const absl::Status status = Run();
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldViolationsOf(status)[0].field,
            "objects[1].properties[\"image\"]");
}

TEST_F(ObjectVectorizerTest, AnUnreachableServiceIsExplained) {
  vectorizer_.SetStatus(absl::UnavailableError("no answer from host:50051"));
  objects_ = {Object({{"document", std::string("a")}})};
  EXPECT_THAT(Run(),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("host:50051"), HasSubstr("still work"),
                             HasSubstr("nothing was written"))));
}

TEST_F(ObjectVectorizerTest, AnUnknownModelIsAMatterOfSetup) {
  vectorizer_.SetStatus(absl::NotFoundError("no model clip"));
  objects_ = {Object({{"document", std::string("a")}})};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ObjectVectorizerTest, WithoutVectorizerTheCallerIsToldWhatToDo) {
  objects_ = {Object({{"document", std::string("a")}})};
  EXPECT_THAT(VectorizeObjects({}, nullptr, spec_, absl::MakeSpan(objects_),
                               fingerprints_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("--inference")));
}

}  // namespace
}  // namespace diptych::storage
