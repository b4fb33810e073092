#include "storage/record/record_codec.h"

#include <limits>
#include <random>

#include "common/testing/status_matchers.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

Properties EveryType() {
  return {
      {"null", std::monostate()},
      {"bool", true},
      {"integer", std::numeric_limits<int64_t>::min()},
      {"double", -0.1},
      {"text", std::string("a\0b\xc3\xa4", 5)},
      {"", std::string()},
      {"time", Timestamp{-1}},
      {"place", GeoPoint{52.5, -13.25}},
      {"image", ImageReference{std::string(32, '\x7f'), 12345, "file:///a"}},
      {"external",
       ImageReference{std::string(32, '\x7f'), 12345, "file:///a", true}},
      {"bools", std::vector<bool>{true, false, true}},
      {"integers", std::vector<int64_t>{1, -2}},
      {"doubles", std::vector<double>{0.5}},
      {"texts", std::vector<std::string>{"", "red"}},
      {"times", std::vector<Timestamp>{{1}, {2}}},
  };
}

ObjectRecord AnObject() {
  return {"id-1",
          Timestamp{10},
          Timestamp{20},
          EveryType(),
          {{0, 512, true}, {3, 4, false}}};
}

TEST(RecordCodecTest, ObjectsOfEveryTypeComeBack) {
  const std::string key = SlotKey(7);
  EXPECT_THAT(DecodeObject(key, EncodeObject(key, AnObject())),
              IsOkAndHolds(AnObject()));
}

TEST(RecordCodecTest, HeadsOfObjectsComeAloneAndAreCheckedAsAWhole) {
  const std::string key = SlotKey(7);
  ObjectRecord head = AnObject();
  head.properties.clear();
  head.vectors.clear();
  const std::string record = EncodeObject(key, AnObject());
  EXPECT_THAT(DecodeObjectHead(key, record), IsOkAndHolds(head));
  std::string damaged = record;
  damaged[record.size() - 10] ^= 1;  // far behind the head
  EXPECT_THAT(DecodeObjectHead(key, damaged),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(
      DecodeObjectHead(key, SealRecord(RecordKind::kObject, key, "short")),
      StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RecordCodecTest, CollectionsComeBack) {
  Collection collection{42, "uid", DefaultCollectionSpec("clothes"),
                        Timestamp{1}, Timestamp{2}};
  collection.spec.vector_spaces[0].vectorizer.model = "clip";
  collection.spec.vector_spaces[0].metric = Metric::kInnerProduct;
  collection.spec.vector_spaces[0].dimension = 9;
  collection.spec.vector_spaces.emplace_back().name = "own";
  collection.spec.metadata = EveryType();
  collection.spec.uri_images = UriImages::kKeepBytes;
  EXPECT_THAT(
      DecodeCollection("clothes", EncodeCollection("clothes", collection)),
      IsOkAndHolds(collection));
}

TEST(RecordCodecTest, SmallRecordsComeBack) {
  EXPECT_THAT(DecodeFormat("k", EncodeFormat("k", 3)), IsOkAndHolds(3u));
  EXPECT_THAT(DecodeNumber("k", EncodeNumber("k", ~uint64_t{0})),
              IsOkAndHolds(~uint64_t{0}));
  EXPECT_THAT(DecodeSlot("k", EncodeSlot("k", 9)), IsOkAndHolds(9u));
  EXPECT_THAT(DecodeCounters("k", EncodeCounters("k", {1, 2, 3})),
              IsOkAndHolds(Counters{1, 2, 3}));
  EXPECT_THAT(DecodeSpaceState("k", EncodeSpaceState("k", {512, "print"})),
              IsOkAndHolds(SpaceState{512, "print"}));
  EXPECT_THAT(
      DecodeImageReference("k", EncodeImageReference("k", {2, 1 << 20})),
      IsOkAndHolds(ImageReferenceRecord{2, 1 << 20}));
  const std::vector<float> vector = {1.5f, -2.0f, 1e-38f};
  EXPECT_THAT(DecodeVector("k", EncodeVector("k", vector), 3),
              IsOkAndHolds(vector));
}

TEST(RecordCodecTest, AKnownRecordHasTheDocumentedBytes) {
  // kind 6, slot 0x01020304 little-endian, then eight bytes of checksum.
  const std::string record = EncodeSlot("a", 0x01020304);
  ASSERT_EQ(record.size(), 13u);
  EXPECT_EQ(record.substr(0, 5), std::string("\x06\x04\x03\x02\x01", 5));
}

TEST(RecordCodecTest, EveryFlippedBitIsNoticed) {
  const std::string key = SlotKey(7);
  const std::string record = EncodeObject(key, AnObject());
  for (size_t byte = 0; byte < record.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = record;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      ASSERT_THAT(DecodeObject(key, damaged),
                  StatusIs(absl::StatusCode::kDataLoss))
          << byte << ":" << bit;
    }
  }
}

TEST(RecordCodecTest, EveryCutIsNoticed) {
  const std::string key = SlotKey(7);
  const std::string record = EncodeObject(key, AnObject());
  for (size_t size = 0; size < record.size(); ++size) {
    ASSERT_THAT(DecodeObject(key, record.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(RecordCodecTest, ARecordUnderAnotherKeyIsRefused) {
  EXPECT_THAT(
      DecodeSlot("b", EncodeSlot("a", 1)),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("table ids, key 0x62")));
}

TEST(RecordCodecTest, ARecordOfAnotherKindIsRefused) {
  EXPECT_THAT(DecodeSlot("a", EncodeFormat("a", 1)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another kind")));
}

TEST(RecordCodecTest, AVectorOfAnotherDimensionIsRefused) {
  const std::string record = EncodeVector("k", {1.0f, 2.0f});
  EXPECT_THAT(DecodeVector("k", record, 3),
              StatusIs(absl::StatusCode::kDataLoss));
}

// Payloads that a checksum vouches for but that nobody encoded: decoding must
// refuse or accept them without reading beyond their end (ASan watches).
TEST(RecordCodecTest, DamagedPayloadsUnderARightChecksumNeverCrash) {
  const std::string key = SlotKey(7);
  const std::string record = EncodeObject(key, AnObject());
  const std::string payload = record.substr(1, record.size() - 9);
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = payload;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int change = 0; change < changes; ++change) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (round % 3 == 0) damaged.resize(random() % damaged.size());
    const std::string sealed = SealRecord(RecordKind::kObject, key, damaged);
    const auto decoded = DecodeObject(key, sealed);
    if (!decoded.ok()) {
      ASSERT_THAT(decoded, StatusIs(absl::StatusCode::kDataLoss));
    }
  }
}

TEST(RecordCodecTest, PieceCountsCoverTheRecord) {
  for (uint32_t dimension : {1u, 128u, 129u, 130u, 512u, 16384u}) {
    const size_t bytes =
        EncodeVector("k", std::vector<float>(dimension, 1.0f)).size();
    const size_t pieces = VectorPieceCount(dimension);
    EXPECT_GE(pieces * kVectorPieceBytes, bytes);
    EXPECT_LT((pieces - 1) * kVectorPieceBytes, bytes);
  }
}

}  // namespace
}  // namespace diptych::storage
