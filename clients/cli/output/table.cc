#include "cli/output/table.h"

#include <algorithm>
#include <utility>

#include "cli/terminal/display_width.h"

namespace diptych::cli {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i] = Printable(cells[i]);
    if (columns_[i].columns_max > 0) {
      cells[i] = FitToWidth(cells[i], columns_[i].columns_max);
    }
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Render(const Style& style) const {
  std::vector<int> widths;
  std::vector<std::string> headers;
  for (size_t i = 0; i < columns_.size(); ++i) {
    headers.push_back(Printable(columns_[i].header));
    int width = DisplayWidth(headers[i]);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i]));
    widths.push_back(width);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string result;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - DisplayWidth(cells[i]), ' ');
      const bool right = columns_[i].alignment == Alignment::kRight;
      if (i > 0) result += "  ";
      result += right ? padding + cells[i] : cells[i] + padding;
    }
    result.erase(result.find_last_not_of(' ') + 1);
    return result;
  };
  std::string result = style.Bold(line(headers)) + "\n";
  for (const auto& row : rows_) result += line(row) + "\n";
  return result;
}

}  // namespace diptych::cli
