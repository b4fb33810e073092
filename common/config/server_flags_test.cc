#include "common/config/server_flags.h"

#include <cstdlib>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

class ServerFlagsTest : public ::testing::Test {
 protected:
  std::optional<int> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "server");
    AddServerFlags(app_, flags_);
    return ParseCommandLine(app_, static_cast<int>(arguments.size()),
                            arguments.data());
  }

  CLI::App app_;
  ServerFlags flags_ = {.listen = "127.0.0.1:1", .http_listen = "127.0.0.1:2"};
};

TEST_F(ServerFlagsTest, DefaultsStayWithoutFlags) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_EQ(flags_.listen, "127.0.0.1:1");
  EXPECT_EQ(flags_.http_listen, "127.0.0.1:2");
  EXPECT_THAT(flags_.Validate(), IsOk());
}

TEST_F(ServerFlagsTest, EmptyHttpAddressTurnsHttpOff) {
  EXPECT_EQ(Parse({"--http-listen", "", "--listen", "[::]:7"}), std::nullopt);
  EXPECT_EQ(flags_.http_listen, "");
  EXPECT_EQ(flags_.listen, "[::]:7");
}

TEST_F(ServerFlagsTest, EnvironmentIsReadAndTheCommandLineWins) {
  setenv("DIPTYCH_LISTEN", "env:1", 1);
  setenv("DIPTYCH_DRAIN_SECONDS", "4.5", 1);
  EXPECT_EQ(Parse({"--listen", "flag:1"}), std::nullopt);
  unsetenv("DIPTYCH_LISTEN");
  unsetenv("DIPTYCH_DRAIN_SECONDS");
  EXPECT_EQ(flags_.listen, "flag:1");
  EXPECT_EQ(flags_.drain_seconds, 4.5);
}

TEST_F(ServerFlagsTest, UnknownFlagEndsTheProcessWithAnError) {
  EXPECT_GT(Parse({"--nonsense"}).value_or(0), 0);
}

TEST_F(ServerFlagsTest, VersionEndsTheProcessWithSuccess) {
  EXPECT_EQ(Parse({"--version"}), 0);
}

TEST_F(ServerFlagsTest, WrongValuesAreNamed) {
  flags_.listen = "";
  flags_.drain_seconds = -1;
  EXPECT_THAT(flags_.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("--drain-seconds")));
}

}  // namespace
}  // namespace diptych
