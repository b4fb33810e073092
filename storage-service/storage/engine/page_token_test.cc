#include "storage/engine/page_token.h"

#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "storage/engine/uuid.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

TEST(PageTokenTest, PositionsComeBack) {
  const std::string position("id\0\xff", 4);
  EXPECT_THAT(DecodePageToken(7, EncodePageToken(7, position)),
              IsOkAndHolds(position));
}

TEST(PageTokenTest, EveryChangedCharacterIsRefused) {
  const std::string token = EncodePageToken(7, "some-id");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto decoded = DecodePageToken(7, changed);
    ASSERT_THAT(decoded, StatusIs(absl::StatusCode::kInvalidArgument)) << i;
    EXPECT_EQ(FieldViolationsOf(decoded.status())[0].field, "page_token");
  }
  EXPECT_THAT(DecodePageToken(7, token.substr(1)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(DecodePageToken(7, "%%%"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PageTokenTest, ATokenOfAnotherRequestIsRefused) {
  EXPECT_THAT(DecodePageToken(8, EncodePageToken(7, "x")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("another request")));
}

TEST(UuidTest, TheyHaveTheFormOfVersion7AndSortByTime) {
  const absl::Time now = absl::FromUnixMillis(0x0123456789ab);
  const std::string uuid = MakeUuidV7(now);
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid.substr(0, 15), "01234567-89ab-7");
  EXPECT_THAT(std::string("89ab"), HasSubstr(uuid.substr(19, 1)));
  EXPECT_NE(uuid, MakeUuidV7(now));
  EXPECT_LT(uuid, MakeUuidV7(now + absl::Milliseconds(1)));
}

}  // namespace
}  // namespace diptych::storage
