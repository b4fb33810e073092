#include "cli/output/table.h"

#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

TEST(TableTest, AlignsByDisplayWidth) {
  Table table({{"name"}, {"n", Alignment::kRight}, {"note"}});
  table.AddRow({"猫", "7", "x"});
  table.AddRow({"sofa", "123", ""});
  EXPECT_EQ(table.Render(Style(false)),
            "name    n  note\n"
            "猫      7  x\n"
            "sofa  123\n");
}

TEST(TableTest, CutsLimitedColumnsAndDisarmsCells) {
  Table table({{"id"}, {"text", Alignment::kLeft, 5}});
  table.AddRow({"a\nb", "longer text"});
  EXPECT_EQ(table.Render(Style(false)), "id   text\na b  long…\n");
}

TEST(TableTest, HeaderIsBoldOnlyWithColour) {
  Table table({{"id"}});
  EXPECT_EQ(table.Render(Style(true)), "\x1b[1mid\x1b[0m\n");
}

}  // namespace
}  // namespace diptych::cli
