// Aligned columns for people.
//
// Operation: columns are as wide as their widest cell on a screen
// (display_width.h); cells are made printable first; a column with a limit cuts
// its cells. Columns are two spaces apart and lines have no trailing spaces.
// Concurrency: a value type.
// Limits: holds all rows.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal/style.h"

namespace diptych::cli {

enum class Alignment { kLeft, kRight };

struct Column {
  std::string header;
  Alignment alignment = Alignment::kLeft;
  // 0: as wide as needed.
  int columns_max = 0;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  // Missing cells are empty; surplus ones are left out.
  void AddRow(std::vector<std::string> cells);

  // Header and rows, each ending in a line break. The header is bold.
  std::string Render(const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace diptych::cli
