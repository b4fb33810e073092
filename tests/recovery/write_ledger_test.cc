#include "tests/recovery/write_ledger.h"

#include "common/hash/sha256.h"
#include "common/testing/status_matchers.h"

namespace diptych::storage {
namespace {

constexpr MarkedVersion kOne{1, 1}, kTwo{2, 2}, kThree{3, 3};

class WriteLedgerTest : public ::testing::Test {
 protected:
  // "a" and "b" are acknowledged; then "a" is written and "b" deleted in one
  // write, and "c" written in another.
  WriteLedgerTest() {
    ledger_.Begin({{"a", kOne}, {"b", kOne}});
    ledger_.Acknowledge(1);
    ledger_.Begin({{"a", kTwo}, {"b", std::nullopt}});
    ledger_.Begin({{"c", kThree}});
  }

  WriteLedger ledger_;
};

TEST_F(WriteLedgerTest, EveryFirstPartOfWhatWasBegunIsPossible) {
  for (const WriteLedger::Objects& found :
       {WriteLedger::Objects{{"a", kOne}, {"b", kOne}},
        WriteLedger::Objects{{"a", kTwo}},
        WriteLedger::Objects{{"a", kTwo}, {"c", kThree}}}) {
    WriteLedger ledger = ledger_;
    EXPECT_THAT(ledger.Settle(found), IsOk());
    EXPECT_EQ(ledger.objects(), found);
    EXPECT_EQ(ledger.begun(), 0u);
  }
}

TEST_F(WriteLedgerTest, LossHalvesGapsAndStrangersAreNoticed) {
  for (const WriteLedger::Objects& found :
       {WriteLedger::Objects{{"a", kOne}},               // b is lost
        WriteLedger::Objects{{"a", kTwo}, {"b", kOne}},  // half a write
        WriteLedger::Objects{{"a", kOne}, {"b", kOne}, {"c", kThree}},  // a gap
        WriteLedger::Objects{{"a", kOne}, {"b", kOne}, {"x", kOne}},
        WriteLedger::Objects{{"a", {2, 1}}}}) {
    WriteLedger ledger = ledger_;
    EXPECT_THAT(ledger.Settle(found), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(MarkedObjectTest, AMixtureOfTwoVersionsIsNoticed) {
  v1::Object object = MarkedObject("id", {5, 4});
  // What a server adds.
  auto& image =
      *(*object.mutable_properties())["picture"].mutable_image_value();
  image.set_content_sha256(Sha256(image.data()));
  image.set_size_bytes(static_cast<int64_t>(image.data().size()));
  image.set_stored(true);
  EXPECT_THAT(VersionOf(object), IsOkAndHolds(MarkedVersion{5, 4}));
  const v1::Object other = MarkedObject("id", {6, 5});
  for (const char* part :
       {"tag", "words", "write", "picture_write", "picture"}) {
    v1::Object mixed = object;
    (*mixed.mutable_properties())[part] = other.properties().at(part);
    EXPECT_THAT(VersionOf(mixed), StatusIs(absl::StatusCode::kDataLoss));
  }
}

}  // namespace
}  // namespace diptych::storage
